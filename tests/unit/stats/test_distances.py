"""Distances and orders: quantised extremes, ties, NaN."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_edgegate.stats.distances import rank_of, steps, top1


@pytest.mark.parametrize(
    ("dtype", "low", "high", "apart"),
    [
        (np.uint8, 0, 255, 255),
        (np.int8, -128, 127, 255),
        (np.int16, -32768, 32767, 65535),
        (np.uint32, 0, 2**32 - 1, 2**32 - 1),
        (np.int32, -(2**31), 2**31 - 1, 2**32 - 1),
    ],
)
def test_steps_do_not_wrap_around(dtype: type, low: int, high: int, apart: int) -> None:
    a, b = np.array([low, high, low], dtype), np.array([high, low, low], dtype)
    found = steps(a, b)
    assert found.tolist() == [apart, apart, 0]
    assert found.dtype == np.int64


def test_only_integers_have_steps() -> None:
    with pytest.raises(ValueError, match="float32"):
        steps(np.zeros(2, np.float32), np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="bool"):
        steps(np.zeros(2, bool), np.zeros(2, bool))


def test_ties_go_to_the_lowest_index() -> None:
    scores = np.array([[5, 7, 7], [7, 7, 5], [1, 1, 1], [0, 1, 2]], np.uint8)
    assert top1(scores).tolist() == [1, 0, 0, 2]
    ranks = np.stack([rank_of(scores, np.full(4, label)) for label in range(3)], axis=1)
    assert ranks.tolist() == [[2, 0, 1], [0, 1, 2], [0, 1, 2], [2, 1, 0]]
    assert ranks.dtype == top1(scores).dtype == np.int64


def test_top1_reads_the_last_axis() -> None:
    dense = np.zeros((2, 3, 4, 5), np.int8)
    dense[1, 2, 3, 4] = 1
    found = top1(dense)
    assert found.shape == (2, 3, 4)
    assert found[1, 2, 3] == 4
    assert found.sum() == 4
    assert top1(np.array([0.1, 0.9])) == 1


def test_ranks_of_infinite_scores() -> None:
    scores = np.array([[-inf, inf, 0.0]] * 3)
    assert rank_of(scores, np.array([0, 1, 2], np.uint8)).tolist() == [2, 0, 1]


def test_labels_that_are_no_class_are_refused() -> None:
    labels: NDArray[np.int64] = np.array([0, 3])
    with pytest.raises((ValueError, IndexError)):
        rank_of(np.zeros((2, 3)), labels)
