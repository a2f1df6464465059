"""Which latencies are timed together, and what is said of each where nothing times them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from pytest_edgegate import PTQ
from pytest_edgegate.core.budget import Budget
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
    assert CaseClock(file, cast("Any", None), asked, 0.0).limits == {"latency_p95": 0.1}


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
