"""The same sample has the same digest in every split, and another one has another."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.data.row_digests import row_digests
from pytest_edgegate.data.splits import Array

X = np.random.default_rng(0).normal(size=(20, 3, 2)).astype(np.float32)


def shared(ours: tuple[Array, ...], others: tuple[Array, ...]) -> int:
    return int(np.isin(row_digests(ours), row_digests(others)).sum())


@pytest.mark.parametrize(
    ("ours", "count"),
    [
        (X[:10], 10),
        (X[10:][::-1], 10),
        (X[:10] + 1, 0),
        (np.concatenate([X[:1], X[:1], X[:1] + 1]), 2),
        (X.astype(np.float64), 20),
        (X.astype(">f4"), 20),
        (np.asfortranarray(X), 20),
    ],
)
def test_samples_that_are_in_both(ours: Array, count: int) -> None:
    assert shared((ours,), (X,)) == count


def test_integers_are_the_floats_of_their_value() -> None:
    pixels = np.arange(12).reshape(4, 3)
    assert shared((pixels.astype(np.uint8),), (pixels.astype(np.float32),)) == 4


def test_a_sample_is_shared_only_with_all_of_its_inputs() -> None:
    assert shared((X, X + 1), (X, X)) == 0
    assert shared((X, X), (X, X)) == 20


def test_inputs_are_taken_by_their_names() -> None:
    one = row_digests((X, X + 1), ("image", "mask"))
    other = row_digests((X + 1, X), ("mask", "image"))
    assert (one == other).all()
