"""How a worker comes to be: what starts it, gives its pipes, ends it and says how it ended."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from pytest_edgegate.tidy.child import Child, start_python
from pytest_edgegate.tidy.supervised import start_supervised

_MAIN = "from pytest_edgegate.workers.serve import main; main()"


class Process(Protocol):
    """A worker that was started, wherever it runs."""

    @property
    def reader(self) -> BinaryIO:
        """What it says."""

    @property
    def writer(self) -> BinaryIO:
        """What it is told."""

    @property
    def alive(self) -> bool:
        """Whether it runs, and is this process's to use."""

    def kill(self) -> None:
        """Ends it, from any thread; whoever waits for it gets to the end of ``reader``."""

    def ending(self) -> str:
        """How it has ended, for a message: ``SIGSEGV``, ``exit status 3``."""

    def last_words(self) -> str:
        """The last line that it printed beside its answers, or nothing."""

    def close(self) -> None:
        """Ends it and all that it has started, and closes its pipes."""


class Launcher(Protocol):
    """A place where workers run."""

    @property
    def shares_files(self) -> bool:
        """Whether a path means there what it means here."""

    def start(self) -> Process:
        """A new worker. Raises OSError, or an ``EdgeGateError`` that says more."""


class ThisHost:
    """The Python of the session itself, on this machine."""

    shares_files = True

    def start(self) -> Child:
        return start_python(_MAIN)


class Supervised(ThisHost):
    """As ``ThisHost``, for workers that start processes themselves: all of them end together."""

    def start(self) -> Child:
        return start_supervised(_MAIN)


THIS_HOST = ThisHost()
SUPERVISED = Supervised()
