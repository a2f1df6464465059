"""Which latencies are timed together, and what is said of each where nothing times them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_edgegate import PTQ
from pytest_edgegate.core.budget import BUDGETS, Budget
from pytest_edgegate.core.verdict import Outcome
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.measuring.clock import CaseClock
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.testing.fakes import FAKE_BOARD

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]


def test_a_latency_that_a_tool_reports_does_not_prolong_the_timing() -> None:
    target = replace(FAKE_BOARD, tools={"latency_p50": "a-tool"})
    file = cast("Any", SimpleNamespace(target=target))
    asked = {name: Budget(name, 0.1) for name in ("latency_p50", "latency_p95", "size")}
    assert CaseClock(file, cast("Any", None), asked, 0.0, cast("Any", None)).limits == {
        "latency_p95": 0.1
    }


class Timed:
    """Notes which file is timed against which."""

    compares = True

    def __init__(self) -> None:
        self.opened: list[tuple[object, object]] = []

    def fault(self, metric: str) -> None:
        return None

    def open(self, specimen: object, reference: object) -> None:
        self.opened.append((specimen, reference))


def timed_for(metric: str) -> str:
    specimen = SimpleNamespace(digest="own", of_export=lambda export: export)
    export = SimpleNamespace(digest="of the export")
    file = SimpleNamespace(target=FAKE_BOARD, specimen=specimen, float_export=lambda: export)
    timing = Timed()
    accepted = SimpleNamespace(digest="accepted")
    clock = CaseClock(
        cast("Any", file), cast("Any", timing), {}, 0.0, lambda: cast("Any", accepted)
    )
    clock.stopwatch(metric)
    ((artifact, reference),) = timing.opened
    assert artifact is specimen
    return "" if reference is None else reference.digest  # type: ignore[attr-defined]


AGAINST = {"float export": "of the export", "accepted file": "accepted", None: ""}


@pytest.mark.parametrize(
    "metric", [name for name, kind in BUDGETS.items() if kind.rule == "latency" and kind.measure]
)
def test_a_latency_is_timed_against_the_file_that_its_row_names(metric: str) -> None:
    assert timed_for(metric) == AGAINST[BUDGETS[metric].against]


def test_each_latency_that_nothing_times_is_named_in_its_own_remedy(
    start: Starter, subject: Maker
) -> None:
    session = start()
    case = session.case(subject(), session.target("fake-board"))
    artifact = session.compress(case, (PTQ(),))
    metrics = ("latency_p50", "latency_p95", "latency_p99")
    found = session.judge(case, artifact, tuple(Budget(each, 1.0) for each in metrics))
    for metric, verdict in zip(metrics, found, strict=True):
        assert verdict.outcome is Outcome.NOT_MEASURED
        assert f"fake-board:{metric}" in verdict.remedy
