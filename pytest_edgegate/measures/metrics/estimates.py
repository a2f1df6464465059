"""Estimates of a metric for one model or for the difference of two, with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Columns, Evidence
from pytest_edgegate.stats.bootstrap import paired_bootstrap, set_bootstrap
from pytest_edgegate.stats.intervals import Interval, clopper_pearson, tango

LEVEL = 0.9
"""Two-sided level; the ends of the interval are the one-sided 95 % bounds that decide."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, in the metric's own unit."""

    value: float
    interval: Interval
    method: str
    exact: Fraction | None = None
    provable: bool = True
    spread: float | None = None


class Scoring(Protocol):
    """A metric as the accuracy measures use it."""

    name: str
    key: str | None
    """Identifies the results of ``observe`` in the cache; None: they are not cached."""
    higher_is_better: bool
    bounded: bool
    """Whether its values lie between 0 and 1."""
    output: int | str | None
    figures: Columns
    """The arrays that ``observe`` returns, by name."""

    def observe(self, output: Array, labels: Array) -> dict[str, Array]:
        """Per-sample figures of a batch."""

    def estimate(self, evidence: Evidence) -> Estimate:
        """The metric of one model."""

    def worse_by(self, reference: Evidence, artifact: Evidence) -> Estimate:
        """How much worse the artifact is, on the same samples: positive is worse."""


def share(hits: int, n: int) -> Estimate:
    share = hits / n
    return Estimate(
        share,
        clopper_pearson(hits, n, LEVEL),
        "Clopper-Pearson's interval",
        Fraction(hits, n),
        True,
        share * (1 - share),
    )


def paired_share(before: Array, after: Array) -> Estimate:
    lost = int((before & ~after).sum())
    won = int((after & ~before).sum())
    n = len(before)
    return Estimate(
        (lost - won) / n,
        tango(lost, won, n, LEVEL),
        "Tango's paired score interval",
        Fraction(lost - won, n),
        True,
        (lost + won) / n,
    )


def mean(values: Array, *, paired: bool = False) -> Estimate:
    interval = paired_bootstrap(values, LEVEL)
    with np.errstate(invalid="ignore"):  # a score of Inf makes the value Inf, which is reported
        value, variance = float(values.mean()), float(values.var())
    method = f"{'paired ' if paired else ''}percentile bootstrap"
    return Estimate(value, interval, method, None, interval.low < interval.high, variance)


def set_interval(statistic: Callable[[Any], float], n: int) -> Interval:
    """The bootstrap interval of a whole-set statistic; its ends are NaN, which proves nothing, if
    most resamples have no value."""
    try:
        return set_bootstrap(statistic, n, LEVEL)
    except ValueError:
        return Interval(float("nan"), float("nan"), LEVEL)


def set_estimate(value: float, interval: Interval, n: int) -> Estimate:
    return Estimate(
        value,
        interval,
        "percentile bootstrap of the set",
        None,
        interval.low < interval.high,
        spread(interval, n),
    )


def spread(interval: Interval, n: int) -> float:
    """The variance of one sample's contribution that corresponds to an interval of this width."""
    half = (interval.high - interval.low) / 2
    return float(n * (half / 1.6449) ** 2)
