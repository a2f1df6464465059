"""Shows progress on a terminal, which it shares with pytest and with what tests print."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest

from pytest_edgegate.progress import drawer
from pytest_edgegate.progress.line import State, Told
from pytest_edgegate.tidy.child import Child, start_script

PATIENCE = 0.7
"""Seconds before the process that draws is started, unless work begins that is known to be long."""
_POLL = 0.3
_COMMANDS = re.compile(r"\033\[[0-9;?]*[A-Za-z]")


class Drawer(Protocol):
    """The process that draws: it takes messages, and answers ``null`` when the line is erased."""

    def send(self, message: str) -> None: ...

    def wait(self) -> None: ...

    def close(self) -> None: ...


class Screen:
    """Shows progress on a terminal, behind the cursor, until anything else is written.

    *start* starts the drawer; *files* are those whose writing erases the line first; *column* is
    that of the cursor where nothing was written meanwhile.
    """

    names_imports = True

    def __init__(
        self,
        start: Callable[[], Drawer],
        files: list[Any],
        column: Callable[[], int],
        *,
        of_workers: Callable[[], bool] | None = None,
    ) -> None:
        self._start = start
        self._files = files
        self._column = column
        self._of_workers = of_workers
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._drawer: Drawer | None = None
        self._failed = False
        self._state: State | None = None
        self._at: int | None = None
        self._visible = False
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None

    def show(self, state: State | None, *, long: bool = False) -> None:
        if os.getpid() != self._owner:
            return  # a fork shares the pipes
        with self._lock:
            self._state = state
            if state is None:
                self._pause()
                self._at = None
                return
            if long:
                self._begin()
            if self._drawer is not None:
                self._resume()
            elif self._watcher is None and not self._failed:
                self.watch()

    def told(self, what: str, seconds: float) -> None:
        return

    def take(self) -> list[Told]:
        return []

    def watch(self) -> None:
        """Waits, in a thread that ends with the start of the drawer, for work that is not short."""
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="edgegate-progress")
        self._watcher.start()

    def _watch(self) -> None:
        while not self._closed.wait(_POLL):
            with self._lock:
                if self._drawer is not None or self._failed:
                    return
                if self._is_long():
                    self._begin()
                    self._resume()

    def _is_long(self) -> bool:
        if self._of_workers is not None:
            return self._of_workers()
        state = self._state
        return state is not None and time.monotonic() - state["begun"] >= PATIENCE

    def _begin(self) -> None:
        """Starts the drawer; without one, for want of processes, nothing is drawn."""
        if self._drawer is not None or self._failed:
            return
        try:
            self._drawer = self._start()
            for each in self._files:
                each.write = self._surrounded(each.write)
        except (OSError, AttributeError):
            self._failed = True

    def _surrounded(self, write: Callable[[str], int]) -> Callable[[str], int]:
        file = write.__self__  # type: ignore[attr-defined]

        def written(text: str) -> int:
            if os.getpid() != self._owner:
                return write(text)  # of a fork, which shares the pipes
            with self._lock:
                self._pause()
                before = self._column() if self._at is None else self._at
                count = write(text)
                file.flush()
                self._at = after(before, text)
                self._resume()
            return count

        return written

    def _resume(self) -> None:
        if self._state is None and self._of_workers is None:
            return
        column = self._column() if self._at is None else self._at
        self._send({**(self._state or {}), "column": column})
        self._visible = True

    def _pause(self) -> None:
        if self._visible:
            self._visible = False
            self._send(None)
            if self._drawer is not None:
                self._drawer.wait()

    def _send(self, message: State | None) -> None:
        if self._drawer is None:
            return
        try:
            self._drawer.send(json.dumps(message) + "\n")
        except OSError:  # it has ended
            self._drawer, self._failed = None, True

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._pause()
            if self._drawer is not None:
                self._drawer.close()
                self._drawer = None
                for each in self._files:
                    with suppress(AttributeError):
                        del each.write


def after(column: int, text: str) -> int:
    """The column of the cursor after the text."""
    _, broken, last = _COMMANDS.sub("", text).replace("\r", "\n").rpartition("\n")
    return len(last) if broken else column + len(last)


def can_draw(reporter: pytest.TerminalReporter | None) -> bool:
    """Whether the output is a terminal that moves its cursor as it is told."""
    dumb = os.environ.get("TERM") in ("dumb", "unknown")
    return reporter is not None and bool(reporter.isatty) and not dumb


def drawn_files(reporter: pytest.TerminalReporter, config: pytest.Config) -> list[Any]:
    """The files whose output may meet the line: with ``-s`` also what tests print."""
    files = [reporter._tw._file]
    if config.getoption("capture") != "fd":
        files += [each for each in (sys.stdout, sys.stderr) if each and each.isatty()]
    return list({id(each): each for each in files}.values())


class DrawerProcess:
    """``Drawer``: *arguments* are those of ``drawer.main``, *screen* is the terminal."""

    def __init__(self, screen: int, arguments: Sequence[str] = ()) -> None:
        self._child: Child = start_script(Path(drawer.__file__), arguments, screen)

    def send(self, message: str) -> None:
        self._child.writer.write(message.encode())
        self._child.writer.flush()

    def wait(self) -> None:
        self._child.reader.read(1)

    def close(self) -> None:
        self._child.close()
