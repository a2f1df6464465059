"""Percentile bootstraps: of a mean of differences, and of a figure of a whole set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.stats.groups import Groups
from pytest_edgegate.stats.intervals import Interval, check_level

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int64]
Draw = Callable[[int], NDArray[np.float64]]
"""Draws that many further resamples, and returns the figure of each: float64, shape (count,)."""

CHUNK = 2**20
"""Draws held in memory at a time: 16 MiB of indices and values, for any size of the set."""
COUNTS = (2_000, 1_000, 500)
"""How many resamples an interval may be taken from, the best first."""
PROBED = 20
"""The number of resamples whose time tells how many there is time for."""


def affordable(seconds: float, limit: float) -> int:
    """The largest of COUNTS that fits into *limit* seconds if PROBED take *seconds*; 0 for none."""
    return next((each for each in COUNTS if seconds / PROBED * each <= limit), 0)


def paired_bootstrap(
    differences: FloatArray, level: float = 0.9, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Interval of the mean of per-sample *differences*, in their own unit.

    *differences* has shape (n,) and a real dtype; means are taken in float64. The same seed gives
    the same interval. Equal differences give a zero-width interval, which proves nothing. NaN or
    Inf among the differences gives NaN for both ends: the caller has a failure to report.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.

    Raises ValueError for another shape, no samples, resamples < 1, or a level outside (0, 1).
    """
    check_level(level)
    _check_resamples(resamples)
    draw = means_of(differences, seed=seed)
    if not np.isfinite(differences).all():
        return Interval(float("nan"), float("nan"), level)
    return percentiles(draw(resamples), level)


def set_bootstrap(
    statistic: Callable[[IntArray], float],
    n: int,
    level: float = 0.9,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Interval of a figure of a whole set of *n* samples, in the figure's own unit.

    *statistic* is given the indices of a resample (int64, shape (n,), drawn with replacement) and
    returns the figure. Resamples on which it is NaN (a class that was not drawn) are left out.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.

    Raises ValueError where more than half of the resamples give NaN, and for n < 1,
    resamples < 1, or a level outside (0, 1).
    """
    check_level(level)
    _check_resamples(resamples)
    return percentiles(figures_of(statistic, n, seed=seed)(resamples), level)


def means_of(values: FloatArray, groups: Groups | None = None, seed: int = 0) -> Draw:
    """Means of resamples of *values*, of shape (n,): of samples, or of whole *groups*.

    The mean of resampled groups is that of their samples, so a large group weighs more.

    Source for groups: A. Davison, D. Hinkley, Bootstrap Methods and their Application, 1997,
    section 3.8.

    Raises ValueError for another shape or no samples.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"differences have shape {values.shape}; give one per sample, shape (n,)")
    _check_samples(len(values))
    random = np.random.default_rng(seed)
    totals = values if groups is None else groups.sums(values)

    def draw(resamples: int) -> NDArray[np.float64]:
        rows = max(CHUNK // len(totals), 1)
        means = np.empty(resamples)
        for start in range(0, resamples, rows):
            part = means[start : start + rows]
            drawn = random.integers(0, len(totals), (len(part), len(totals)))
            if groups is None:
                part[:] = values[drawn].mean(axis=1)
            else:
                part[:] = totals[drawn].sum(axis=1) / groups.sizes[drawn].sum(axis=1)
        return means

    return draw


def figures_of(
    statistic: Callable[[IntArray], float], n: int, groups: Groups | None = None, seed: int = 0
) -> Draw:
    """Figures of resamples of a set of *n* samples: of samples, or of whole *groups*.

    *statistic* is given the indices of a resample: int64, of shape (n,), or of as many samples as
    its groups have. Raises ValueError for n < 1.
    """
    _check_samples(n)
    random = np.random.default_rng(seed)

    def one() -> float:
        return statistic(random.integers(0, n, n) if groups is None else groups.drawn(random))

    return lambda resamples: np.array([one() for _ in range(resamples)], np.float64)


def percentiles(figures: NDArray[np.float64], level: float) -> Interval:
    """The interval that holds the middle *level* of the figures of resamples; NaN is left out.

    Raises ValueError where more than half of them are NaN, or for a level outside (0, 1).
    """
    check_level(level)
    kept = figures[~np.isnan(figures)]
    if 2 * len(kept) < len(figures):
        raise ValueError(
            f"the figure is NaN on {len(figures) - len(kept)} of {len(figures)} resamples; "
            "give more samples, or a figure that does not need every class"
        )
    with np.errstate(invalid="ignore"):  # between infinite figures the end is NaN, and stays so
        low, high = np.quantile(kept, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high), level)


def _check_samples(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; a bootstrap needs at least one sample")


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; give at least 1")
