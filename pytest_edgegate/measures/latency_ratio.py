"""Compares the latency of two files: the median over rounds of the log ratio of their times."""

from __future__ import annotations

import math
import statistics
from bisect import insort
from collections.abc import Sequence

import numpy as np

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Round
from pytest_edgegate.measures.latency_rounds import (
    ALPHA,
    LEAST,
    LEVEL,
    Rounds,
    Seconds,
    least_rounds,
    percent,
    spread,
)
from pytest_edgegate.measures.providers import Accepted, Clock
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.stats.quantiles import always_valid


def latency_ratio(clock: Clock) -> Finding:
    """The artifact's time divided by its float export's, in ABBA blocks within one process."""
    return _compared("latency_ratio", clock)


def latency_regression(clock: Clock, accepted: Accepted) -> Finding:
    """The same, divided by the time of the accepted file, which is run here, too.

    A file that has not changed is as fast as itself, and nothing is run for it.
    """
    found = accepted.artifact()
    if isinstance(found, NotMeasured):
        return found
    if accepted.is_same_file():
        return Measurement(1.0, "file", computed=True)
    return _compared("latency_regression", clock)


def _compared(metric: str, clock: Clock) -> Finding:
    opened = clock.stopwatch(metric)
    if isinstance(opened, NotMeasured):
        return opened
    with opened as watch:
        rounds = Rounds(watch, clock.patience)
        compared = Compared(clock.limits[metric], clock.floor)
        for each in rounds:
            compared.add(each)
            what = f"{metric} {compared.value:.3f} after {compared.count} rounds, seconds"
            clock.progress(what, rounds.elapsed, clock.patience)
            if compared.decided:
                break
        return compared.measurement(rounds)


class Compared:
    """Log ratios by round; each is the median over the round's blocks.

    *floor*: the excess over the limit, in seconds, up to which a slow-down is ignored.
    """

    def __init__(self, limit: float, floor: float) -> None:
        self._limit = limit
        self._floor = floor
        self._logs: list[float] = []  # in order
        self._over: list[float] = []  # in order
        self._noise: list[float] = []
        self._times: list[Seconds] = []
        self.blocks = 0
        self.low, self.high = -math.inf, math.inf

    @property
    def count(self) -> int:
        return len(self._logs)

    @property
    def value(self) -> float:
        return math.exp(statistics.median(self._logs))

    @property
    def decided(self) -> bool:
        if self.low > self._limit:  # the floor is decided by its own interval, not by luck
            least, most = always_valid(self.count, 0.5, ALPHA).limits(self._over)
            return least > self._floor or most <= self._floor
        return self.high <= self._limit

    def add(self, timed: Round) -> None:
        artifact, reference = _in_blocks(timed.artifact), _in_blocks(timed.reference)
        blocks = (np.log(artifact) - np.log(reference)).mean(axis=1)
        insort(self._logs, float(np.median(blocks)))
        insort(self._over, float(np.median(artifact - self._limit * reference)))
        self._times.append(artifact.reshape(-1))
        self._noise.append(spread(artifact.reshape(-1)))
        self.blocks += len(blocks)
        limits = always_valid(self.count, 0.5, ALPHA).limits(self._logs)
        self.low, self.high = _exp(limits[0]), _exp(limits[1])

    def measurement(self, rounds: Rounds) -> Measurement:
        undecided, remedy = self._undecided(rounds)
        return Measurement(
            self.value,
            rounds.watch.source,
            low=self.low,
            high=self.high,
            level=LEVEL,
            n=self.blocks,
            method=f"always-valid limits of the median of {self.count} rounds",
            excess=statistics.median(self._over),
            floor=self._floor,
            conditions=rounds.conditions,
            typical=self._typical,
            remark=rounds.remark(),
            undecided=undecided,
            undecided_remedy=remedy,
        )

    @property
    def _typical(self) -> float:
        return float(np.median(np.concatenate(self._times)))

    def _undecided(self, rounds: Rounds) -> tuple[str, str]:
        """(reason, remedy)."""
        text = f"{self.count} rounds of {self.blocks} ABBA blocks do not decide it"
        least = least_rounds(ALPHA)
        if self.count < least:
            return f"{text}: {rounds.pace(least)}", rounds.longer(self.count / least)
        noise = percent(float(np.median(self._noise)))
        return (
            f"{text}: single inferences of {spell_time(self._typical)} vary by {noise}, "
            f"{rounds.load}",
            rounds.longer(),
        )


def _in_blocks(times: Sequence[float]) -> Seconds:
    """Pairs of times, shape (blocks, 2)."""
    return np.maximum(np.asarray(times, np.float64).reshape(-1, 2), LEAST)


def _exp(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf
