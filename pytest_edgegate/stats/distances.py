"""Distances between two outputs, and which class comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
IntArray = NDArray[np.int64]


def max_abs(a: Array, b: Array) -> float:
    """The largest absolute difference; NaN where either side has one."""
    return float(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64)).max())


def steps(a: Array, b: Array) -> IntArray:
    """The absolute difference of two integer arrays, in quantisation steps, int64.

    Raises ValueError for floats, which have no steps.
    """
    if a.dtype.kind not in "iu" or b.dtype.kind not in "iu":
        raise ValueError(f"{a.dtype} and {b.dtype}: only integers have steps")
    return np.abs(a.astype(np.int64) - b.astype(np.int64))


def sqnr_db(reference: Array, other: Array) -> float:
    """Signal to quantisation noise, ``10 log10(sum x^2 / sum (x - y)^2)`` in dB; inf when equal."""
    x, y = np.asarray(reference, np.float64), np.asarray(other, np.float64)
    noise = float(((x - y) ** 2).sum())
    if noise == 0:
        return float("inf")
    with np.errstate(divide="ignore"):
        return float(10 * np.log10((x**2).sum() / noise))


def cosine(a: Array, b: Array) -> float:
    """The cosine of the angle between two outputs as vectors; NaN for a zero vector."""
    x, y = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    with np.errstate(invalid="ignore"):
        return float(x @ y / np.float64(np.linalg.norm(x) * np.linalg.norm(y)))


def top1(scores: Array) -> IntArray:
    """The index of the highest score along the last axis. Ties: the lowest index wins."""
    return np.asarray(scores.argmax(axis=-1), np.int64)


def rank_of(scores: Array, labels: Array) -> IntArray:
    """The 0-based rank of each label's score in its row: scores (n, classes), labels (n,).

    Ties go to the lowest index, so the rank is 0 exactly where ``top1`` is the label.
    """
    own = np.take_along_axis(scores, labels.astype(np.int64)[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    return np.asarray(((scores > own) | ((scores == own) & earlier)).sum(axis=1), np.int64)
