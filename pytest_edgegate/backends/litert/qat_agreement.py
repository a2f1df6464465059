"""Whether the models that quantisation-aware training goes through are one model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.data.agreement import agreement
from pytest_edgegate.data.splits import Array

_TWIN = 1e-4
"""Two builds of one float model differ by about 4e-7, relative to outputs of about 1."""


def check_twin(expected: Sequence[Array], found: Sequence[Array], name: str) -> None:
    """Refuses a model that tf-keras does not compute as Keras does. Raises UnsupportedError."""
    for one, other in zip(expected, found, strict=True):
        apart = float(np.abs(one - other).max())
        if not apart <= _TWIN * max(1.0, float(np.abs(one).max())):
            raise UnsupportedError(
                f"{name} can't be carried over to tf-keras, where quantisation-aware training of "
                f"Keras models is done: outputs differ by {apart:.3g}",
                "use PTQ(), or build the model of plainer layers",
            )


def check_file(path: Path, inputs: tuple[Array, ...], simulated: Sequence[Array]) -> dict[str, Any]:
    """How far the file's outputs lie from the *simulated* ones, in steps of its outputs.

    A step is the scale of an output, or where that is no integer a 255th of what was simulated.
    Raises CompressionError where the file is another model.
    """
    with XNNPACK.open(path) as runner:
        found = runner.infer(inputs)
        scales = [each.scales[0] if each.scales else None for each in runner.outputs]
    steps = [
        scale or float(np.ptp(each)) / 255 or None
        for scale, each in zip(scales, simulated, strict=True)
    ]
    return agreement(found, simulated, steps, path.name)
