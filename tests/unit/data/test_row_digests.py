"""The same sample has the same digest in every split, and another one has another."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.data.row_digests import FLAT, row_digests
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


def test_samples_of_one_value_are_none_that_could_be_recognised() -> None:
    silent = np.random.default_rng(1).normal(size=(20, 3, 8)).astype(np.float32)
    silent[[2, 5]] = 0
    silent[7] = 1.5
    silent[9] = 0
    silent[9, 1, 1] = 1
    assert np.flatnonzero(row_digests((silent,)) == FLAT).tolist() == [2, 5, 7]
    assert not (row_digests((silent[:, 0, :2],)) == FLAT).any()
    assert not (row_digests((silent, X)) == FLAT).any()
    assert not (row_digests((np.arange(40.0).reshape(2, 20) // 19,)) == FLAT).any()


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
