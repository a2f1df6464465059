"""A running clock beside the name of the running test, and lines of finished stages elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pytest_edgegate.core.importing import ImportsTold
from pytest_edgegate.core.printable import printable_line

_PUBLISHED = 0.3
"""Seconds between two messages about what is counted, at least."""
_TOLD = 1.0
"""Seconds from which on a stage that is usually short has a line of its own in a log."""

Told = tuple[str, float]
"""A finished stage and its seconds."""
State = dict[str, Any]
"""As ``drawer.State``, without the column."""


class View(Protocol):
    """Where the progress of a process is shown."""

    @property
    def names_imports(self) -> bool:
        """Whether packages are named while they are imported."""

    def show(self, state: State | None, *, long: bool = False) -> None:
        """Shows what runs, or nothing. *long*: it is known to be no short work."""

    def told(self, what: str, seconds: float) -> None:
        """Takes note of a finished stage."""

    def take(self) -> list[Told]:
        """The finished stages that go with a report."""

    def close(self) -> None: ...


@dataclass
class _Stage:
    what: str
    since: float


class ProgressLine:
    """What the test of this process does, as ``StagedProgress``; *view* shows it."""

    def __init__(
        self, view: View | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.view: View = Log(lambda line: None) if view is None else view
        """May be replaced between two tests."""
        self._clock = clock
        self._stages: list[_Stage] = []
        self._begun = self._published = 0.0
        self._count: tuple[str, float, float | None, float] | None = None
        self._imports: ImportsTold | None = None

    def begin(self, what: str) -> None:
        """Begins a phase of a test, in which *what* runs where nothing says more."""
        self.clear()
        self._begun = self._clock()
        self._stages = [_Stage(what, self._begun)]
        if self.view.names_imports:
            self._imports = ImportsTold(lambda name: self.stage(f"importing {name}", told=False))
            self._imports.begin()
        self._show()

    def clear(self) -> None:
        """Ends the phase: nothing is shown."""
        if self._imports is not None:
            self._imports.end()
            self._imports = None
        self._stages, self._count = [], None
        self.view.show(None)

    def __call__(self, what: str, done: float, total: float | None) -> None:
        if not self._stages:
            return
        now, before = self._clock(), self._count
        if total is not None and done >= total:
            self._count = None
            if before is not None:
                self._show()
            return
        same = before is not None and before[0] == what and before[1] <= done
        self._count = (what, done, total, before[3] if before is not None and same else now)
        if not same or now - self._published >= _PUBLISHED:
            self._show()

    @contextmanager
    def stage(self, what: str, *, told: bool = True) -> Iterator[None]:
        """Around a stage; only one that is *told* is known to take long."""
        if not self._stages:
            yield
            return
        begun, outer = self._clock(), self._count
        entered = _Stage(what, begun)
        self._stages.append(entered)
        self._count = None
        self._show(long=told)
        try:
            yield
        finally:
            if entered in self._stages:  # else the phase has ended meanwhile
                del self._stages[self._stages.index(entered) :]
                self._count = outer
                self._show()
            if told:
                self.view.told(what, self._clock() - begun)

    def fixture(self, name: str) -> AbstractContextManager[None]:
        """Around a fixture of the user, which may load a model or import a framework."""
        return self._timed(f"fixture {name}")

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begun = self._clock()
        with self.stage(what, told=False):
            yield
        if (seconds := self._clock() - begun) >= _TOLD:
            self.view.told(what, seconds)

    def take(self) -> list[Told]:
        """The stages that were finished since the last call, where they go with a report."""
        return self.view.take()

    def close(self) -> None:
        self.clear()
        self.view.close()

    def _show(self, *, long: bool = False) -> None:
        if not self._stages:
            return
        self._published = self._clock()
        what, since = self._stages[-1].what, self._stages[-1].since
        state: State = {"begun": self._begun, "since": since, "what": printable_line(what)}
        if self._count is not None:
            what, done, total, since = self._count
            state |= {"what": printable_line(what), "done": done, "total": total, "since": since}
        self.view.show(state, long=long)


class Log:
    """Lines of finished stages, for ``-v`` without a terminal; *write* prints one."""

    names_imports = False

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def show(self, state: State | None, *, long: bool = False) -> None:
        return

    def told(self, what: str, seconds: float) -> None:
        self._write(finished(what, seconds))

    def take(self) -> list[Told]:
        return []

    def close(self) -> None:
        return


class Published:
    """What a worker of pytest-xdist does, in a file that the controller's drawer reads."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.names_imports = file is not None
        self._stages: list[Told] = []

    def show(self, state: State | None, *, long: bool = False) -> None:
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        with suppress(OSError):  # the controller may have ended
            new.write_text(json.dumps(state), "utf-8")
            new.replace(self._file)

    def told(self, what: str, seconds: float) -> None:
        self._stages.append((what, seconds))

    def take(self) -> list[Told]:
        taken, self._stages = self._stages, []
        return taken

    def close(self) -> None:
        return


def finished(what: str, seconds: float) -> str:
    """``  PTQ(samples=200) on m.keras: 12.3 s``."""
    return printable_line(f"  {what}: {seconds:.1f} s")
