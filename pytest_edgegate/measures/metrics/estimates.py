"""Estimates of a metric for one model or for the difference of two, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.metrics.resampling import (
    FEWEST_GROUPS,
    Purpose,
    Resampled,
    Resampling,
)
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.stats.bootstrap import COUNTS, Draw, figures_of, means_of, percentiles
from pytest_edgegate.stats.intervals import Interval, clopper_pearson, tango

LEVEL = 0.9
"""Two-sided level; the ends of the interval are the one-sided 95 % bounds that decide."""
NO_INTERVAL = Interval(float("nan"), float("nan"), LEVEL)
_ROUNDING = 1e-9
"""The means of equal scores differ by less than this share of themselves."""
TIME = "edge_bootstrap_time"


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, in the metric's own unit."""

    value: float
    interval: Interval
    method: str
    exact: Fraction | None = None
    provable: bool = True
    spread: float | None = None
    """Variance of the contribution of one sample, or of one group where there are groups."""
    groups: int | None = None
    """The number of groups that were drawn as a whole."""
    unprovable: str = ""
    """Why the interval can't prove anything, if the reason is not equal scores."""
    undecided: str = ""
    """Why there was no time for an interval."""
    undecided_remedy: str = ""
    remark: str = ""
    """A remark for the note of any verdict."""

    def relative_to(self, size: float, exact: Fraction | None) -> Estimate:
        """The figure and its interval divided by *size*; *exact*: the exact quotient, if known."""
        ends = Interval(self.interval.low / size, self.interval.high / size, self.interval.level)
        spread = None if self.spread is None else self.spread / size**2
        return replace(self, value=self.value / size, interval=ends, exact=exact, spread=spread)


def share(hits: Array, resampling: Resampling, purpose: Purpose = "figure") -> Estimate:
    """The share of True among *hits*, bool of shape (n,)."""
    n, count = len(hits), int(hits.sum())
    exact = Fraction(count, n)
    if resampling.groups is not None:
        return replace(mean(hits.astype(np.float64), resampling, purpose), exact=exact)
    value = count / n
    return Estimate(
        value,
        clopper_pearson(count, n, LEVEL),
        "Clopper-Pearson's interval",
        exact,
        True,
        value * (1 - value),
    )


def paired_share(
    before: Array, after: Array, resampling: Resampling, purpose: Purpose = "drop"
) -> Estimate:
    """The share of True that is lost from *before* to *after*, both bool of shape (n,)."""
    lost = int((before & ~after).sum())
    won = int((after & ~before).sum())
    n = len(before)
    exact = Fraction(lost - won, n)
    if resampling.groups is not None:
        differences = before.astype(np.float64) - after.astype(np.float64)
        return replace(mean(differences, resampling, purpose, paired=True), exact=exact)
    return Estimate(
        (lost - won) / n,
        tango(lost, won, n, LEVEL),
        "Tango's paired score interval",
        exact,
        True,
        (lost + won) / n,
    )


def mean(
    values: Array, resampling: Resampling, purpose: Purpose, *, paired: bool = False
) -> Estimate:
    """The mean of per-sample *values*, of shape (n,)."""
    with np.errstate(invalid="ignore"):  # a score of Inf makes the value Inf, which is reported
        value, variance = float(values.mean()), float(values.var())
    method = f"{'paired ' if paired else ''}percentile bootstrap"
    if not np.isfinite(values).all():
        return Estimate(value, NO_INTERVAL, method, None, False, variance)
    draw = means_of(values, resampling.groups)
    made = _drawn(value, draw, len(values), resampling, purpose, method)
    return made if resampling.groups is not None else replace(made, spread=variance)


def of_set(
    statistic: Callable[[Array | slice], float],
    n: int,
    resampling: Resampling,
    purpose: Purpose,
) -> Estimate:
    """A figure of a whole set of *n* samples.

    *statistic* is given the indices of the samples to take, or a slice of all of them.
    """
    value = statistic(slice(None))
    method = "percentile bootstrap of the set"
    if not math.isfinite(value):
        return Estimate(value, NO_INTERVAL, method, None, False)
    draw = figures_of(statistic, n, resampling.groups)
    made = _drawn(value, draw, n, resampling, purpose, method)
    if resampling.groups is not None or n >= FEWEST_SAMPLES or made.unprovable:
        return made
    reason = f"{n} samples can't prove anything here: it takes at least {FEWEST_SAMPLES}"
    return replace(made, provable=False, unprovable=reason)


FEWEST_SAMPLES = FEWEST_GROUPS
"""With fewer, a bootstrap of a set repeats some of them so often that its interval is too narrow:
of 3 samples there are 10 different resamples."""


def _drawn(
    value: float, draw: Draw, n: int, resampling: Resampling, purpose: Purpose, method: str
) -> Estimate:
    """The estimate by a percentile bootstrap, or without an interval if that can't be had."""
    groups = None if resampling.groups is None else resampling.groups.count
    if groups is not None:
        method = f"{method} by {groups} groups"
    drawn = resampling.draw(draw, purpose)
    bare = Estimate(value, NO_INTERVAL, method, None, False, groups=groups)
    if drawn.figures is None:
        return _without_time(bare, drawn, resampling.limit)
    try:
        interval = percentiles(drawn.figures, LEVEL)
    except ValueError:
        return replace(
            bare, unprovable="there is no interval: the metric has no value on most resamples"
        )
    unprovable = _doubt(value, interval, resampling)
    made = replace(
        bare,
        interval=interval,
        provable=has_spread(interval) and not unprovable,
        spread=spread(interval, groups or n),
        unprovable=unprovable,
    )
    return _with_fewer(made, len(drawn.figures), resampling.limit) if drawn.is_short else made


def _doubt(value: float, interval: Interval, resampling: Resampling) -> str:
    """Why the interval proves nothing, for another reason than equal scores of single samples."""
    has_width = has_spread(interval)
    if has_width and not interval.low <= value <= interval.high:
        return (
            f"the interval [{interval.low:.4g}, {interval.high:.4g}] does not hold the figure "
            f"itself, {value:.4g}: the bootstrap does not fit this metric, and proves nothing"
        )
    if resampling.groups is None:
        return ""
    if resampling.too_few_groups:
        return (
            f"{resampling.groups.count} groups can't prove anything: it takes at least "
            f"{FEWEST_GROUPS}"
        )
    if has_width:
        return ""
    return (
        f"the {resampling.groups.count} groups score alike: an interval by groups has no width "
        "then, and proves nothing"
    )


def _without_time(bare: Estimate, drawn: Resampled, limit: float) -> Estimate:
    wanted = f"{COUNTS[-1]} resamples would take about {_spelt(drawn.seconds)}"
    reason = f"there is no interval: {wanted}, and {TIME} is {_spelt(limit)}"
    return replace(
        bare,
        unprovable=reason,
        undecided=reason,
        undecided_remedy=f"give the bootstrap more time: {TIME} = {_enough(drawn.seconds)} (ini)",
    )


def _with_fewer(made: Estimate, count: int, limit: float) -> Estimate:
    return replace(
        made,
        method=f"{made.method}, {count:,} resamples",
        remark=f"the interval is from {count:,} resamples instead of {COUNTS[0]:,}, which do not "
        f"fit into {TIME} ({_spelt(limit)})",
    )


def _spelt(seconds: float) -> str:
    return spell_time(seconds) if seconds < 100 else f"{seconds:,.0f} s"


def _enough(seconds: float) -> str:
    """A time with room to spare, in whole seconds."""
    return f"{max(math.ceil(seconds * 1.5), 1)} s"


def has_spread(interval: Interval) -> bool:
    """Whether an interval has a width that is more than rounding: one without proves nothing."""
    size = max(abs(interval.low), abs(interval.high))
    return interval.high - interval.low > _ROUNDING * size


def spread(interval: Interval, n: int) -> float:
    """The variance of one sample's contribution that corresponds to an interval of this width."""
    half = (interval.high - interval.low) / 2
    return float(n * (half / 1.6449) ** 2)
