"""What is told of a test: stages that nest, counts, and finished stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.progress.line import Log, ProgressLine, Published, State, Told


class View:
    """Keeps what it is told; *long* tells which messages said that the work is long."""

    names_imports = False

    def __init__(self) -> None:
        self.states: list[State | None] = []
        self.long: list[bool] = []
        self.finished: list[Told] = []

    def show(self, state: State | None, *, long: bool = False) -> None:
        self.states.append(state)
        self.long.append(long)

    def told(self, what: str, seconds: float) -> None:
        self.finished.append((what, seconds))

    def take(self) -> list[Told]:
        return []

    def close(self) -> None:
        return

    @property
    def last(self) -> State:
        assert self.states[-1] is not None
        return self.states[-1]


class Line:
    def __init__(self) -> None:
        self.now = 100.0
        self.view = View()
        self.progress = ProgressLine(self.view, lambda: self.now)

    def what(self) -> str:
        return str(self.view.last["what"])


def test_a_stage_shows_with_its_own_clock_and_gives_back_the_one_around_it() -> None:
    line = Line()
    line.progress.begin("running the test")
    line.now = 103
    with line.progress.stage("PTQ on m.keras"):
        assert line.view.last == {"begun": 100.0, "since": 103.0, "what": "PTQ on m.keras"}
        assert line.view.long[-1]
        line.now = 104
        with line.progress.stage("importing tensorflow", told=False):
            assert (line.what(), line.view.last["since"]) == ("importing tensorflow", 104)
            assert not line.view.long[-1]
        assert (line.what(), line.view.last["since"]) == ("PTQ on m.keras", 103)
        line.now = 110.5
    assert line.what() == "running the test"
    assert line.view.finished == [("PTQ on m.keras", 7.5)]


def test_a_count_ends_where_all_is_done() -> None:
    line = Line()
    line.progress.begin("running the test")
    with line.progress.stage("PTQ on m.keras"):
        line.now = 105
        line.progress("calibration samples", 1, 3)
        assert line.view.last["done"] == 1
        assert line.view.last["since"] == 105
        line.now = 106
        line.progress("calibration samples", 2, 3)
        assert (line.view.last["done"], line.view.last["since"]) == (2, 105)
        line.progress("calibration samples", 3, 3)
        assert "done" not in line.view.last
        assert (line.what(), line.view.last["since"]) == ("PTQ on m.keras", 100)


def test_what_is_counted_quickly_is_told_seldom() -> None:
    line = Line()
    line.progress.begin("running the test")
    before = len(line.view.states)
    for done in range(1, 1000):
        line.progress("samples", done, 1000)
    assert len(line.view.states) == before + 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_stage_that_fails_has_ended(error: type[BaseException]) -> None:
    line = Line()
    line.progress.begin("running the test")
    with pytest.raises(error), line.progress.stage("PTQ on m.keras"):
        raise error
    assert line.what() == "running the test"


def test_nothing_is_told_outside_of_a_test() -> None:
    line = Line()
    with line.progress.stage("PTQ on m.keras"):
        line.progress("samples", 1, 10)
    line.progress.begin("running the test")
    line.progress.clear()
    assert line.view.states[-1] is None
    line.progress("samples", 1, 10)
    assert line.view.states[-1] is None
    assert line.view.finished == []


def test_a_phase_that_ends_within_a_stage_ends_it() -> None:
    line = Line()
    line.progress.begin("running the test")
    with line.progress.stage("PTQ on m.keras"):
        line.progress.clear()
    assert line.view.states[-1] is None


def test_a_slow_fixture_has_a_line_and_a_quick_one_has_none() -> None:
    line = Line()
    line.progress.begin("setting up")
    with line.progress.fixture("edge_data"):
        pass
    with line.progress.fixture("edge_model"):
        assert line.what() == "fixture edge_model"
        line.now += 5
    assert line.view.finished == [("fixture edge_model", 5.0)]


def test_a_log_has_a_line_for_each_finished_stage() -> None:
    lines: list[str] = []
    log = Log(lines.append)
    log.show({"what": "work"})
    log.told("PTQ(samples=200) on m.keras", 12.345)
    assert lines == ["  PTQ(samples=200) on m.keras: 12.3 s"]


def test_a_worker_publishes_what_it_does_and_keeps_what_it_has_done(tmp_path: Path) -> None:
    file = tmp_path / "gw0.json"
    worker = Published(file)
    state: dict[str, Any] = {"begun": 1.0, "since": 2.0, "what": "PTQ"}
    worker.show(state)
    assert json.loads(file.read_text()) == state
    worker.show(None)
    assert json.loads(file.read_text()) is None
    worker.told("PTQ", 3.0)
    assert worker.take() == [("PTQ", 3.0)]
    assert worker.take() == []
    file.unlink()
    Published(tmp_path / "gone" / "gw0.json").show(state)  # the controller has ended
    Published(None).show(state)
