"""Percentile bootstraps, with a fixed seed: the same scores give the same interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.stats.intervals import Interval

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]

_CELLS = 2_000_000
"""How many drawn values are held at a time."""


def paired_bootstrap(
    differences: FloatArray, level: float = 0.9, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The percentile interval of the mean of per-sample differences, float of shape (n,).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    Raises ValueError for no sample or for more than one dimension.
    """
    values = np.asarray(differences, np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"differences have shape {values.shape}, not (n,) with n >= 1")
    generator = np.random.default_rng(seed)
    block = max(1, _CELLS // len(values))
    means = [
        values[generator.integers(0, len(values), (min(block, resamples - start), len(values)))]
        .mean(axis=1)
        for start in range(0, resamples, block)
    ]  # fmt: skip
    return _percentiles(np.concatenate(means), level)


def set_bootstrap(
    statistic: Callable[[IntArray], float],
    n: int,
    level: float = 0.9,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The percentile interval of a statistic of the whole set, given resampled indices.

    A resample for which the statistic is NaN is dropped. Raises ValueError for no sample, or where
    more than half of the resamples are dropped.
    """
    if n < 1:
        raise ValueError("a set has at least one sample")
    generator = np.random.default_rng(seed)
    drawn = np.array([statistic(generator.integers(0, n, n)) for _ in range(resamples)])
    kept = drawn[~np.isnan(drawn)]
    if len(kept) < resamples / 2:
        raise ValueError(
            f"the statistic is NaN on {resamples - len(kept)} of {resamples} resamples"
        )
    return _percentiles(kept, level)


def _percentiles(values: FloatArray, level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)
