"""Latency: sequential decisions over rounds of timings. A host's figure is never a device's.

Every limit is valid at any time (``stats.quantiles.always_valid``), so that a measurement may end
as soon as its interval has decided.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Round, Stopwatch
from pytest_edgegate.core.progress import Tell
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.context import MeasureContext
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.stats.quantiles import always_valid, least_runs, single_look

ALPHA = 0.01
"""Each limit is wrong with at most this chance."""
LEVEL = 1 - 2 * ALPHA
QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
SHORTEST, LONGEST = 0.03, 0.5
"""Seconds of timing in a round; between them, as long as opening the files takes."""
STARTS = 9
"""Fresh processes for the first inference."""

Seconds = NDArray[np.float64]


def latency(metric: str, context: MeasureContext) -> Finding:
    """A vendor's figure where the target names a tool for it, else timings."""
    told = context.estimated(metric)
    if told is not None:
        return told
    if metric in QUANTILES:
        return latency_quantile(metric, context)
    return latency_ratio(context) if metric == "latency_ratio" else latency_first(context)


def unreachable(metric: str, target: Target) -> NotMeasured:
    """No device of the target is here, and this host does not stand for it."""
    allow = f"--edge-allow-unmeasured={target.name}:{metric}"
    return NotMeasured(
        metric,
        f"no {target.title} is attached, and this host's latency says nothing about it",
        target.latency_remedy.format(metric=metric)
        or f"measure it on the board, or run with {allow}",
    )


def latency_ratio(context: MeasureContext) -> Finding:
    """The artifact's time over that of its float export, in ABBA blocks of one process."""
    opened = context.stopwatch("latency_ratio")
    if isinstance(opened, NotMeasured):
        return opened
    limit = float(context.asked["latency_ratio"].limit)
    with opened as watch:
        compared = Compared(limit)
        start = watch.now()
        for each in rounds(watch, context.patience):
            compared.add(each)
            what = f"latency_ratio {compared.value:.3f} after {compared.count} rounds, seconds"
            context.tell(what, watch.now() - start, context.patience)
            if compared.decided:
                break
        return compared.measurement("latency_ratio", watch, context.floor)


def latency_quantile(metric: str, context: MeasureContext) -> Finding:
    """p50, p95 or p99 of single inferences, from the timings that all of them share."""
    timed = context.times()
    if isinstance(timed, NotMeasured):
        return NotMeasured(metric, timed.reason, timed.remedy)
    return timed.measurement(metric)


def latency_first(context: MeasureContext) -> Finding:
    """Median of the first inference after opening, each in a fresh process, looked at once."""
    times: list[float] = []
    source, conditions, end = "", {}, math.inf
    while len(times) < STARTS:
        opened = context.stopwatch("latency_first")
        if isinstance(opened, NotMeasured):
            return opened
        with opened as watch:
            source, conditions = watch.source, dict(watch.conditions)
            end = min(end, watch.now() + context.patience)
            times.append(watch.round(0.0).first)
            context.tell("latency_first, fresh processes", len(times), STARTS)
            if watch.now() > end:
                break
    ordered = np.sort(np.asarray(times, np.float64))
    low, high = single_look(len(times), 0.5, ALPHA).limits(ordered)
    return Measurement(
        "latency_first", float(np.median(ordered)), source, low=low, high=high, level=LEVEL,
        n=len(times), method="the binomial limits of the median", conditions=conditions,
        undecided=f"{len(times)} fresh processes took from {spell_time(ordered[0])} to "
        f"{spell_time(ordered[-1])}",
    )  # fmt: skip


