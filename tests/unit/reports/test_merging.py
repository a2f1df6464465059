"""Several reports in one: what is kept, and where two disagree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import ErrorRecord, MergedReport, RunRecord, VerdictRecord
from pytest_edgegate.reports.merging import merged

Make = Callable[..., VerdictRecord]
ERROR = ErrorRecord("test_a.py::test_b", "coral", "broken", "mend it")


def run(*verdicts: VerdictRecord, cpu: str = "one", **more: Any) -> RunRecord:
    return RunRecord({"cpu": cpu, "python": "3.11"}, verdicts, **more)


def test_one_report_stays_as_it_is(make: Make) -> None:
    one = run(make("size", 5, 9))
    assert merged([("a.json", one)]) is one


def test_everything_is_kept_with_the_machine_of_each(make: Make) -> None:
    small, large = make("size", 5, 9), make("macs", 5, 9)
    assert small.artifact is not None
    seen = SeenRecord("test_a", "coral", small.artifact)
    one = run(small, errors=(ERROR,), artifacts=(seen,), superseded_errors=(ERROR,))
    two = run(large, cpu="two", superseded_verdicts=(small,))
    both = merged([("a.json", one), ("b.json", two)])
    assert both == RunRecord(
        {"python": "3.11"},
        (small, large),
        (ERROR,),
        (small,),
        (ERROR,),
        (seen,),
        (MergedReport("a.json", one.environment), MergedReport("b.json", two.environment)),
    )
    assert RunRecord.from_json(both.to_json()) == both
    three = merged([("ab.json", both), ("c.json", run(cpu="three"))])
    assert [each.report for each in three.merged_from] == ["a.json", "b.json", "c.json"]


def told(first: VerdictRecord, second: VerdictRecord) -> tuple[str, ...]:
    return merged([("a.json", run(first)), ("b.json", run(second))]).disagreements


ABOUT = "test_a.py::test_a[coral], PTQ(samples=200)"


def test_reports_disagree_where_an_outcome_or_a_value_differs(make: Make) -> None:
    drop = make("accuracy_drop", 0.002, 0.01)
    assert told(drop, drop) == ()
    assert told(drop, make("accuracy_drop", 0.02, 0.01, "fail")) == (
        f"{ABOUT}, accuracy_drop: a.json: pass (0.002), b.json: fail (0.02)",
    )
    assert told(drop, make("accuracy_drop", 0.003, 0.01)) == (
        f"{ABOUT}, accuracy_drop: a.json: pass (0.002), b.json: pass (0.003)",
    )
    assert told(drop, make("accuracy_drop", None, 0.01, "not_measured")) == (
        f"{ABOUT}, accuracy_drop: a.json: pass (0.002), b.json: not measured",
    )
    assert told(drop, make("accuracy_drop", float("nan"), 0.01, "fail", nonfinite="NaN")) == (
        f"{ABOUT}, accuracy_drop: a.json: pass (0.002), b.json: fail (NaN or Inf)",
    )


@pytest.mark.parametrize(
    "other",
    [{"test": "test_b"}, {"target": "host"}, {"artifact": None}],
)
def test_they_do_not_where_they_judge_something_else(make: Make, other: dict[str, Any]) -> None:
    drop = make("accuracy_drop", 0.002, 0.01)
    red = make("accuracy_drop", 0.02, 0.01, "fail")
    assert told(drop, replace(red, **other)) == ()
    assert told(drop, make("accuracy_drop", 0.02, 0.03)) == ()
    assert merged([("a.json", run(drop, red)), ("b.json", run())]).disagreements == ()


def test_of_times_only_the_outcomes_are_compared(make: Make) -> None:
    fast, slow = make("latency_p95", 0.001, 0.01), make("latency_p95", 0.002, 0.01)
    assert told(fast, slow) == ()
    assert told(fast, replace(slow, outcome=Outcome.FAIL)) == (
        f"{ABOUT}, latency_p95: a.json: pass (1 ms), b.json: fail (2 ms)",
    )


def test_an_error_beside_a_verdict(make: Make) -> None:
    judged = replace(make("size", 5, 9), test=ERROR.test)
    both = merged([("a.json", run(judged)), ("b.json", run(errors=(ERROR,)))])
    assert both.disagreements == ("test_a.py::test_b: b.json: an error, a.json: judged",)
    assert merged([("a.json", run(judged, errors=(ERROR,))), ("b.json", run())]).disagreements == ()
