"""The evaluation, calibration and training data, as the user gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

from pytest_edgegate.core.arguments import tells_arguments


@tells_arguments
@dataclass(frozen=True, eq=False, repr=False)
class EdgeData:
    """The samples that a gate may use. Every split is optional until something needs it.

    A split is an array ``x`` of shape (n, ...), a pair ``(x, y)``, or any re-iterable of batches
    (a list of ``(x, y)`` batches, a torch ``DataLoader``, a ``tf.data.Dataset``). ``x`` is one
    array, or a tuple or a dict of arrays for a model with several inputs; ``y`` holds class
    indices of shape (n,), one-hot rows of shape (n, classes), or whatever ``edge_metric`` reads.

    A two-element tuple is always ``(x, y)``: two inputs without labels are ``((a, b), None)``.

    ``train``: for recipes that train. ``calibration``: for PTQ; when it is left out, samples of
    ``train`` are used. ``evaluation``: for accuracy and parity.
    ``version`` names the content of streams (it stands for their digest); arrays need none.
    ``reference_check``: whether the model under test has to be better than a constant answer.
    """

    _: KW_ONLY
    train: Any = None
    calibration: Any = None
    evaluation: Any = None
    version: str | None = None
    reference_check: bool = True

    def __repr__(self) -> str:
        shown = [
            f"{each.name}={_in_short(getattr(self, each.name))}"
            for each in fields(self)
            if getattr(self, each.name) is not each.default
        ]
        return f"EdgeData({', '.join(shown)})"


_LISTED = 4
"""Longer lists are shown by their length."""


def _in_short(given: Any) -> str:
    """Arrays by dtype and shape, containers by their content, anything else by its kind."""
    if given is None or isinstance(given, str | bool):
        return repr(given)
    shape, dtype = getattr(given, "shape", None), getattr(given, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{dtype}{tuple(shape)}"
    if isinstance(given, Mapping):
        parts = (f"{key!r}: {_in_short(each)}" for key, each in given.items())
        return f"{{{', '.join(parts)}}}"
    if isinstance(given, tuple) and len(given) <= _LISTED:
        ends = (",)", ")")[len(given) != 1]
        return f"({', '.join(map(_in_short, given))}{ends}"
    if isinstance(given, list | tuple):
        return f"{type(given).__name__} of {len(given)}"
    return type(given).__name__
