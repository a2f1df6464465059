"""Whether the models that quantisation-aware training goes through are one model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.data.splits import Array

_TWIN = 1e-4
"""Two builds of one float model differ by about 4e-7, relative to outputs of about 1."""
_STEPS = 2.0
"""What a file may differ from the model that simulates it, on average, in steps of its outputs."""


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


def check_file(path: Path, inputs: tuple[Array, ...], simulated: Sequence[Array]) -> float:
    """The largest difference between the file's outputs and the *simulated* ones, in steps.

    A step is the scale of an output, or where that is no integer a 255th of what was simulated.
    Raises CompressionError where the file is another model.
    """
    largest = 0.0
    with XNNPACK.open(path) as runner:
        found = runner.infer(inputs)
        steps = [each.scales[0] if each.scales else 0.0 for each in runner.outputs]
    for one, other, scale in zip(simulated, found, steps, strict=True):
        step = scale or float(np.ptp(one)) / 255 or 1.0
        apart = np.abs(one - other) / step
        if not float(apart.mean()) <= _STEPS:
            raise CompressionError(
                f"{path.name} does not compute what was trained: its outputs differ from the "
                f"simulation's by {float(apart.mean()):.1f} steps on average and "
                f"{float(apart.max()):.0f} at most, on {len(one)} samples",
                "TFLite's converter has made another model of a layer; use PTQ(), or build the "
                "model of plainer layers",
            )
        largest = max(largest, float(apart.max()))
    return largest
