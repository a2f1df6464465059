"""Percentile bootstraps: of a mean of differences, and of a figure of a whole set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.stats.intervals import Interval, check_level

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int64]

CHUNK = 2**20
"""Draws held in memory at a time: 16 MiB of indices and values, for any size of the set."""


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
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"differences have shape {values.shape}; give one per sample, shape (n,)")
    _check(len(values), level, resamples)
    if not np.isfinite(values).all():
        return Interval(float("nan"), float("nan"), level)
    return _percentiles(_resampled_means(values, resamples, seed), level)


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
    _check(n, level, resamples)
    random = np.random.default_rng(seed)
    figures = np.array([statistic(random.integers(0, n, n)) for _ in range(resamples)], np.float64)
    kept = figures[~np.isnan(figures)]
    if 2 * len(kept) < resamples:
        raise ValueError(
            f"the figure is NaN on {resamples - len(kept)} of {resamples} resamples of {n} "
            "samples; give more samples, or a figure that does not need every class"
        )
    return _percentiles(kept, level)


def _check(n: int, level: float, resamples: int) -> None:
    check_level(level)
    if n < 1:
        raise ValueError(f"n is {n}; a bootstrap needs at least one sample")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}; give at least 1")


def _resampled_means(values: FloatArray, resamples: int, seed: int) -> FloatArray:
    random = np.random.default_rng(seed)
    n = len(values)
    rows = max(CHUNK // n, 1)
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        part = means[start : start + rows]
        part[:] = values[random.integers(0, n, (len(part), n))].mean(axis=1)
    return means


def _percentiles(figures: FloatArray, level: float) -> Interval:
    with np.errstate(invalid="ignore"):  # between infinite figures the end is NaN, and stays so
        low, high = np.quantile(figures, ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(low), float(high), level)
