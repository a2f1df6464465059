"""Verdicts: monotone in their budget, and printed on the right side of it."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgegate.core.budget import BUDGETS, Budget
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.judge import judge
from pytest_edgegate.reports.table import row
from pytest_edgegate.settings.options import POLICIES

UNITS = {
    "bytes": st.integers(0, 10**9),
    "count": st.integers(0, 10**9),
    "steps": st.integers(0, 255),
    "s": st.floats(0, 10),
    "dB": st.floats(-20, 120),
    "value": st.floats(0, 1000),
}
WHOLE = ("bytes", "count", "steps")
NAMES = st.sampled_from(sorted(BUDGETS))
POLICY = st.sampled_from(POLICIES)


def numbers(metric: str) -> st.SearchStrategy[float]:
    signed = metric in ("accuracy_drop", "accuracy_min", "accuracy_regression")
    return UNITS.get(BUDGETS[metric].unit, st.floats(-1 if signed else 0, 1))


class Judgement(NamedTuple):
    metric: str
    measured: Measurement
    limit: float

    def verdict(self, policy: str) -> Verdict:
        return judge(self.measured, Budget(self.metric, self.limit), Rules(policy), "t")


@st.composite
def measurements(draw: st.DrawFn, metric: str) -> Measurement:
    if BUDGETS[metric].rule != "interval":
        return Measurement(draw(numbers(metric)), "file")
    if draw(st.booleans()):
        n = draw(st.integers(1, 10_000))
        exact = Fraction(draw(st.integers(0, n)), n)
        value = float(exact)
        low, high = value - draw(st.floats(0, 0.5)), value + draw(st.floats(0, 0.5))
    else:
        n, exact = 100, None
        low, value, high = sorted(draw(st.tuples(*[numbers(metric)] * 3)))
    return Measurement(
        value,
        "host:fake",
        low=low,
        high=high,
        level=0.9,
        n=n,
        exact=exact,
        provable=draw(st.booleans()),
        spread=draw(st.floats(0, 1)),
        direction=draw(st.sampled_from([None, "at most"])) if metric == "accuracy_min" else None,
    )


@st.composite
def judgements(draw: st.DrawFn) -> Judgement:
    """A measurement with a limit that is often at, or just beside, its value or its ends.

    A limit is written by a person, so it has at most nine decimals.
    """
    metric = draw(NAMES)
    measured = draw(measurements(metric))
    near = [each for each in (measured.value, measured.low, measured.high) if each is not None]
    limit = draw(st.one_of(numbers(metric), st.sampled_from(near)))
    if BUDGETS[metric].unit in WHOLE:
        limit = max(0, int(limit) + draw(st.integers(-2, 2)))
    else:
        limit = round(limit + draw(st.sampled_from([0.0, 1e-9, -1e-9, 1e-5, -1e-5])), 9)
    return Judgement(metric, measured, limit)


@settings(deadline=None, max_examples=400)
@given(judgements(), st.floats(0, 1), POLICY)
def test_a_looser_limit_never_turns_a_pass_into_a_failure(
    judgement: Judgement, by: float, policy: str
) -> None:
    metric, measured, limit = judgement
    at_most = (measured.direction or BUDGETS[metric].direction) == "at most"
    step = int(by * 1000) if BUDGETS[metric].unit in WHOLE else by
    looser = limit + step if at_most else limit - step
    found, relaxed = (judgement._replace(limit=each).verdict(policy) for each in (limit, looser))
    if found.outcome is Outcome.PASS:
        assert relaxed.outcome is Outcome.PASS
        if found.proven:
            assert relaxed.proven


@settings(deadline=None, max_examples=400)
@given(judgements())
def test_policies_go_from_lenient_over_point_to_strict(
    judgement: Judgement,
) -> None:
    policies = ("lenient", "point", "strict")
    passed = [judgement.verdict(policy).outcome is Outcome.PASS for policy in policies]
    assert passed == sorted(passed, reverse=True)


@settings(deadline=None, max_examples=400)
@given(judgements(), POLICY)
def test_the_reason_of_a_failure_shows_two_figures(judgement: Judgement, policy: str) -> None:
    found = judgement.verdict(policy)
    holds = found.reason.split(" ")[-2] in ("<=", ">=")
    if found.outcome is Outcome.FAIL and not holds:
        words = found.reason.split(" ")
        sign = next(at for at, word in enumerate(words) if word in ("<", ">"))
        assert words[:sign] != words[sign + 1 :]


@settings(deadline=None, max_examples=400)
@given(judgements())
def test_the_row_of_a_failure_shows_two_figures(judgement: Judgement) -> None:
    found = judgement.verdict("point")
    _, value, _, bound, _, _ = row(found.record)
    if found.outcome is Outcome.FAIL:
        assert value != bound[3:]
