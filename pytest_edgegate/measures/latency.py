"""Latency: sequential decisions over timings. A host latency never stands for a device.

Every bound is valid at any time (``stats.quantiles.always_valid``), so a measurement may stop as
soon as its interval decides.
"""

from __future__ import annotations

import statistics
from bisect import insort

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Stopwatch
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.latency_rounds import (
    ALPHA,
    LEVEL,
    conditions_after,
    distributions,
    give_time,
    least_rounds,
)
from pytest_edgegate.measures.providers import Clock
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.stats.quantiles import always_valid

MOST_STARTS = 200
"""The largest number of fresh processes started to time the first inference."""


def latency_p50(clock: Clock) -> Finding:
    """The median of single inferences, in seconds."""
    return _percentile("latency_p50", clock)


def latency_p95(clock: Clock) -> Finding:
    """The 95th percentile of single inferences, in seconds."""
    return _percentile("latency_p95", clock)


def latency_p99(clock: Clock) -> Finding:
    """The 99th percentile of single inferences, in seconds."""
    return _percentile("latency_p99", clock)


def latency_first(clock: Clock) -> Finding:
    """The first inference after the file was opened, in seconds."""
    return _first(clock)


def unreachable(metric: str, target: Target) -> NotMeasured:
    """The finding where no device of the target is attached and this host cannot stand for it."""
    allow = f"--edge-allow-unmeasured={target.name}:{metric}"
    return NotMeasured(
        f"no {target.title} is attached, and this host's latency says nothing about it",
        _filled(target.latency_remedy, target.name, metric)
        or f"measure it on the board, or run with {allow}",
    )


def _filled(remedy: str, target: str, metric: str) -> str:
    """The remedy of a target's table, which a target that starts from it inherits. Text of a user
    may have other braces, which ``format`` would trip over."""
    return remedy.replace("{target}", target).replace("{metric}", metric)


def _percentile(metric: str, clock: Clock) -> Finding:
    """A percentile of the timings that all percentiles share."""
    timed = clock.times(metric)
    if isinstance(timed, NotMeasured):
        return timed
    return timed.measurement(metric)


def _first(clock: Clock) -> Finding:
    """Median of first inferences, each in a fresh process, repeated until it is decided."""
    starts = _Starts(clock.limits["latency_first"], clock.patience)
    while starts.go_on:
        opened = clock.stopwatch("latency_first")
        if isinstance(opened, NotMeasured):
            return opened
        with opened as watch:
            starts.add(watch)
        clock.progress(
            f"latency_first, {starts.count} fresh processes, seconds",
            starts.elapsed,
            clock.patience,
        )
    return starts.measurement()


class _Starts:
    """First inferences, one per fresh process, and the bounds of their median."""

    def __init__(self, limit: float, patience: float) -> None:
        self._limit = limit
        self._patience = patience
        self._start: float | None = None
        self._times: list[float] = []  # in order
        self._source, self._conditions = "", dict[str, object]()
        self.elapsed = 0.0

    @property
    def count(self) -> int:
        return len(self._times)

    @property
    def go_on(self) -> bool:
        return not self._times or (not self._decided and self._is_time and self.count < MOST_STARTS)

    @property
    def _is_time(self) -> bool:
        return self.elapsed < self._patience

    @property
    def _decided(self) -> bool:
        low, high = self._ends
        return low > self._limit or high <= self._limit

    @property
    def _ends(self) -> tuple[float, float]:
        return always_valid(self.count, 0.5, ALPHA).limits(self._times)

    def add(self, watch: Stopwatch) -> None:
        if self._start is None:
            self._start = watch.now()
        self._source, self._conditions = watch.source, dict(watch.conditions)
        insort(self._times, watch.round(0.0).first)
        # a board's clock may start anew with its process
        self.elapsed = max(watch.now() - self._start, self.elapsed)

    def measurement(self) -> Measurement:
        low, high = self._ends
        undecided, remedy = self._undecided()
        return Measurement(
            statistics.median(self._times),
            self._source,
            low=low,
            high=high,
            level=LEVEL,
            n=self.count,
            method="always-valid limits of the median",
            conditions=conditions_after(self._source, self._conditions),
            times=distributions(self._times),
            undecided=undecided,
            undecided_remedy=remedy,
        )

    def _undecided(self) -> tuple[str, str]:
        """(reason, remedy)."""
        low, high = spell_time(self._times[0]), spell_time(self._times[-1])
        text = f"{self.count} fresh processes took from {low} to {high}"
        least = least_rounds(ALPHA)
        if self.count < least:
            each = spell_time(self.elapsed / self.count)
            text += f", and it takes {least} at least, of {each} each here"
            return text, give_time(1.5 * max(self.elapsed * least / self.count, self._patience))
        return text, f"stop other work on this machine, or {give_time(3 * self._patience)}"