class Compared:
    """Log ratios of rounds: the median of its blocks stands for each."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._logs: list[float] = []
        self._over: list[Seconds] = []
        self._noise: list[float] = []
        self._times: list[Seconds] = []
        self.blocks = 0
        self.low, self.high = -math.inf, math.inf

    @property
    def count(self) -> int:
        return len(self._logs)

    @property
    def value(self) -> float:
        return math.exp(float(np.median(self._logs)))

    @property
    def decided(self) -> bool:
        return self.low > self._limit or self.high <= self._limit

    def add(self, timed: Round) -> None:
        artifact, reference = _in_blocks(timed.artifact), _in_blocks(timed.reference)
        blocks = (np.log(artifact) - np.log(reference)).mean(axis=1)
        self._logs.append(float(np.median(blocks)))
        self._over.append((artifact - self._limit * reference).reshape(-1))
        self._times.append(artifact.reshape(-1))
        self._noise.append(_spread(artifact.reshape(-1)))
        self.blocks += len(blocks)
        limits = always_valid(self.count, 0.5, ALPHA).limits(np.sort(self._logs))
        self.low, self.high = _exp(limits[0]), _exp(limits[1])

    def measurement(self, metric: str, watch: Stopwatch, floor: float) -> Measurement:
        typical = float(np.median(np.concatenate(self._times)))
        return Measurement(
            metric, self.value, watch.source, low=self.low, high=self.high, level=LEVEL,
            n=self.blocks, method=f"always-valid limits of the median of {self.count} rounds",
            excess=float(np.median(np.concatenate(self._over))), floor=floor,
            conditions=watch.conditions,
            undecided=f"{self.count} rounds of {self.blocks} ABBA blocks do not decide it: single "
            f"inferences of {spell_time(typical)} vary by {_percent(np.median(self._noise))}, "
            f"{_load(watch)}",
            details=(f"one inference takes {spell_time(typical)} here",),
        )  # fmt: skip


@dataclass
class Times:
    """Times of single inferences, and the limits that they are held against."""

    limits: Mapping[str, float]
    source: str
    conditions: Mapping[str, object]
    ordered: Seconds
    load: str

    @property
    def decided(self) -> bool:
        return all(
            low > limit or high <= limit
            for (low, high), limit in ((self.ends(each), self.limits[each]) for each in self.limits)
        )

    def ends(self, metric: str) -> tuple[float, float]:
        return always_valid(len(self.ordered), QUANTILES[metric], ALPHA).limits(self.ordered)

    def measurement(self, metric: str) -> Measurement:
        q, n = QUANTILES[metric], len(self.ordered)
        low, high = self.ends(metric)
        value = float(self.ordered[min(math.ceil(q * n), n) - 1])
        return Measurement(
            metric, value, self.source, low=low, high=high, level=LEVEL, n=n,
            method=f"always-valid limits by order statistics of {n} runs",
            conditions=self.conditions,
            undecided=self._undecided(metric, q, n),
            details=(f"the median here is {spell_time(float(np.median(self.ordered)))}",),
        )  # fmt: skip

    def _undecided(self, metric: str, q: float, n: int) -> str:
        over = int((self.ordered > self.limits[metric]).sum())
        text = f"{n} runs do not decide it: {over} took longer than the limit"
        least = least_runs(q, ALPHA)
        if over == 0 and least is not None and n < least:
            return f"{text}, and it takes {least} runs without one to prove it"
        return f"{text}; single inferences vary by {_percent(_spread(self.ordered))}, {self.load}"


def time_until_decided(
    watch: Stopwatch, limits: Mapping[str, float], patience: float, tell: Tell
) -> Times:
    """Times single inferences until every limit is decided, or for *patience* seconds."""
    gathered: list[float] = []
    looked, start = 0, watch.now()
    for each in rounds(watch, patience):
        gathered += each.artifact
        if len(gathered) < 1.1 * looked:
            continue  # sorting all of them after every round would take longer than they do
        looked = len(gathered)
        times = _times(watch, limits, gathered)
        tell(f"latency of {looked} runs, seconds", watch.now() - start, patience)
        if times.decided:
            return times
    return _times(watch, limits, gathered)


def rounds(watch: Stopwatch, patience: float) -> Iterator[Round]:
    """Rounds until *patience* seconds are over, at least one; what is opened slowly, for longer."""
    end = watch.now() + patience
    seconds = SHORTEST
    while True:
        made = watch.round(seconds)
        yield made
        if watch.now() >= end:
            return
        seconds = min(max(made.opening, SHORTEST), LONGEST)


def _in_blocks(times: Sequence[float]) -> Seconds:
    """Two times a row. A clock that has not moved has taken no less than a picosecond."""
    return np.maximum(np.asarray(times, np.float64).reshape(-1, 2), 1e-12)


def _times(watch: Stopwatch, limits: Mapping[str, float], gathered: list[float]) -> Times:
    ordered = np.sort(np.asarray(gathered, np.float64))
    return Times(limits, watch.source, watch.conditions, ordered, _load(watch))


def _spread(times: Seconds) -> float:
    """Robust relative spread: 1.4826 times the median absolute deviation, over the median."""
    middle = float(np.median(times))
    return 1.4826 * float(np.median(np.abs(times - middle))) / middle if middle > 0 else 0.0


def _percent(share: float | np.floating[Any]) -> str:
    return f"{share * 100:.0f} %"


def _load(watch: Stopwatch) -> str:
    load = watch.conditions.get("load")
    return "load unknown" if load is None else f"load average {load}"


def _exp(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf
