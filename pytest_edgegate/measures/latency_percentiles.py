"""Percentiles of single inferences, whose times share a common shift within one opening."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping

import numpy as np

from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.ports import Round, Stopwatch
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.measures.latency_rounds import (
    ALPHA,
    LEAST,
    LEVEL,
    SHORTEST,
    Rounds,
    Seconds,
    distributions,
    least_rounds,
    percent,
    spread,
)
from pytest_edgegate.stats.quantiles import always_valid, least_runs

QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
_FEWEST = 10
"""A round of fewer times cannot describe its tail: its median depends too much on each of them.

Divided by the median of n normal times, these spread by 0.2 / n too little (the median has 1.57
times the variance of the mean, and the mean of n is the part of each time that it shares with
their median). Where times spread by 15 %, a p95 by rounds of 13 is 0.4 % too low for that, and a
p99 by rounds of 66 is 0.1 %: ``_a_round`` asks for as many.
"""
_AGAIN = 1.1
"""The residuals are sorted again when their number has grown by this factor: sorting after every
round would take longer than the timings."""


class Times:
    """Times of single inferences by round, and the limits that they are compared with.

    A time is modelled as a residual scaled by its opening, ``x = s_opening * e``: the memory
    layout shifts all times of one opening together, and the times of one opening alone
    prove nothing about the next. So two bounds are kept, each valid at any time: of the median
    over rounds of a round's median, one observation a round, and of the quantile of the residuals,
    each time over its round's median. Their product limits the quantile in a typical opening. Each
    is wrong with at most half of the error, so that both hold with the rest. The median needs no
    second bound: half of the residuals are below 1.
    """

    def __init__(self, limits: Mapping[str, float], rounds: Rounds) -> None:
        """*limits*: by metric, in seconds."""
        self._limits = limits
        self._rounds = rounds
        self._medians: list[float] = []  # in order
        self._all: list[float] = []
        self._residuals: list[float] = []
        self._ordered: Seconds = np.zeros(0)

    @property
    def count(self) -> int:
        """How many inferences were timed."""
        return len(self._all)

    @property
    def decided(self) -> bool:
        ends = {each: self.ends(each) for each in self._limits}
        return all(
            low > self._limits[each] or high <= self._limits[each]
            for each, (low, high) in ends.items()
        )

    def add(self, made: Round) -> None:
        """Adds a round, and makes the next one as long as the limits require."""
        times = np.maximum(np.asarray(made.artifact, np.float64), LEAST)
        median = float(np.median(times))
        insort(self._medians, median)
        self._all += made.artifact
        if len(times) >= _FEWEST:
            self._residuals += (times / median).tolist()
        if len(self._residuals) >= _AGAIN * len(self._ordered):
            self._ordered = np.sort(self._residuals)
        wanted = [_a_round(QUANTILES[each]) for each, at in self._limits.items() if median <= at]
        self._rounds.shortest = max([SHORTEST, *(count * median * 1.1 for count in wanted)])

    def ends(self, metric: str) -> tuple[float, float]:
        """The bounds of the quantile, in seconds; infinite while there are none."""
        q = QUANTILES[metric]
        low, high = self._typical(ALPHA if q == 0.5 else ALPHA / 2)
        if q == 0.5:
            return low, high
        least, most = -math.inf, math.inf
        if len(self._ordered):
            least, most = always_valid(len(self._ordered), q, ALPHA / 2).limits(self._ordered)
        return low * max(least, 1.0), high * most  # a quantile above the median is never below it

    def _typical(self, alpha: float) -> tuple[float, float]:
        return always_valid(len(self._medians), 0.5, alpha).limits(self._medians)

    def measurement(self, metric: str) -> Measurement:
        q = QUANTILES[metric]
        low, high = self.ends(metric)
        undecided, remedy = self._undecided(metric)
        return Measurement(
            self._value(q),
            self._rounds.watch.source,
            low=low,
            high=high,
            level=LEVEL,
            n=self.count,
            method=f"always-valid limits by order statistics of {self.count} runs in "
            f"{len(self._medians)} rounds",
            conditions=self._rounds.conditions,
            typical=float(np.median(self._all)),
            times=distributions(self._all),
            remark=self._rounds.remark(tail=q > 0.5),
            undecided=undecided,
            undecided_remedy=remedy,
        )

    def _value(self, q: float) -> float:
        if q == 0.5 or not self._residuals:
            return float(np.quantile(self._medians if q == 0.5 else self._all, q))
        residual = float(np.quantile(self._residuals, q, method="inverted_cdf"))
        return float(np.median(self._medians)) * residual

    def _undecided(self, metric: str) -> tuple[str, str]:
        """(reason, remedy)."""
        rounds, text = self._rounds, f"{self.count} runs do not decide it"
        over = sum(each > self._limits[metric] for each in self._all)
        share, needed = self._share(QUANTILES[metric])
        if share < 1:
            return f"{text}: {needed}", rounds.longer(share)
        varying = percent(spread(np.asarray(self._all)))
        return (
            f"{text}: {over} took longer than the limit; single inferences vary by {varying}, "
            f"{rounds.load}",
            rounds.longer(),
        )

    def _share(self, q: float) -> tuple[float, str]:
        """(share of the smallest sample that can decide it, what that sample takes)."""
        alpha = ALPHA if q == 0.5 else ALPHA / 2
        rounds = least_rounds(alpha)
        share, needed = len(self._medians) / rounds, self._rounds.pace(rounds)
        runs = least_runs(q, alpha) if q > 0.5 else None
        if runs is not None and len(self._residuals) / runs < share:
            share = len(self._residuals) / runs
            needed = f"it takes {runs} runs with none over the limit, {_a_round(q)} per round"
        return share, needed


def _a_round(q: float) -> int:
    """The times per round needed for both bounds of a tail to exist after as many rounds."""
    if q == 0.5:
        return 1
    runs = least_runs(q, ALPHA / 2)
    assert runs is not None  # some hundreds are
    return max(_FEWEST, math.ceil(runs / least_rounds(ALPHA / 2)))


def time_until_decided(
    watch: Stopwatch, limits: Mapping[str, float], patience: float, progress: Progress
) -> Times:
    """Times single inferences until every limit is decided or *patience* seconds are over."""
    rounds = Rounds(watch, patience)
    times = Times(limits, rounds)
    for each in rounds:
        times.add(each)
        progress(f"latency of {times.count} runs, seconds", rounds.elapsed, patience)
        if times.decided:
            break
    return times
