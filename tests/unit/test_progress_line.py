"""The bar: drawn late, seldom, and only on a terminal; the line is as it was after it."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_edgegate.progress_line import ProgressLine, bar


class Terminal:
    """A configuration whose terminal writes to a string, and a clock."""

    def __init__(self, isatty: bool = True, room: int = 100) -> None:
        self.written = io.StringIO()
        self.now = 100.0
        writer = SimpleNamespace(_file=self.written, fullwidth=room, width_of_current_line=10)
        plugins = {"terminalreporter": SimpleNamespace(isatty=isatty, _tw=writer)}
        config = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=plugins.get))
        self.progress = ProgressLine(cast("Any", config), lambda: self.now)

    def at(self, seconds: float, done: float = 10) -> str:
        """What is drawn at that time."""
        self.now, before = 100 + seconds, len(self.written.getvalue())
        self.progress("a.tflite, samples", done, 100)
        return self.written.getvalue()[before:]


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (50, 100, "[##########          ] 50 of 100 work; 10 s left"),
        (3200, 10_000, "[######              ] 3,200 of 10,000 work; 21 s left"),
        (1, 100, "[                    ] 1 of 100 work"),
        (120, 100, "[####################] 120 of 100 work; 0 s left"),
        (1500, None, "1,500 work"),
    ],
)
def test_how_it_looks(done: float, total: float | None, text: str) -> None:
    assert bar("work", done, total, 10.0) == text


def test_what_is_quick_has_none() -> None:
    terminal = Terminal()
    assert terminal.at(0) == terminal.at(1.9) == ""
    assert "10 of 100 a.tflite, samples" in terminal.at(2.1)


def test_it_is_drawn_five_times_a_second_at_most() -> None:
    terminal = Terminal()
    terminal.at(0)
    assert terminal.at(3)
    assert terminal.at(3.1) == ""
    assert terminal.at(3.3)


def test_the_cursor_goes_back_to_where_it_was() -> None:
    terminal = Terminal()
    terminal.at(0)
    drawn = terminal.at(3)
    assert drawn.startswith("\033[s")
    assert drawn.endswith("\033[u")
    terminal.progress.clear()
    assert terminal.written.getvalue().endswith("\033[u\033[K")


def test_nothing_is_erased_where_nothing_was_drawn() -> None:
    terminal = Terminal()
    terminal.at(0)
    terminal.progress.clear()
    assert terminal.written.getvalue() == ""


def test_each_work_begins_its_own_time() -> None:
    terminal = Terminal()
    terminal.at(0)
    terminal.at(3)
    terminal.progress.clear()
    assert terminal.at(4) == terminal.at(5.9) == ""
    assert terminal.at(6.1)


@pytest.mark.parametrize("terminal", [Terminal(isatty=False), Terminal(room=30)])
def test_no_terminal_or_no_room(terminal: Terminal) -> None:
    terminal.at(0)
    assert terminal.at(3) == ""


def test_it_never_leaves_its_line() -> None:
    terminal = Terminal(room=60)
    terminal.at(0)
    drawn = terminal.at(3).removeprefix("\033[s").removesuffix("\033[u")
    assert len(drawn) <= 60 - 10
