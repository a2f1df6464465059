"""Bootstraps with a limit of time, on a clock of their own."""

from __future__ import annotations

from fractions import Fraction
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import bootstrap

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.verdict import Outcome
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.estimated import measured
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics.estimates import Estimate, mean, of_set, paired_share, share
from pytest_edgegate.measures.metrics.resampling import ALL, Resampling
from pytest_edgegate.stats.bootstrap import affordable, paired_bootstrap, set_bootstrap
from pytest_edgegate.stats.groups import Groups
from pytest_edgegate.stats.intervals import clopper_pearson, tango

Array = npt.NDArray[Any]
VALUES = np.random.default_rng(9).exponential(1.0, 300)


class Clock:
    """Time that passes by *step* with every look at the samples."""

    def __init__(self, step: float) -> None:
        self.step, self.now, self.looks = step, 0.0, 0

    def __call__(self) -> float:
        return self.now

    def median(self, drawn: Any) -> float:
        self.now += self.step
        self.looks += 1
        return float(np.median(VALUES[drawn]))


def limited(clock: Clock, limit: float = 20.0, **more: Any) -> Resampling:
    return Resampling(limit=limit, clock=clock, **more)


def evidence(n: int = 300) -> Evidence:
    return Evidence({}, n, "", "host:fake")


@pytest.mark.parametrize(
    ("seconds", "count"),
    [(0.2, 2000), (0.2001, 1000), (0.4, 1000), (0.41, 500), (0.8, 500), (0.81, 0), (0.0, 2000)],
)
def test_the_largest_number_that_fits(seconds: float, count: int) -> None:
    assert affordable(seconds, 20.0) == count


@pytest.mark.parametrize(("step", "count"), [(0.005, 2000), (0.015, 1000), (0.03, 500), (0.05, 20)])
def test_twenty_resamples_tell_how_many_there_is_time_for(step: float, count: int) -> None:
    clock = Clock(step)
    found = of_set(clock.median, 300, limited(clock), "figure")
    assert clock.looks == count + 1  # and one for the figure itself
    if count == 20:
        assert isnan(found.interval.low)
        assert "500 resamples would take about 25 s" in found.undecided
        assert "edge_bootstrap_time is 20 s" in found.undecided
        assert found.undecided_remedy.endswith("edge_bootstrap_time = 38 s (ini)")
    else:
        figure = set_bootstrap(lambda drawn: float(np.median(VALUES[drawn])), 300, 0.9, count)
        assert found.interval == figure
        assert bool(found.remark) is (count < 2000)


def test_fewer_resamples_are_told() -> None:
    clock = Clock(0.015)
    found = of_set(clock.median, 300, limited(clock), "figure")
    assert found.method == "percentile bootstrap of the set, 1,000 resamples"
    assert found.remark == (
        "the interval is from 1,000 resamples instead of 2,000, which do not fit into "
        "edge_bootstrap_time (20 s)"
    )
    assert found.provable
    assert measured(found, evidence()).remark == found.remark


def test_a_limit_that_is_never_reached_changes_no_interval() -> None:
    assert mean(VALUES, limited(Clock(0)), "figure").interval == paired_bootstrap(VALUES)
    assert mean(VALUES, ALL, "figure").interval == paired_bootstrap(VALUES)


def test_a_kept_number_is_taken() -> None:
    clock, asked = Clock(0.0), []

    def choose(purpose: str, seconds: float) -> int:
        asked.append((purpose, seconds))
        return 500

    found = of_set(clock.median, 300, limited(clock, choose=choose), "drop")
    assert asked == [("drop", 0.0)]
    assert found.method.endswith("500 resamples")


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        ("point", Outcome.PASS),
        ("lenient", Outcome.INCONCLUSIVE),
        ("strict", Outcome.INCONCLUSIVE),
    ],
)
def test_without_an_interval_other_policies_than_point_decide_nothing(
    policy: str, outcome: Outcome
) -> None:
    clock = Clock(1.0)
    found = measured(of_set(clock.median, 300, limited(clock), "drop"), evidence())
    verdict = judge(found, Budget("accuracy_drop", 2), Rules(policy), "t")
    assert (verdict.outcome, verdict.proven) == (outcome, False)
    assert (found.low, found.high) == (None, None)
    assert "500 resamples would take about 500 s" in verdict.note
    if outcome is Outcome.INCONCLUSIVE:
        assert verdict.remedy == "give the bootstrap more time: edge_bootstrap_time = 750 s (ini)"
        allowed = Rules(policy, frozenset({(None, "accuracy_drop")}))
        assert not judge(found, Budget("accuracy_drop", 2), allowed, "t").red
    over = judge(found, Budget("accuracy_drop", 0.1), Rules("point"), "t")
    assert (over.outcome, over.proven) == (Outcome.FAIL, False)


