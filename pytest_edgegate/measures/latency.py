"""Latency: sequential decisions over timings. A host's figure is never a device's.

Every limit is valid at any time (``stats.quantiles.always_valid``), so that a measurement may end
as soon as its interval has decided.
"""

from __future__ import annotations

import numpy as np

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.context import MeasureContext
from pytest_edgegate.measures.latency_percentiles import QUANTILES
from pytest_edgegate.measures.latency_ratio import latency_ratio
from pytest_edgegate.measures.latency_rounds import ALPHA, LEVEL
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.stats.quantiles import single_look

STARTS = 9
"""Fresh processes for the first inference."""


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


def latency_quantile(metric: str, context: MeasureContext) -> Finding:
    """p50, p95 or p99 of single inferences, from the timings that all of them share."""
    timed = context.times()
    if isinstance(timed, NotMeasured):
        return NotMeasured(metric, timed.reason, timed.remedy)
    return timed.measurement(metric)


def latency_first(context: MeasureContext) -> Finding:
    """Median of the first inference after opening, each in a fresh process, looked at once."""
    times: list[float] = []
    source, conditions, end = "", dict[str, object](), float("inf")
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
