"""A terminal that is shared: the line is erased before anything else is written."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from terminal import Terminal

from pytest_edgegate.progress.drawer import Drawing
from pytest_edgegate.progress.screen import Screen, after, can_draw


class Drawer:
    """The real drawing, in this process, at a time when it is due."""

    def __init__(self, terminal: Terminal) -> None:
        self.drawing = Drawing(lambda text: void(terminal.write_unseen(text)), lambda: 80)
        self.ended = False

    def send(self, message: str) -> None:
        if self.ended:
            raise BrokenPipeError
        state = json.loads(message)
        if state is None:
            self.drawing.clear()
        else:
            self.drawing.show(state, state["begun"] + 5)
            self.drawing.tick(state["begun"] + 5)

    def wait(self) -> None:
        return

    def close(self) -> None:
        self.ended = True


class File(Terminal):
    """A terminal as a file of pytest; the drawer's writing is not that of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.write_unseen = super().write


def void(_: object) -> None:
    return


class Shared:
    def __init__(self, start: Callable[[], Any] | None = None) -> None:
        self.file = File()
        self.drawer = Drawer(self.file)
        self.screen = Screen(start or (lambda: self.drawer), [self.file], lambda: self.file.column)

    def show(self, *, long: bool = True) -> None:
        # a beginning far ahead: the thread never finds that it has waited long enough
        self.screen.show({"begun": 1e9, "since": 1e9, "what": "PTQ on m.keras"}, long=long)


@pytest.fixture
def shared() -> Any:
    made = Shared()
    yield made
    made.screen.close()


def test_other_output_erases_the_line_and_the_line_comes_back_behind_it(shared: Shared) -> None:
    shared.file.write("test_it.py ")
    shared.show()
    assert shared.file.line == "test_it.py  5 s: PTQ on m.keras"
    shared.file.write("printed\nby a test")
    assert shared.file.lines == ["test_it.py printed", "by a test 5 s: PTQ on m.keras"]
    shared.screen.show(None)
    shared.file.write(".\n")
    assert shared.file.lines == ["test_it.py printed", "by a test.", ""]


def test_without_work_that_is_long_nothing_is_started(shared: Shared) -> None:
    shared.show(long=False)
    shared.screen.show(None)
    assert shared.file.written == ""
    assert "write" not in vars(shared.file)


def test_the_file_is_as_it_was_at_the_end(shared: Shared) -> None:
    shared.show()
    assert "write" in vars(shared.file)
    shared.screen.close()
    assert shared.drawer.ended
    assert "write" not in vars(shared.file)
    assert shared.file.lines == [""]


def test_a_drawer_that_has_ended_disturbs_nothing(shared: Shared) -> None:
    shared.show()
    shared.drawer.ended = True
    shared.file.write("on\n")
    shared.show()
    shared.screen.show(None)


def test_where_no_process_can_be_started_nothing_is_drawn() -> None:
    def refused() -> Any:
        raise OSError("no more processes")

    shared = Shared(refused)
    shared.show()
    shared.file.write("on\n")
    assert shared.file.written == "on\n"
    shared.screen.close()


def test_a_fork_writes_without_the_drawer(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.show()
    own = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: own + 1)
    shared.screen.show(None)
    shared.file.write("of a fork")
    assert "PTQ" in shared.file.written.rpartition("of a fork")[0]
    monkeypatch.undo()


def test_one_thread_at_most_and_none_once_the_drawer_is_there(shared: Shared) -> None:
    def watching() -> list[str]:
        return [each.name for each in threading.enumerate() if each.name == "edgegate-progress"]

    shared.show()
    assert watching() == []


@pytest.mark.parametrize(
    ("before", "text", "column"),
    [(0, "abc", 3), (10, "abc", 13), (10, "a\nbc", 2), (10, "\033[31mF\033[0m", 11), (5, "x\r", 0)],
)
def test_the_column_after_a_text(before: int, text: str, column: int) -> None:
    assert after(before, text) == column


@pytest.mark.parametrize(
    ("tty", "term", "draws"),
    [(True, "xterm", True), (False, "xterm", False), (True, "dumb", False), (True, None, True)],
)
def test_where_a_line_can_be_drawn(
    tty: bool, term: str | None, draws: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert can_draw(cast("Any", SimpleNamespace(isatty=tty))) is draws
    assert not can_draw(None)
