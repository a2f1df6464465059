"""A progress bar beside the name of the running test, for long work."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

PATIENCE = 2.0
"""Seconds before a bar is drawn: shorter work needs none."""
INTERVAL = 0.2
_SAVE, _RESTORE, _ERASE = "\033[s", "\033[u", "\033[K"
_WIDTH = 20


class ProgressLine:
    """Draws on the terminal itself, and only on a terminal: captured output is unaffected."""

    def __init__(self, config: pytest.Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._began = self._drawn = 0.0
        self._visible = False
        self._running = False

    def __call__(self, what: str, done: float, total: float | None) -> None:
        now = self._clock()
        if not self._running:
            self._running, self._began = True, now
        if now - self._began < PATIENCE or now - self._drawn < INTERVAL:
            return
        reporter = self._reporter()
        room = (
            0 if reporter is None else reporter._tw.fullwidth - reporter._tw.width_of_current_line
        )
        if room > _WIDTH:
            self._drawn, self._visible = now, True
            self._write(f"{_SAVE} {bar(what, done, total, now - self._began)[: room - 2]}")

    def clear(self) -> None:
        """Restores the line once the work is over."""
        self._running = False
        if self._visible:
            self._visible = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        reporter = self._reporter()
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if reporter is None:
            return
        if capture is None:
            self._print(reporter, text)
        else:
            with capture.global_and_fixture_disabled():
                self._print(reporter, text)

    @staticmethod
    def _print(reporter: pytest.TerminalReporter, text: str) -> None:
        """Bypasses the writer's column count: the cursor returns to where it was."""
        file = reporter._tw._file
        file.write(f"{text}{_RESTORE}" if text.startswith(_SAVE) else text)
        file.flush()

    def _reporter(self) -> pytest.TerminalReporter | None:
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        return reporter if reporter is not None and reporter.isatty else None


def bar(what: str, done: float, total: float | None, elapsed: float) -> str:
    """``[####      ] 3,200 of 10,000 m.tflite in litert-xnnpack, samples; 12 s left``."""
    if not total:
        return f"{done:,.0f} {what}"
    share = min(done / total, 1.0)
    full = round(share * _WIDTH)
    left = f"; {elapsed * (1 - share) / share:.0f} s left" if share > 0.02 else ""
    drawn = f"[{'#' * full}{' ' * (_WIDTH - full)}]"
    return f"{drawn} {done:,.0f} of {total:,.0f} {what}{left}"
