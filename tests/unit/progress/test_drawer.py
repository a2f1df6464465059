"""The process that draws, with a fake clock and a fake terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from pytest_edgegate.progress.drawer import Drawing, among, bar, columns, cut, spelled


class Shown:
    """A terminal on which pytest has written the name of a test, and a drawing beside it."""

    def __init__(self, width: int = 80, before: str = "test_it.py ") -> None:
        self.terminal = Terminal(width)
        self.terminal.write(before)
        self.before = before
        self.drawing = Drawing(lambda text: void(self.terminal.write(text)), lambda: width)

    def state(
        self, since: float = 0.0, what: str = "PTQ on m.keras", **more: Any
    ) -> dict[str, Any]:
        return {"begun": 0.0, "since": since, "what": what, "column": len(self.before), **more}

    def at(self, now: float, **state: Any) -> str:
        """What stands on the line at that time."""
        self.drawing.show(self.state(**state), now)
        return self.terminal.line.removeprefix(self.before.rstrip())


def void(_: object) -> None:
    return


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (50, 100, "[##########          ] 50 of 100 work; 10 s left"),
        (3200, 10_000, "[######              ] 3,200 of 10,000 work; 21 s left"),
        (1, 100, "[                    ] 1 of 100 work"),
        (120, 100, "[####################] 120 of 100 work; 0 s left"),
        (1500, None, "1,500 work"),
        (0, None, "work"),
    ],
)
def test_how_counted_work_looks(done: float, total: float | None, text: str) -> None:
    assert bar("work", done, total, 10.0) == text


def test_the_clock_runs_while_nothing_is_told() -> None:
    shown = Shown()
    assert shown.at(0.5) == ""
    assert shown.drawing.due(0.5) == 0.5
    seen = []
    for now in (1.0, 2.0, 61.5):
        shown.drawing.tick(now)
        seen.append(shown.terminal.line)
    assert seen == [
        "test_it.py  1 s: PTQ on m.keras",
        "test_it.py  2 s: PTQ on m.keras",
        "test_it.py  1 min 01 s: PTQ on m.keras",
    ]


def test_a_phase_of_many_short_stages_is_not_silent() -> None:
    shown = Shown()
    for tenth in range(30):
        shown.at(tenth / 10, since=tenth / 10, what=f"stage {tenth}")
        due = shown.drawing.due(tenth / 10)
        assert due is not None
        assert due <= 1.0
    assert "stage" in shown.terminal.line


def test_it_is_drawn_five_times_a_second_at_most() -> None:
    shown = Shown()
    shown.at(1.0, what="first")
    assert "first" in shown.at(1.1, what="second")
    assert "second" in shown.at(1.3, what="second")


def test_counted_work_has_a_clock_too() -> None:
    shown = Shown(120)
    shown.at(10.0, done=40, total=200, what="calibration samples")
    assert shown.terminal.line == (
        "test_it.py  10 s: [####                ] 40 of 200 calibration samples; 40 s left"
    )
    shown.drawing.tick(11.0)
    assert "11 s: " in shown.terminal.line


@pytest.mark.parametrize("before", ["test_it.py ", "", "t" * 75, "t" * 79, "t" * 80, "t" * 130])
@pytest.mark.parametrize("what", ["PTQ on m.keras", "PTQ on " + "long" * 50, "模型" * 40])
def test_the_line_is_as_it_was_once_it_is_erased(before: str, what: str) -> None:
    shown = Shown(80, before)
    as_it_was = list(shown.terminal.lines)
    shown.terminal.wrapped = False
    for now in (1.0, 2.0, 3.5):
        shown.at(now, what=what)
        assert any(re.search(r"\d s: ", each) for each in shown.terminal.lines)
    shown.drawing.clear()
    assert [each for each in shown.terminal.lines if each] == [each for each in as_it_was if each]
    assert shown.terminal.wrapped is (len(before) == 80)  # where the next letter wraps anyway
    shown.terminal.write(".")
    assert "".join(shown.terminal.lines) == f"{before}."


def test_a_shorter_text_leaves_nothing_of_a_longer_one() -> None:
    shown = Shown()
    shown.at(1.0, what="a long description of work")
    assert shown.at(2.0, what="short") == "  2 s: short"


def test_nothing_is_erased_where_nothing_was_drawn() -> None:
    shown = Shown()
    shown.at(0.5)
    shown.drawing.clear()
    assert shown.terminal.written == "test_it.py "
    assert shown.drawing.due(5.0) is None


def test_a_name_is_no_command_for_the_terminal() -> None:
    assert cut("a\033[2Jb\nc", 80) == "a?[2Jb?c"


def test_no_wider_than_the_terminal_and_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert columns(-1) == 70
    monkeypatch.setenv("COLUMNS", "wide")
    assert columns(-1) == 80


def test_of_the_workers_the_one_that_is_at_it_longest_is_shown(tmp_path: Path) -> None:
    state = {"begun": 1.0, "since": 3.0, "what": "PTQ on a.keras"}
    (tmp_path / "gw0.json").write_text(json.dumps({**state, "since": 5.0}))
    (tmp_path / "gw1.json").write_text(json.dumps(state))
    (tmp_path / "gw2.json").write_text("null")
    (tmp_path / "gw3.json").write_text('{"begun": 1')
    found = among(tmp_path, 7)
    assert found == {**state, "what": "PTQ on a.keras (and 1 more)", "column": 7}
    assert among(tmp_path / "none", 0) is None


def test_seconds_and_minutes() -> None:
    assert [spelled(each) for each in (-1, 0.9, 59.9, 60, 3605)] == [
        "0 s",
        "0 s",
        "59 s",
        "1 min 00 s",
        "60 min 05 s",
    ]
