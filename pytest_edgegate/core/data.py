"""The evaluation, calibration and training data, as the user gives them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from pytest_edgegate.core.arguments import tells_arguments


@tells_arguments
@dataclass(frozen=True, eq=False)
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
