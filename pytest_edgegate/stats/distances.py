"""How far two outputs are apart, and how an output orders its classes."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def max_abs(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Largest absolute difference of two real arrays of the same shape, in their own unit.

    Differences are taken in float64. NaN on either side gives NaN, and so does Inf on both.

    Raises ValueError for shapes that differ or are empty.
    """
    one, other = _flat(a, b)
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.abs(one - other).max())


def steps(a: NDArray[Any], b: NDArray[Any]) -> IntArray:
    """Absolute differences of two quantised arrays in quantisation steps: int64, of their shape.

    Both must be quantised alike; int8 and uint8 do not wrap around.

    Raises ValueError for shapes that differ, dtypes that are no integers, or 64-bit values whose
    difference int64 may not hold (beyond ±2^62).
    """
    one, other = np.asarray(a), np.asarray(b)
    _check_shapes(one, other)
    return np.asarray(np.abs(_widened(one) - _widened(other)))


def sqnr_db(reference: NDArray[Any], other: NDArray[Any]) -> float:
    """Signal to quantisation noise of two real arrays of one shape, in dB: higher is closer.

    ``10 log10(Σ x² / Σ (x - y)²)`` in float64, x being the *reference*. Identical arrays give inf,
    a reference of zeros against anything else -inf. NaN or Inf on either side gives NaN.

    Raises ValueError for shapes that differ or are empty.
    """
    x, y = _flat(reference, other)
    with np.errstate(invalid="ignore", over="ignore"):
        signal, noise = _length(x), _length(x - y)
    if noise == 0:
        return inf
    with np.errstate(divide="ignore"):  # numpy's logarithm, because of no signal it makes -inf
        return float(20 * (np.log10(signal) - np.log10(noise)))


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Cosine of the angle between two real arrays of one shape, flattened: -1 to 1.

    ``Σ ab / sqrt(Σ a² Σ b²)`` in float64. An array of zeros has no direction and gives NaN, as NaN
    or Inf on either side does.

    Raises ValueError for shapes that differ or are empty.
    """
    one, other = _flat(a, b)
    with np.errstate(invalid="ignore", over="ignore"):
        along = np.dot(one / _length(one), other / _length(other))
    # Rounding may leave it a little over 1; clip lets NaN through
    return float(np.clip(along, -1.0, 1.0))


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
    """How many classes come before each sample's label: int64, of the shape of *labels*.

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


def _flat(a: NDArray[Any], b: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
    one, other = np.asarray(a, np.float64), np.asarray(b, np.float64)
    _check_shapes(one, other)
    if one.size == 0:
        raise ValueError("both arrays are empty, and nothing is at no distance from nothing")
    return one.ravel(), other.ravel()


def _length(values: FloatArray) -> np.float64:
    """Euclidean; scaled first, because squares leave the range of floats long before values do."""
    largest = np.float64(np.abs(values).max())
    if largest == 0:
        return largest
    return np.float64(largest * np.sqrt(np.sum((values / largest) ** 2)))


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
