"""Distances and orders: quantised extremes, ties, NaN."""

from __future__ import annotations

from math import inf, isnan, log10, nan, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_edgegate.stats.distances import cosine, max_abs, rank_of, sqnr_db, steps, top1


def test_max_abs() -> None:
    assert max_abs(np.array([1.0, -2.0]), np.array([1.5, 2.0])) == 4.0
    assert max_abs(np.array([[250]], np.uint8), np.array([[255]], np.uint8)) == 5.0


@pytest.mark.parametrize(
    ("dtype", "low", "high", "apart"),
    [(np.uint8, 0, 255, 255), (np.int8, -128, 127, 255), (np.int16, -32768, 32767, 65535),
     (np.uint32, 0, 2**32 - 1, 2**32 - 1), (np.int32, -(2**31), 2**31 - 1, 2**32 - 1)],
)  # fmt: skip
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


def test_sqnr_in_decibels() -> None:
    x, y = np.array([3.0, -4.0, 12.0]), np.array([3.0, -4.5, 12.5])
    assert sqnr_db(x, y) == pytest.approx(10 * log10((9 + 16 + 144) / 0.5))
    assert sqnr_db(x, 1.1 * x) == pytest.approx(20.0)


def test_sqnr_is_relative_to_the_first() -> None:
    x, y = np.array([1.0, 1.0]), np.array([2.0, 2.0])
    assert sqnr_db(x, y) == pytest.approx(0.0)
    assert sqnr_db(y, x) == pytest.approx(10 * log10(4))


def test_sqnr_at_its_ends() -> None:
    x = np.array([0.5, -1.0])
    assert sqnr_db(x, x.copy()) == inf
    assert sqnr_db(np.zeros(2), np.zeros(2)) == inf
    assert sqnr_db(np.zeros(2), x) == -inf


def test_sqnr_of_quantised_outputs_does_not_wrap_around() -> None:
    x, y = np.array([200, 250], np.uint8), np.array([210, 240], np.uint8)
    assert sqnr_db(x, y) == pytest.approx(10 * log10((200**2 + 250**2) / 200))


def test_cosine() -> None:
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    b = np.array([[4.0, -3.0], [2.0, 1.0]])
    assert cosine(a, b) == pytest.approx((4 - 6 + 6 + 4) / sqrt(30 * 30))
    assert cosine(a, 3 * a) == pytest.approx(1.0, abs=1e-15)
    assert cosine(a, -a) == pytest.approx(-1.0, abs=1e-15)
    assert cosine(np.array([1.0, 0.0]), np.array([0.0, 5.0])) == 0.0


def test_zeros_have_no_direction() -> None:
    assert isnan(cosine(np.zeros(3), np.ones(3)))
    assert isnan(cosine(np.ones(3), np.zeros(3)))
    assert isnan(cosine(np.zeros(3), np.zeros(3)))


@pytest.mark.parametrize("distance", [max_abs, sqnr_db, cosine])
@pytest.mark.parametrize(("first", "second"), [(nan, 1.0), (1.0, nan), (nan, nan)])
def test_nan_is_never_replaced(distance: object, first: float, second: float) -> None:
    assert callable(distance)
    a, b = np.array([1.0, first, 2.0]), np.array([1.0, second, 2.0])
    assert isnan(distance(a, b))
    assert isnan(distance(a.astype(np.float16), b.astype(np.float16)))


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
