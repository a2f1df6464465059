"""Chooses how the progress of a process is shown, by what its output is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.progress import drawer
from pytest_edgegate.progress.line import Log, Published, View, finished
from pytest_edgegate.progress.screen import (
    PATIENCE,
    DrawerProcess,
    Screen,
    can_draw,
    drawn_files,
)
from pytest_edgegate.tidy.scratch import SCRATCH

_FILE = "edgegate_progress"
"""The key of a worker's file in ``workerinput``."""


class Views:
    """The views of one process, made while pytest captures nothing: that hides the terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._terminal: int | None = None
        self._folder: Path | None = None
        self._workers: Screen | None = None
        if can_draw(self._reporter):
            with suppress(OSError, ValueError):  # a terminal that is no file
                self._terminal = os.dup(self._reporter._tw._file.fileno())

    def view(self) -> View:
        """The view of the tests of this process."""
        given = getattr(self._config, "workerinput", None)
        if given is not None:
            file = given.get(_FILE)
            return Published(None if file is None else Path(file))
        return Log(self._print) if self._terminal is None else self._screen()

    def configure_worker(self, name: str, given: dict[str, Any]) -> None:
        """Gives a worker of pytest-xdist, by its *workerinput*, a file for its progress."""
        if self._terminal is None:
            return
        if self._folder is None:
            SCRATCH.join()
            try:
                self._folder = SCRATCH.subfolder("progress")
            except StorageError:  # reported once the folder is needed
                return
            self._workers = self._screen(self._folder)
            self._workers.watch()
        given[_FILE] = str(self._folder / f"{name}.json")

    def tell(self, stages: Iterable[tuple[str, float]]) -> None:
        """Writes the stages that a worker has finished."""
        if self._terminal is None:
            for what, seconds in stages:
                self._print(finished(what, seconds))

    def close(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None
            SCRATCH.leave()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None

    def _screen(self, folder: Path | None = None) -> Screen:
        terminal, writer = self._terminal, self._reporter._tw
        assert terminal is not None  # callers have looked
        return Screen(
            lambda: DrawerProcess(terminal, [] if folder is None else [str(folder)]),
            drawn_files(self._reporter, self._config),
            lambda: writer.width_of_current_line,
            of_workers=None if folder is None else lambda: _busy(folder),
        )

    @property
    def _reporter(self) -> Any:
        return self._config.pluginmanager.getplugin("terminalreporter")

    def _print(self, text: str) -> None:
        """A line in the log of ``-v``, outside what pytest captures of the test."""
        reporter = self._reporter
        if reporter is None or self._config.get_verbosity() <= 0:
            return
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None:
            _write_line(reporter, text)
            return
        with capture.global_and_fixture_disabled():
            _write_line(reporter, text)


def _write_line(reporter: pytest.TerminalReporter, text: str) -> None:
    reporter.ensure_newline()
    reporter.write_line(text)
    reporter.flush()


def _busy(folder: Path) -> bool:
    state = drawer.among(folder, 0)
    return state is not None and time.monotonic() - float(state["begun"]) >= PATIENCE
