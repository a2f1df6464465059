"""The picture: a point for each artifact, the budgets drawn in."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_edgegate.core.artifact_record import ArtifactRecord
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.core.record import (
    BudgetRecord,
    MeasuredRecord,
    RunRecord,
    VerdictRecord,
)
from pytest_edgegate.reports.drawing import drawn
from pytest_edgegate.reports.panels import Panel, Point, panels_of
from pytest_edgegate.reports.plot import PlotReporter

REPORTER = PlotReporter()


def verdict(
    metric: str,
    value: float | None,
    limit: float,
    recipe: str = "PTQ(samples=200)",
    size: int = 50_000,
    target: str = "coral",
    outcome: str = "pass",
    allowed: bool = False,
) -> VerdictRecord:
    measured = None
    if value is not None:
        measured = MeasuredRecord(value, "file", value - 0.004, value + 0.006)
    return VerdictRecord(
        test="test_it",
        target=target,
        artifact=ArtifactRecord("litert", recipe + target, size, (recipe,), cached=False),
        budget=BudgetRecord(metric, limit, Budget(metric, limit).kind.unit),
        measured=measured,
        outcome=Outcome(outcome),
        allowed=allowed,
        proven=True,
        reason="",
        remedy="",
    )


VERDICTS = [
    verdict("contract", 0, 0),
    verdict("accuracy_drop", 0.002, 0.01),
    verdict("size", 50_000, 60_000),
    verdict("accuracy_drop", 0.03, 0.01, "QAT(epochs=2)", 40_000, outcome="fail"),
    verdict("accuracy_drop", None, 0.01, "Cast('float16')", outcome="not_measured"),
    verdict("accuracy_drop", -0.001, 0.02, target="host"),
]
RUN = RunRecord({}, tuple(VERDICTS))


def test_a_panel_a_target_and_a_point_an_artifact() -> None:
    coral, host = panels_of(VERDICTS)
    assert (coral.title, host.title) == ("coral", "host")
    assert [each.label for each in coral.points] == ["PTQ(samples=200)", "QAT(epochs=2)"]
    assert [each.red for each in coral.points] == [False, True]
    first = coral.points[0]
    assert (first.size, first.points) == (50_000, pytest.approx(-0.002))
    assert (first.low, first.high) == (pytest.approx(-0.008), pytest.approx(0.002))
    assert coral.sizes == (60_000,)
    assert coral.drops == (0.01,)
    assert host.points[0].points == pytest.approx(0.001)


def test_an_artifact_is_red_by_any_of_its_budgets() -> None:
    red = verdict("size", 50_000, 40_000, outcome="fail")
    allowed = verdict("latency_p95", None, 1, outcome="not_measured", allowed=True)
    ((panel,), (other,)) = (panels_of([VERDICTS[1], each]) for each in (red, allowed))
    assert panel.points[0].red
    assert not other.points[0].red


@pytest.mark.parametrize(
    ("ending", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_the_picture_has_the_format_of_its_name(tmp_path: Path, ending: str, magic: bytes) -> None:
    path = tmp_path / "new folder" / f"report.{ending}"
    REPORTER.write(path, RUN)
    assert path.read_bytes().startswith(magic)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_recipes_and_budgets_are_in_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "report.svg"
    REPORTER.write(path, RUN)
    texts = " ".join(ElementTree.parse(path).getroot().itertext())
    for each in (
        "PTQ(samples=200)",
        "QAT(epochs=2)",
        "size <= 60.0 kB",
        "drop <= 0.01",
        "host",
    ):
        assert each in texts


@pytest.mark.parametrize("name", [r"m$\frac$", "\x1b[31m", "a" * 2_000, "\u202e</text>&", "$a$"])
def test_any_name_is_text_in_the_picture(name: str, tmp_path: Path) -> None:
    path = tmp_path / "report.svg"
    run = RunRecord({}, (verdict("accuracy_drop", 0.002, 0.01, recipe=name),))
    REPORTER.write(path, run)
    texts = [each.text or "" for each in ElementTree.parse(path).iter() if "text" in each.tag]
    assert any(printable_line(name)[:20] in each for each in texts), texts


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "a.svg", tmp_path / "b.svg"
    for path in (one, other):
        REPORTER.write(path, RUN)
    assert one.read_bytes() == other.read_bytes()


def test_nothing_measured_is_a_picture_too(tmp_path: Path) -> None:
    path = tmp_path / "report.svg"
    REPORTER.write(path, RunRecord({}))
    assert "nothing was measured" in path.read_text()


def test_wide_sizes_are_drawn_on_a_logarithmic_axis() -> None:
    points = (Point("small", 1_000, -1.0), Point("large", 900_000, 0.0))
    assert b"small" in drawn([Panel("coral", points)], "svg")


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--edge-report-plot"):
        REPORTER.write(tmp_path / "file" / "report.svg", RUN)
