"""Percentile bootstraps against scipy's, and what is done with NaN."""

from __future__ import annotations

import tracemalloc
from math import isnan

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap

from pytest_edgegate.stats.bootstrap import paired_bootstrap, set_bootstrap

RANDOM = np.random.default_rng(17)
SKEWED = RANDOM.exponential(0.02, 400) - 0.01


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_paired_bootstrap_agrees_with_scipy(level: float) -> None:
    found = paired_bootstrap(SKEWED, level, 5000)
    expected = bootstrap(
        (SKEWED,), np.mean, confidence_level=level, n_resamples=5000, method="percentile", rng=2
    ).confidence_interval
    width = expected.high - expected.low
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.05 * width)
    assert found.level == level


def test_set_bootstrap_agrees_with_scipy() -> None:
    found = set_bootstrap(lambda drawn: float(np.median(SKEWED[drawn])), 400)
    expected = bootstrap(
        (SKEWED,), np.median, confidence_level=0.9, n_resamples=3000, method="percentile", rng=2
    ).confidence_interval
    width = expected.high - expected.low
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.1 * width)


def test_drawing_in_chunks_changes_nothing() -> None:
    values = RANDOM.normal(size=3000)
    drawn = np.random.default_rng(4).integers(0, 3000, (2000, 3000))
    expected = np.quantile(values[drawn].mean(axis=1), [0.05, 0.95])
    found = paired_bootstrap(values, 0.9, 2000, seed=4)
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-12)


def test_memory_does_not_grow_with_the_resamples() -> None:
    values = RANDOM.normal(size=200_000)
    tracemalloc.start()
    try:
        paired_bootstrap(values, resamples=60)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20  # all at once takes 183 MiB


def test_the_seed_decides() -> None:
    assert paired_bootstrap(SKEWED, seed=1) == paired_bootstrap(SKEWED, seed=1)
    assert paired_bootstrap(SKEWED, seed=1) != paired_bootstrap(SKEWED, seed=2)
    mean = lambda drawn: float(SKEWED[drawn].mean())  # noqa: E731
    assert set_bootstrap(mean, 400, seed=1) == set_bootstrap(mean, 400, seed=1)
    assert set_bootstrap(mean, 400, seed=1) != set_bootstrap(mean, 400, seed=2)


def test_equal_differences_give_no_width() -> None:
    found = paired_bootstrap(np.full(37, 0.1))
    assert found.low == found.high == pytest.approx(0.1)


def test_float32_is_averaged_in_float64() -> None:
    # As float32, 1e8 swallows every 1 that is added to it
    values = np.array([1e8] + [1.0] * 99, np.float32)
    drawn = np.random.default_rng(0).integers(0, 100, (500, 100))
    expected = np.quantile(values.astype(np.float64)[drawn].mean(axis=1), [0.05, 0.95])
    found = paired_bootstrap(values, resamples=500)
    assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-14)


def test_one_nan_among_the_differences_reaches_both_ends() -> None:
    values = SKEWED.copy()
    values[7] = np.nan
    found = paired_bootstrap(values)
    assert isnan(found.low)
    assert isnan(found.high)


@pytest.mark.parametrize("shape", [(0,), (3, 2), ()])
def test_differences_are_one_a_sample(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"."):
        paired_bootstrap(np.zeros(shape))


def test_resamples_are_indices_drawn_with_replacement() -> None:
    seen: list[NDArray[np.int64]] = []

    def statistic(drawn: NDArray[np.int64]) -> float:
        seen.append(drawn)
        return 0.0

    set_bootstrap(statistic, 50, resamples=200)
    assert len(seen) == 200
    assert all(each.shape == (50,) and each.dtype == np.int64 for each in seen)
    assert {int(each) for drawn in seen for each in drawn} == set(range(50))
    # Each sample is missing from a resample with chance (1 - 1/50)^50 = 36.4 %
    missing = np.mean([50 - len(np.unique(drawn)) for drawn in seen]) / 50
    assert missing == pytest.approx(0.364, abs=0.02)


def test_resamples_that_give_nan_are_dropped() -> None:
    figures = iter([1.0, float("nan"), 2.0, 3.0, float("nan"), 4.0, 5.0])
    found = set_bootstrap(lambda drawn: next(figures), 10, 0.5, resamples=7)
    assert (found.low, found.high) == (2.0, 4.0)


@pytest.mark.parametrize(("nans", "refused"), [(5, False), (6, True), (10, True)])
def test_more_than_half_nan_is_refused(nans: int, refused: bool) -> None:
    figures = iter([float("nan")] * nans + [1.0] * (10 - nans))
    if refused:
        with pytest.raises(ValueError, match=f"NaN on {nans} of 10 resamples"):
            set_bootstrap(lambda drawn: next(figures), 10, resamples=10)
    else:
        found = set_bootstrap(lambda drawn: next(figures), 10, resamples=10)
        assert (found.low, found.high) == (1.0, 1.0)


def test_a_set_has_samples() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        set_bootstrap(lambda drawn: 0.0, 0)