def test_an_interval_that_does_not_hold_its_figure_proves_nothing() -> None:
    def distinct(drawn: Any) -> float:
        return float(len(np.unique(VALUES[drawn])))

    found = of_set(distinct, 300, ALL, "figure")
    assert found.value == 300
    assert found.interval.high < 300
    assert not found.provable
    verdict = judge(measured(found, evidence()), Budget("accuracy_min", 10), Rules(), "t")
    assert (verdict.outcome, verdict.proven) == (Outcome.PASS, False)
    assert "does not hold the figure itself, 300" in verdict.note


def test_a_metric_without_a_value_on_most_resamples_has_no_interval() -> None:
    def sometimes(drawn: Any) -> float:
        return 1.0 if isinstance(drawn, slice) else float("nan")

    found = of_set(sometimes, 300, ALL, "figure")
    assert isnan(found.interval.low)
    assert "no value on most resamples" in found.unprovable
    assert not found.undecided


HITS = np.random.default_rng(1).random(300) < 0.8
LOST = HITS & (np.random.default_rng(2).random(300) < 0.9)
CODES = np.arange(300) // 5


def by_groups(values: Array, count: int = 60) -> tuple[float, float]:
    """The interval of the mean over whole groups, by scipy."""
    sums = values.astype(float).reshape(count, -1).sum(axis=1)
    sizes = np.full(count, 300 // count)
    found = bootstrap(
        (sums, sizes),
        lambda one, other, axis: one.sum(axis=axis) / other.sum(axis=axis),
        paired=True,
        confidence_level=0.9,
        n_resamples=4000,
        method="percentile",
        rng=1,
    ).confidence_interval
    return found.low, found.high


def test_shares_by_groups_are_exact_with_an_interval_of_their_own() -> None:
    resampling = Resampling(Groups(CODES))
    one, drop = share(HITS, resampling), paired_share(HITS, LOST, resampling)
    assert one.exact == Fraction(int(HITS.sum()), 300)
    assert drop.exact == Fraction(int((HITS & ~LOST).sum()), 300)
    for found, values in ((one, HITS), (drop, HITS.astype(float) - LOST)):
        low, high = by_groups(values)
        assert (found.interval.low, found.interval.high) == pytest.approx(
            (low, high), abs=0.1 * (high - low)
        )
        assert found.method.endswith("by 60 groups")
        assert found.groups == 60
    assert share(HITS, ALL).interval == clopper_pearson(int(HITS.sum()), 300, 0.9)
    lost = int((HITS & ~LOST).sum())
    assert paired_share(HITS, LOST, ALL).interval == tango(lost, 0, 300, 0.9)


@pytest.mark.parametrize(("count", "provable"), [(19, False), (20, True)])
def test_it_takes_twenty_groups_to_prove(count: int, provable: bool) -> None:
    codes = np.arange(300) * count // 300
    found = mean(VALUES, Resampling(Groups(codes)), "figure")
    assert found.provable is provable
    verdict = judge(measured(found, evidence()), Budget("accuracy_drop", 9), Rules(), "t")
    assert verdict.proven is provable
    assert ("19 groups can't prove anything: it takes at least 20" in verdict.note) is not provable


def needed(found: Estimate, limit: float) -> int:
    verdict = judge(measured(found, evidence()), Budget("accuracy_drop", limit), Rules(), "t")
    assert not verdict.proven
    assert verdict.note.startswith("60 groups can't prove it; about "), verdict.note
    return int(verdict.note.split()[-2])


def test_the_number_that_would_prove_it_counts_groups() -> None:
    """With the variance of the means of groups of equal size, a sample being a group."""
    values = np.random.default_rng(6).normal(size=60)[CODES] * 0.1
    found = mean(values, Resampling(Groups(CODES)), "drop")
    limit = found.value + 0.01
    means = values.reshape(60, 5).mean(axis=1)
    wanted = (1.6449 + 0.8416) ** 2 * means.var() / 0.01**2
    assert needed(found, limit) == pytest.approx(wanted, rel=0.15)
