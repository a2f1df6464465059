"""The difference of two outputs, and the order of classes in an output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def steps(a: NDArray[Any], b: NDArray[Any]) -> IntArray:
    """Absolute differences of two quantised arrays in quantisation steps: int64, of their shape.

    Both must be quantised alike; int8 and uint8 do not wrap around.

    Raises ValueError for shapes that differ, dtypes that are no integers, or 64-bit values whose
    difference int64 may not hold (beyond ±2^62).
    """
    one, other = np.asarray(a), np.asarray(b)
    _check_shapes(one, other)
    return np.asarray(np.abs(_widened(one) - _widened(other)))


def top1(scores: NDArray[Any]) -> IntArray:
    """Index of the highest score along the last axis: int64, of shape ``scores.shape[:-1]``.

    Ties go to the lowest index. NaN counts as the highest, as in numpy.argmax; samples with NaN
    are a failure that the caller reports.

    Raises ValueError for no axis, or a last axis without classes.
    """
    values = np.asarray(scores)
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(f"scores have shape {values.shape}; the last axis is that of the classes")
    return np.asarray(values.argmax(axis=-1), np.int64)


def rank_of(scores: NDArray[Any], labels: NDArray[Any]) -> IntArray:
    """The number of classes ranked before each sample's label: int64, in the shape of *labels*.

    *scores* has shape (..., classes), *labels* is integer, of shape (...). The order is that of
    :func:`top1`, ties and NaN included, so a rank is 0 exactly where top1 equals the label.

    Raises ValueError for other shapes, labels that are no integers, or labels that are no class.
    """
    values, labels = np.asarray(scores), np.asarray(labels)
    if values.ndim == 0 or values.shape[:-1] != labels.shape:
        raise ValueError(
            f"scores have shape {values.shape} and labels {labels.shape}; "
            "give (..., classes) and (...)"
        )
    classes = values.shape[-1]
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels are {labels.dtype}; give class indices")
    # A negative index would silently read a class from the end
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(f"labels go from {labels.min()} to {labels.max()} for {classes} classes")
    places = labels.astype(np.int64)[..., np.newaxis]
    own = np.take_along_axis(values, places, axis=-1)
    earlier = np.arange(classes) < places
    before = (values > own) | ((values == own) & earlier)
    if values.dtype.kind == "f":
        # Comparisons with NaN are all false, which would rank a label of score NaN first
        nan, own_nan = np.isnan(values), np.isnan(own)
        before = np.where(own_nan, nan & earlier, before | nan)
    return np.asarray(before.sum(axis=-1), np.int64)


def _check_shapes(one: NDArray[Any], other: NDArray[Any]) -> None:
    if one.shape != other.shape:
        raise ValueError(f"shapes {one.shape} and {other.shape} differ")


def _widened(values: NDArray[Any]) -> IntArray:
    if values.dtype.kind not in "iu":
        raise ValueError(f"{values.dtype} is no integer, and only integers have steps")
    bound = 2**62
    if values.dtype.itemsize == 8 and values.size:
        low, high = int(values.min()), int(values.max())
        if low < -bound or high > bound:
            raise ValueError(f"values from {low} to {high} are too far apart to count in steps")
    return values.astype(np.int64)
