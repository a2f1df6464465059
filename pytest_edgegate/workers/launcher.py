"""Launchers: start worker processes, provide their pipes, end them and report how they ended."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from pytest_edgegate.tidy.child import Child, start_python
from pytest_edgegate.tidy.supervised import start_supervised

_MAIN = "from pytest_edgegate.workers.serve import main; main()"


class Process(Protocol):
    """A started worker, wherever it runs."""

    @property
    def reader(self) -> BinaryIO:
        """The stream of its messages."""

    @property
    def writer(self) -> BinaryIO:
        """The stream of messages to it."""

    @property
    def alive(self) -> bool:
        """Whether it runs and belongs to this process."""

    def kill(self) -> None:
        """Ends it, from any thread; a reader that waits for it sees the end of ``reader``."""

    def ending(self) -> str:
        """How it ended, for messages: ``SIGSEGV``, ``exit status 3``."""

    def last_words(self) -> str:
        """The last line that it printed besides its answers, or an empty string."""

    def close(self) -> None:
        """Ends it with all its processes, and closes its pipes."""


class Launcher(Protocol):
    """A place where workers run."""

    @property
    def shares_files(self) -> bool:
        """Whether workers see the same files under the same paths."""

    @property
    def slower(self) -> float:
        """How many times longer than here a call may take before it counts as a hang."""

    def start(self) -> Process:
        """A new worker. Raises OSError, or an ``EdgeGateError`` with the reason."""


class ThisHost:
    """Starts workers with the session's own Python, on this machine."""

    shares_files = True
    slower = 1.0

    def start(self) -> Child:
        return start_python(_MAIN)


class SupervisedLauncher(ThisHost):
    """As ``ThisHost``, for workers that start processes themselves, which end together."""

    def start(self) -> Child:
        return start_supervised(_MAIN)


THIS_HOST = ThisHost()
SUPERVISED = SupervisedLauncher()
