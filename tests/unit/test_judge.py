"""Verdicts against the table of docs/verdicts.md, row by row and policy by policy."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from pytest_edgegate.core.budget import BUDGETS, CONTRACT, Budget
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.judge import judge
from pytest_edgegate.settings.options import POLICIES

INTERVAL_AT_MOST = ("accuracy_drop", "accuracy_drop_relative", "accuracy_regression")
INTERVAL_AT_LEAST = ("accuracy_min", "parity_agreement")
EXACT = [name for name, info in BUDGETS.items() if info.rule == "exact"]

PASS, FAIL = Outcome.PASS, Outcome.FAIL
ROWS = {
    # what was found: (distance of low, value and high from the limit), then by policy
    "proven within": ((-0.02, -0.01, 0.0), (PASS, PASS, PASS), True),
    "measured within": ((-0.02, -0.01, 0.01), (PASS, PASS, FAIL), False),
    "measured at the limit": ((-0.02, 0.0, 0.01), (PASS, PASS, FAIL), False),
    "measured over": ((-0.02, 0.01, 0.02), (FAIL, PASS, FAIL), False),
    "measured over, from the limit up": ((0.0, 0.01, 0.02), (FAIL, PASS, FAIL), False),
    "proven over": ((0.001, 0.01, 0.02), (FAIL, FAIL, FAIL), True),
}


Found = tuple[str, Finding]
"""A metric and its finding."""


def measured(metric: str, value: float, **more: Any) -> Found:
    return metric, Measurement(value, "host:fake", **more)


def missing(metric: str) -> Found:
    return metric, NotMeasured("no board", "attach one")


def verdict(found: Found, limit: float, policy: str = "point", **rules: Any) -> Verdict:
    metric, finding = found
    return judge(finding, Budget(metric, limit), Rules(policy, **rules), "board")


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("metric", [*INTERVAL_AT_MOST, *INTERVAL_AT_LEAST])
def test_an_interval_against_its_budget(metric: str, row: str) -> None:
    distances, outcomes, proven = ROWS[row]
    limit, sign = 0.5, 1 if metric in INTERVAL_AT_MOST else -1
    low, value, high = sorted(round(limit + sign * each, 6) for each in distances)
    finding = measured(metric, value, low=low, high=high, level=0.9, n=100, spread=0.04)
    for policy, outcome in zip(POLICIES, outcomes, strict=True):
        found = verdict(finding, limit, policy)
        assert (policy, found.outcome, found.proven) == (policy, outcome, proven)
        assert bool(found.note) is not proven
        assert bool(found.remedy) is (outcome is FAIL)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("metric", EXACT)
def test_exact_budgets_are_compared_whatever_the_policy(metric: str, policy: str) -> None:
    at_most = BUDGETS[metric].direction == "at most"
    for value, held in ((9.0, at_most), (10.0, True), (11.0, not at_most)):
        found = verdict(measured(metric, value), 10, policy)
        assert found.outcome is (PASS if held else FAIL)
        assert found.proven
        assert not found.note


@pytest.mark.parametrize("metric", BUDGETS)
def test_every_budget_that_fails_says_what_to_do(metric: str) -> None:
    at_most = BUDGETS[metric].direction == "at most"
    ends = {"low": 2, "high": 2} if BUDGETS[metric].rule == "latency" else {}
    found = verdict(measured(metric, 2 if at_most else 0, **ends), 1)
    assert found.outcome is FAIL
    assert found.remedy
    assert metric not in found.reason


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("metric", BUDGETS)
def test_nothing_could_measure_it(metric: str, policy: str) -> None:
    found = verdict(missing(metric), 1, policy)
    assert found.outcome is Outcome.NOT_MEASURED
    assert found.red
    assert not found.allowed
    assert (found.reason, found.remedy, found.measured) == ("no board", "attach one", None)


@pytest.mark.parametrize(
    ("allowed", "red"),
    [
        ((None, "latency_p95"), False),
        (("board", "latency_p95"), False),
        (("other", "latency_p95"), True),
        ((None, "latency_p50"), True),
    ],
)
def test_what_is_allowed_is_not_red_and_stays_unmeasured(
    allowed: tuple[str | None, str], red: bool
) -> None:
    found = verdict(missing("latency_p95"), 1, allowed=frozenset({allowed}))
    assert found.outcome is Outcome.NOT_MEASURED
    assert (found.red, found.allowed) == (red, not red)


def test_a_failure_is_never_allowed() -> None:
    found = verdict(measured("size", 2), 1, allowed=frozenset({(None, "size")}))
    assert found.red
    assert not found.allowed


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("metric", ["accuracy_drop", "accuracy_min", "parity_abs", "contract"])
def test_nan_anywhere_fails(metric: str, policy: str) -> None:
    finding = measured(metric, float("nan"), nonfinite="NaN on sample 3")
    found = verdict(finding, 100, policy)
    assert found.outcome is FAIL
    assert found.reason == "NaN on sample 3"
    assert found.remedy
    assert found.as_dict()["measured"]["value"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("metric", ["accuracy_drop", "accuracy_min", "parity_abs"])
def test_a_figure_that_is_not_finite_fails_also_where_its_measure_did_not_say_so(
    metric: str, value: float
) -> None:
    assert verdict(measured(metric, value), 0.5, "lenient").outcome is FAIL


def test_counts_decide_not_their_rounding() -> None:
    assert 0.97 - 0.96 > 0.01  # what floats would say
    drop = measured("accuracy_drop", 0.97 - 0.96, exact=Fraction(1, 100), n=100)
    assert verdict(drop, 0.01).outcome is PASS
    over = measured("accuracy_drop", 0.01, exact=Fraction(1, 100) + Fraction(1, 10**30), n=100)
    assert verdict(over, 0.01).outcome is FAIL


@pytest.mark.parametrize("limit", [0.1, 0.7, 0.9, 0.99, 0.995, 1e-5])
@pytest.mark.parametrize("metric", ["parity_within_lsb", "parity_abs", "accuracy_min"])
def test_a_value_that_reads_as_its_limit_holds_it(metric: str, limit: float) -> None:
    assert verdict(measured(metric, limit), limit).outcome is PASS


def test_an_error_metric_turns_the_floor_into_a_ceiling() -> None:
    def error(value: float) -> Found:
        return measured(
            "accuracy_min", value, low=value - 0.01, high=value + 0.01, n=9, direction="at most"
        )

    assert verdict(error(0.3), 0.5).outcome is PASS
    assert verdict(error(0.7), 0.5).outcome is FAIL
    assert verdict(error(0.3), 0.5).reason == "0.3 <= 0.5"
    assert verdict(error(0.7), 0.5).reason == "0.7 > 0.5"
    assert verdict(error(0.505), 0.5, "lenient").outcome is PASS
    assert verdict(error(0.495), 0.5, "strict").outcome is FAIL


def test_the_note_says_how_many_samples_would_prove_it() -> None:
    # (1.6449 + 0.8416)^2 * 0.04 / 0.01^2 = 2473, spelt with two digits, rounded up
    finding = measured("accuracy_drop", 0.0, low=-0.02, high=0.02, level=0.9, n=200, spread=0.04)
    assert verdict(finding, 0.01).note == "200 samples can't prove it; about 2,500 would"


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (
            {"value": 0.01},
            "200 samples can't prove it, nor would any number: the figure is at its budget",
        ),
        # the interval is twice as wide as the distance: four times the samples halve it
        ({"spread": None}, "200 samples can't prove it; about 800 would"),
        ({"spread": 0.0}, "200 samples can't prove it; about 270 would"),
        ({"n": 9000}, "9,000 samples can't prove it; about 36,000 would"),
    ],
)
def test_a_number_is_given_where_it_says_something(change: dict[str, Any], note: str) -> None:
    given = {"value": 0.0, "low": -0.02, "high": 0.02, "level": 0.9, "n": 200, "spread": 0.04}
    found = verdict(measured("accuracy_drop", **(given | change)), 0.01)
    assert found.note == note


@pytest.mark.parametrize(
    ("policy", "outcome"), [("point", PASS), ("lenient", PASS), ("strict", FAIL)]
)
def test_an_interval_that_proves_nothing_leaves_it_unproven(policy: str, outcome: Outcome) -> None:
    finding = measured("accuracy_drop", 0.0, low=0.0, high=0.0, level=0.9, n=50, provable=False)
    found = verdict(finding, 0.01, policy)
    assert found.outcome is outcome
    assert not found.proven
    assert "can't prove anything" in found.note


@pytest.mark.parametrize(
    ("count", "outcome", "reason"),
    [
        (0, PASS, "the file is what the target takes"),
        (1, FAIL, "one thing in the file that the target does not take"),
        (3, FAIL, "3 things in the file that the target does not take"),
    ],
)
def test_the_contract(count: int, outcome: Outcome, reason: str) -> None:
    found = verdict(measured(CONTRACT.name, count), 0)
    assert (found.outcome, found.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("metric", "value", "limit"),
    [
        ("size", 120_040, 120_000),
        ("accuracy_drop", 0.010_000_5, 0.01),
        ("accuracy_drop", 0.01, 0.009_999_99),
        ("parity_abs", 0.5, 0.499_999_99),
        ("compression", 1.999, 2),
        ("sqnr_db", 29.999, 30),
        ("accuracy_min", 0.899_999, 0.9),
        ("size", 10_000, 9_999.999),
    ],
)
def test_the_reason_of_a_failure_shows_the_side_of_the_limit(
    metric: str, value: float, limit: float
) -> None:
    found = verdict(measured(metric, value), limit)
    assert found.outcome is FAIL
    before, after = found.reason.split(" < " if BUDGETS[metric].direction == "at least" else " > ")
    assert before != after


TIMES = {  # (low, high, excess in us), outcomes by policy, proven
    "wholly within": ((0.8, 1.0, 0), (PASS, PASS, PASS), True),
    "wholly over": ((1.001, 1.2, 21), (FAIL, FAIL, FAIL), True),
    "over by the floor": ((1.001, 1.2, 20), (PASS, PASS, FAIL), False),
    "narrow": ((0.96, 1.0599, 30), (PASS, PASS, FAIL), False),
    "as wide as a tenth": ((0.96, 1.06, 30), (Outcome.INCONCLUSIVE,) * 3, False),
    "without an end": ((0.96, float("inf"), 30), (Outcome.INCONCLUSIVE,) * 3, False),
}


@pytest.mark.parametrize("row", TIMES)
@pytest.mark.parametrize("metric", [name for name, it in BUDGETS.items() if it.rule == "latency"])
def test_a_time_against_its_budget(metric: str, row: str) -> None:
    (low, high, excess), outcomes, proven = TIMES[row]
    finding = measured(
        metric,
        1.02,
        low=low,
        high=high,
        level=0.98,
        excess=excess * 1e-6,
        floor=20e-6,
        undecided="too noisy",
    )
    for policy, outcome in zip(POLICIES, outcomes, strict=True):
        found = verdict(finding, 1.0, policy)
        assert (policy, found.outcome, found.proven) == (policy, outcome, proven)
        assert bool(found.note) is not proven
        assert bool(found.remedy) is (outcome is not PASS)


def test_an_inconclusive_time_may_be_allowed() -> None:
    finding = measured("latency_p95", 1.0, undecided="too noisy")
    assert verdict(finding, 1.0).red
    assert verdict(finding, 1.0).reason == "1 s against 1 s is not decided"
    assert not verdict(finding, 1.0, allowed=frozenset({(None, "latency_p95")})).red


def test_an_early_decision_counts_and_says_so() -> None:
    for proof, outcome, sign in ((True, PASS, "<="), (False, FAIL, ">")):
        finding = measured(
            "accuracy_drop",
            0.011,
            proof=proof,
            decided_early=True,
            n=300,
            n_total=10_000,
        )
        found = verdict(finding, 0.01)
        assert (found.outcome, found.proven) == (outcome, True)
        assert found.reason == f"about 0.011; the whole set is {sign} 0.01"
        assert "from 300 of 10,000 samples" in found.note.replace("all 10,000", "")


@pytest.mark.parametrize("policy", ["point", "lenient", "strict"])
@pytest.mark.parametrize(
    ("metric", "good", "bad"),
    [("accuracy_drop", 0.01, 0.02), ("latency_p95", 0.01, 0.02), ("parity_agreement", 0.99, 0.98)],
)
def test_a_computed_figure_is_compared_directly(
    policy: str, metric: str, good: float, bad: float
) -> None:
    limit = good
    for value, outcome in ((good, PASS), (bad, FAIL)):
        found = verdict(measured(metric, value, computed=True), limit, policy)
        assert (found.outcome, found.proven, found.note) == (outcome, True, "")


@pytest.mark.parametrize("policy", ["point", "lenient", "strict"])
def test_a_time_that_nothing_has_run_decides_by_its_value_and_proves_nothing(policy: str) -> None:
    for value, outcome in ((0.01, PASS), (0.02, FAIL)):
        estimate = measured("latency_p95", value, computed=True, estimated=True)
        found = verdict(estimate, 0.01, policy)
        assert (found.outcome, found.proven) == (outcome, False)
        assert not found.undecided, "no more time would decide it"


@pytest.mark.parametrize(("limit", "outcome"), [(0.03, "not_measured"), (0.0047, "pass")])
def test_a_limit_that_nothing_exceeds_measures_nothing(limit: float, outcome: str) -> None:
    found = Measurement(
        0.001, "x", low=0.0, high=0.002, scored_by="map", reference_value=0.0048, worst=0.0048
    )
    verdict = judge(found, Budget("accuracy_drop", limit), Rules(), "host")
    assert str(verdict.outcome) == outcome
    told = "an artifact that finds nothing at all would be within the limit of 0.03"
    assert (told in verdict.reason) is (outcome == "not_measured")
