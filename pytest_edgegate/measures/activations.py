"""Whether two outputs differ by a last activation, such as a softmax that was removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.data.splits import Array

Values = NDArray[np.float64]
_EXPLAINED = 0.2
"""An activation is the difference if it leaves at most this part of it."""
_SUM_SLACK = 0.05
"""By how much a row of probabilities in 8 bits may miss the sum 1."""
_MOST_ROWS = 4_096


@dataclass(frozen=True)
class Activation:
    """``added``: the second output has it and the first has not; else the other way."""

    name: str
    added: bool
    proven: bool
    """Whether it turns the values of one output into those of the other."""
    same_highest: float
    """The share of rows whose highest score is at the same place; NaN for rows of one value."""


def activation_between(model: Array, file: Array) -> Activation | None:
    """The activation by which two outputs of one shape (n, ..., classes) differ; None if by none.

    *model* and *file* are the real values of both on the same samples. They have to be floats.
    """
    kinds = {model.dtype.kind, file.dtype.kind}
    if model.shape != file.shape or not model.size or kinds != {"f"}:
        return None
    one, other = _rows(model), _rows(file)
    if not np.isfinite(one).all() or not np.isfinite(other).all():
        return None
    same = _same_highest(one, other)
    for name, function in _FUNCTIONS.items():
        if _explains(function, other, one):
            return Activation(name, name == _LOG, proven=True, same_highest=same)
        if _explains(function, one, other):
            return Activation(name, name != _LOG, proven=True, same_highest=same)
    sums = _are_probabilities(one), _are_probabilities(other)
    if sums[0] == sums[1]:
        return None
    return Activation("softmax", sums[1], proven=False, same_highest=same)


def _explains(function: Callable[[Values], Values], given: Values, wanted: Values) -> bool:
    """Whether a function of one output is the other one, and not nearly that output itself."""
    left = float(np.abs(function(given) - wanted).mean())
    whole, spread = float(np.abs(given - wanted).mean()), float(wanted.std())
    return spread > 0 and left <= _EXPLAINED * min(whole, spread)


def _rows(array: Array) -> Values:
    last = array.shape[-1] if array.ndim > 1 else 1
    return array.reshape(-1, last)[:_MOST_ROWS].astype(np.float64)


def _same_highest(one: Values, other: Values) -> float:
    if one.shape[1] < 2:
        return float("nan")
    return float((one.argmax(axis=1) == other.argmax(axis=1)).mean())


def _are_probabilities(rows: Values) -> bool:
    inside = rows.min() >= -_SUM_SLACK and rows.max() <= 1 + _SUM_SLACK
    return bool(rows.shape[1] > 1 and inside and (abs(rows.sum(axis=1) - 1) <= _SUM_SLACK).all())


def _softmax(rows: Values) -> Values:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _sigmoid(rows: Values) -> Values:
    return np.asarray(1 / (1 + np.exp(-np.clip(rows, -500, 500))))


def _exponential(rows: Values) -> Values:
    return np.asarray(np.exp(np.minimum(rows, 1.0)))


_LOG = "logarithm"
_FUNCTIONS: dict[str, Callable[[Values], Values]] = {
    # a softmax leaves rows of probabilities almost as they are only if these are alike
    _LOG: _exponential,
    "softmax": _softmax,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}
"""What turns an output before its activation into the one after it; the logarithm is undone."""
