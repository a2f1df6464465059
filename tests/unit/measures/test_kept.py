"""Samples of a stream that are kept: a fair part of them, and no more than fits."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.measures.metrics.kept import KeptSamples, spread_out


def test_few_samples_are_kept_all() -> None:
    kept = KeptSamples(most=10)
    kept.add({"labels": np.arange(4), "output": np.arange(8).reshape(4, 2)})
    kept.add({"labels": np.arange(4, 6), "output": np.arange(8, 12).reshape(2, 2)})
    assert kept.positions.tolist() == list(range(6))
    assert kept.arrays["labels"].tolist() == list(range(6))
    assert kept.arrays["output"].tolist() == np.arange(12).reshape(6, 2).tolist()


def test_each_sample_is_equally_likely_to_be_kept() -> None:
    """Of 400 streams of 60 samples, 10 are kept: each 66.7 times, with a deviation of 7.5."""
    counts = np.zeros(60)
    for seed in range(400):
        kept = KeptSamples(most=10, seed=seed)
        for at in range(0, 60, 7):
            kept.add({"labels": np.arange(at, min(at + 7, 60))})
        np.testing.assert_array_equal(kept.arrays["labels"], kept.positions)
        assert len(set(kept.positions.tolist())) == 10
        counts[kept.positions] += 1
    assert counts.min() > 66.7 - 5 * 7.5
    assert counts.max() < 66.7 + 5 * 7.5
    assert abs(counts[:10].sum() - counts[-10:].sum()) < 150


def test_large_samples_are_kept_up_to_a_number_of_bytes() -> None:
    kept = KeptSamples(most=1000, most_bytes=8 * 100 * 7)
    for _ in range(5):
        kept.add({"labels": np.zeros((10, 100))})
    assert len(kept.positions) == 7


def test_they_are_copies() -> None:
    batch = np.arange(3)
    kept = KeptSamples()
    kept.add({"labels": batch})
    batch += 10
    assert kept.arrays["labels"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("again", [False, True])
def test_samples_of_several_shapes_are_not_kept(again: bool) -> None:
    kept = KeptSamples()
    kept.add({"labels": np.zeros((2, 3))})
    kept.add({"labels": np.zeros((2, 4))})
    if again:
        kept.add({"labels": np.zeros((2, 3))})
    assert kept.arrays == {}
    assert len(kept.positions) == 0


def test_values_at_their_positions() -> None:
    column = spread_out(np.array([5.0, 7.0]), np.array([2, 0]), 4)
    np.testing.assert_array_equal(column, [7.0, np.nan, 5.0, np.nan])
