"""What is shown of an artifact where no budget asks for it."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.artifact_record import ScoreRecord, SeenRecord
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.data.splits import ArraySplit
from pytest_edgegate.measures.evidence import Evidence, on_both
from pytest_edgegate.session import absolute
from pytest_edgegate.session.run import EdgeSession


def shown(session: EdgeSession, given: Any, *, look: bool = True) -> SeenRecord:
    case = session.case(given, session.target("fake-board"))
    artifact = session.compress(case, (PTQ(),))
    return session.seen(case, artifact, [], look=look)


WRONG = {"wrong": list(range(10)), "ptq_wrong": list(range(16))}


def test_all_samples_are_run_where_time_allows(start: Any, subject: Any) -> None:
    found = shown(start(), subject(**WRONG))
    assert found.score == ScoreRecord("top1", 0.95, 0.92, 200, 200)
    assert found.compression is not None


def test_nothing_is_run_unless_asked(start: Any, subject: Any) -> None:
    found = shown(start(), subject(**WRONG), look=False)
    assert (found.score, found.compression) == (None, None)


def test_a_slow_model_is_shown_on_a_part_of_its_samples(
    start: Any, subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArraySplit, "batch_size", 16)
    session, seconds = start(), count()
    session.observer._clock = lambda: float(next(seconds))
    part = shown(session, subject(**WRONG)).score
    assert part is not None
    assert (part.n, part.n_total, part.of_a_part) == (96, 200, True)
    assert part.artifact_value == pytest.approx(0.92, abs=0.08)
    assert shown(start(), subject(**WRONG)).score == part, "a later run remembers it"


def test_a_known_pass_is_shown_instead(start: Any, subject: Any) -> None:
    session, given = start(), subject(**WRONG)
    case = session.case(given, session.target("fake-board"))
    artifact = session.compress(case, (PTQ(),))
    session.judge(case, artifact, (Budget("accuracy_drop_relative", 0.5),))
    session.observer._clock = lambda: pytest.fail("a pass was timed")
    assert session.seen(case, artifact, [], look=True).score == (
        ScoreRecord("top1", 0.95, 0.92, 200, 200)
    )


def test_a_fault_that_no_budget_asks_about_is_none(
    start: Any, subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise InferenceError("the worker has died", "try again")

    monkeypatch.setattr(absolute, "compression", broken)
    monkeypatch.setattr("pytest_edgegate.session.measuring.observing.observe", broken)
    found = shown(start(), subject())
    assert (found.score, found.compression) == (None, None)


def test_a_large_artifact_is_not_exported_again_for_show(
    start: Any, subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absolute, "_QUICK", 1)
    assert shown(start(), subject()).compression is None


def test_both_sides_are_of_the_same_samples() -> None:
    def evidence(numbers: list[int], positions: bool = True) -> Evidence:
        array = np.array(numbers)
        own = array if positions else None
        return Evidence({"number": array}, len(array), "", "host:fake", positions=own)

    whole, part = evidence([0, 1, 2, 3], positions=False), evidence([3, 1])
    for one, other in ((whole, part), (part, whole), (part, evidence([0, 3, 1]))):
        found = on_both(one, other)
        assert [each.arrays["number"].tolist() for each in found] == [[1, 3], [1, 3]]
        assert [each.n for each in found] == [2, 2]
