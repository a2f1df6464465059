"""Latency beside this host: a device behind a URL, and none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.ports import Round, Stopwatch, TimingJob
from pytest_edgegate.core.target import LatencySource
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.subject import Given
from pytest_edgegate.testing.fakes import FAKE_BOARD

Starter = Callable[..., EdgeSession]
Maker = Callable[..., Given]
URL = "mock-board://10.0.0.7"


class MockStopwatch:
    """Two milliseconds an inference, on a clock that goes on by a second a round."""

    source = f"device:{URL}"
    conditions: Mapping[str, object] = {"mode": "10 W"}

    def __init__(self) -> None:
        self._seconds = 0.0

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(self, *gone: object) -> None: ...

    def now(self) -> float:
        return self._seconds

    def round(self, seconds: float) -> Round:
        self._seconds += 1.0
        return Round((0.002,) * 10, (), 0.009, 0.1)


@dataclass
class MockBoard:
    """Stands for a board that nobody has here."""

    jobs: list[TimingJob] = field(default_factory=list)

    def open(self, job: TimingJob) -> Stopwatch:
        self.jobs.append(job)
        return MockStopwatch()


@pytest.fixture
def judged(start: Starter, subject: Maker) -> Callable[..., dict[str, Verdict]]:
    def judge(url: str, board: MockBoard | None = None, **limits: float) -> dict[str, Verdict]:
        session = start()
        named = replace(FAKE_BOARD, name="a-board", latency_source=LatencySource(url))
        session.registry.add("target", "a-board", named)
        if board is not None:
            session.registry.add("device", "mock-board", board)
        target, given = session.target("a-board"), subject()
        asked = tuple(Budget(name, limit) for name, limit in limits.items())
        artifact = session.compress(session.case(given, target), None)
        found = session.judge(session.case(given, target), artifact, asked, contract=True)
        return {each.budget.metric: each for each in found}

    return judge


def measured(verdict: Verdict) -> Measurement:
    assert verdict.measured is not None
    return verdict.measured


def test_a_device_times_what_its_target_names(judged: Any) -> None:
    board = MockBoard()
    verdicts = judged(URL, board, latency_p50=0.003, latency_first=0.008)
    assert (verdicts["latency_p50"].outcome, verdicts["latency_p50"].proven) == (Outcome.PASS, True)
    assert verdicts["latency_first"].outcome is Outcome.FAIL
    for each in verdicts.values():
        if each.budget.metric.startswith("latency"):
            assert measured(each).source == f"device:{URL}"
            assert measured(each).conditions["mode"] == "10 W"
            assert "load_after" not in measured(each).conditions, "that would be this host's"
    assert [job.url for job in board.jobs] == [URL] * 10
    assert board.jobs[0].reference is None
    assert board.jobs[0].artifact.path.exists()
    assert len(board.jobs[0].artifact.sample) == 1


def test_a_ratio_is_a_matter_of_hosts(judged: Any) -> None:
    board = MockBoard()
    verdict = judged(URL, board, latency_ratio=1.05)["latency_ratio"]
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert board.jobs == []


def test_a_device_that_nothing_reaches_is_named(judged: Any) -> None:
    verdict = judged(URL, latency_p50=0.003)["latency_p50"]
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert repr(URL) in verdict.reason
    assert "latency.source" in verdict.remedy


def test_without_a_source_this_host_does_not_stand_for_the_board(judged: Any) -> None:
    verdict = judged("", latency_p50=0.003)["latency_p50"]
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert "this host's latency says nothing about it" in verdict.reason
