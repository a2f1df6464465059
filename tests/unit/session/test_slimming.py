"""What pruning took off, beside the verdicts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_edgegate import PTQ, QAT, Distill, Prune
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.diagnosis.slimming import Slimming, around_pruning
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.measuring.clock import CaseClock
from pytest_edgegate.session.run import EdgeSession

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]


@pytest.mark.parametrize(
    ("recipe", "cut"),
    [
        ((), None),
        ((PTQ(),), None),
        ((Prune(), PTQ()), ((), (Prune(),))),
        ((Distill(), Prune(0.5), QAT()), ((Distill(),), (Distill(), Prune(0.5)))),
    ],
)
def test_a_recipe_is_cut_at_its_pruning(recipe: Recipe, cut: tuple[Recipe, Recipe] | None) -> None:
    assert around_pruning(recipe) == cut


def test_what_it_took_off_is_told() -> None:
    found = Slimming(Prune(0.5), (1000, 300), (5000, 1200), (40_000, 12_000))
    assert str(found) == (
        "Prune(amount=0.5): parameters 1,000 -> 300, MACs 5,000 -> 1,200, "
        "float file 40.0 kB -> 12.0 kB"
    )
    timed = Slimming(Prune(), (10, 3), None, (400, 120), (2e-3, 1e-3), "host:fake")
    assert str(timed) == (
        "Prune(amount=0.3): parameters 10 -> 3, float file 400 B -> 120 B, "
        "latency 2 ms -> 1 ms (host:fake)"
    )


@pytest.mark.parametrize("target", ["fake-board", "fake-host"])
def test_it_is_told_of_what_is_red_with_latencies_on_hosts(
    start: Starter, subject: Maker, target: str
) -> None:
    session = start()
    case = session.case(subject(), session.target(target))
    artifact = session.compress(case, (Prune(0.5, epochs=1), PTQ()))
    budgets = (Budget("size", 1), Budget("parameters", 1))
    green, red, also_red = session.judge(case, artifact, budgets, contract=True)
    (line,) = red.details
    assert line.startswith("Prune(amount=0.5, epochs=1): parameters 20 -> 20")
    assert "float file 4,000 B -> 2,000 B" in line
    assert ("latency" in line) is (target == "fake-host")
    assert (green.details, also_red.details) == ((), ())


def test_a_green_run_exports_nothing_in_float(
    start: Starter, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start()
    case = session.case(subject(), session.target("fake-board"))
    artifact = session.compress(case, (Prune(0.5, epochs=1), PTQ()))

    def refused(*given: object) -> None:
        raise AssertionError("a green verdict asked for a float export")

    monkeypatch.setattr(EdgeSession, "float_export", refused)
    (verdict,) = session.judge(case, artifact, (), contract=True)
    assert not verdict.red


def test_without_pruning_there_is_no_line(start: Starter, subject: Maker) -> None:
    session = start()
    case = session.case(subject(), session.target("fake-board"))
    artifact = session.compress(case, (PTQ(),))
    (verdict,) = session.judge(case, artifact, (Budget("size", 1),))
    assert (verdict.red, verdict.details) == (True, ())


def test_a_warm_run_does_not_time_it_again(start: Starter, subject: Maker) -> None:
    lines = []
    for _ in range(2):
        session = start()
        case = session.case(subject(), session.target("fake-host"))
        artifact = session.compress(case, (Prune(0.5, epochs=1), PTQ()))
        (verdict,) = session.judge(case, artifact, (Budget("size", 1),))
        lines.append(verdict.details[0])
        session.close()
    assert ["latency" in line for line in lines] == [True, False]


def test_a_timing_that_fails_costs_no_other_figure(
    start: Starter, subject: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise InferenceError("the worker has died", "try again")

    monkeypatch.setattr(CaseClock, "between", broken)
    session = start()
    case = session.case(subject(), session.target("fake-host"))
    artifact = session.compress(case, (Prune(0.5, epochs=1), PTQ()))
    (verdict,) = session.judge(case, artifact, (Budget("size", 1),))
    (line,) = verdict.details
    assert line.startswith("Prune(amount=0.5, epochs=1): parameters 20 -> 20, MACs 20 -> 20, ")
    assert line.endswith("2,000 B, latency not measured: the worker has died")
