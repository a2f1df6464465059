"""Checks that a converted int8 file computes the same as the int8 program it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.ports import TransformData
from pytest_edgegate.data.splits import Array

SAMPLES = 64
LARGEST = 16.0
"""The largest difference in output steps that different rounding of kernels can explain."""
MEAN = 2.0
"""The same as the mean over all values. Measured: 0.7 of 52 convolutions on noise; 4.3 where a
converter lost one ReLU6 of three layers."""
STRAY = 0.5
"""A share of an output's spread over samples; for permuted rows it would be the root of 2."""
SAME_BEST = 0.9
TIE = 2.0
"""Steps between the best two classes within which they may swap: one rounding of each, or the
average difference of this file's outputs."""
LOOSEST = 3.0
"""The average difference that ties and the variation between samples are judged by at most, however
large the allowed one: with a larger one, a file of noise or of constants would agree, too."""


def samples_of(data: TransformData, inputs: Sequence[TensorInfo]) -> tuple[Array, ...]:
    """Up to 64 training or calibration samples: an array of shape (n, ...) for each input.

    Raises ConfigurationError if there are neither.
    """
    try:
        return tuple(each[:SAMPLES] for each in data.training(inputs).example().inputs)
    except ConfigurationError:
        drawn = zip(*data.calibration(SAMPLES, inputs), strict=True)
        return tuple(np.concatenate(column) for column in drawn)


def mean_steps(
    made: Sequence[Array], program: Sequence[Array], steps: Sequence[float | None]
) -> float:
    """The average of ``|made - program| / step`` over all values, as ``agreement`` takes it."""
    parts = zip(made, program, steps, strict=True)
    return _mean([_Output(one, other, step, None) for one, other, step in parts if other.size])


def agreement(
    made: Sequence[Array],
    program: Sequence[Array],
    steps: Sequence[float | None],
    what: str,
    *,
    largest_allowed: float = LARGEST,
    mean_allowed: float = MEAN,
    classes: int | None = None,
) -> dict[str, Any]:
    """The differences between the outputs of the file, *made*, and those of the *program*.

    Both for the same samples: (n, ...) each. ``|made - program| / step`` over all values, *steps*
    being the scales of the outputs, or a 255th of the range of an output without a scale. In
    addition, the root mean square may not exceed half of the variation of an output between
    samples, so that mostly zero outputs do not agree by their zeros; and if outputs are class
    scores, on the axis *classes*, the best class must be the same. *what* names the file.
    Raises CompressionError if they disagree, or if there is nothing to compare.
    """
    outputs = [
        _Output(one, other, step, classes)
        for one, other, step in zip(made, program, steps, strict=True)
        if other.size
    ]
    if not outputs:
        raise _refused(f"{what} can't be compared with the trained int8 program: it has no output")
    largest, mean = max(float(each.apart.max()) for each in outputs), _mean(outputs)
    top = min(each.same_best for each in outputs)
    strays = any(not each.follows(min(mean_allowed, LOOSEST)) for each in outputs)
    near = largest <= largest_allowed and mean <= mean_allowed  # NaN is a disagreement too
    if strays or not near or top < SAME_BEST:
        best = "" if classes is None else f", and {top:.0%} have the same best class"
        raise _refused(
            f"{what} does not compute what the trained int8 program computes: its outputs differ "
            f"by up to {largest:.3g} output steps on {len(made[0])} samples, {mean:.3g} on "
            f"average{best}{', and vary otherwise from sample to sample' if strays else ''}"
        )
    found = {"samples": len(made[0]), "largest_steps": round(largest, 4)}
    same = {} if classes is None else {"same_best": round(top, 4)}
    return {**found, "mean_steps": round(mean, 4), **same}


class _Output:
    """One output of a file beside that of its program, float64 of shape (n, ...)."""

    def __init__(
        self, made: Array, program: Array, step: float | None, classes: int | None
    ) -> None:
        self._made, self._program = made.astype(np.float64), program.astype(np.float64)
        self._classes = classes
        self._step = step or _step_of(self._program)
        self.apart = np.abs(self._made - self._program) / self._step

    def follows(self, steps: float) -> bool:
        """Whether the file varies with the program between samples, up to some steps."""
        error = np.sqrt(np.mean(self.apart**2))
        spread = np.sqrt(np.mean((self._program - self._program.mean(0)) ** 2)) / self._step
        return bool(error <= STRAY * spread + steps)

    @property
    def same_best(self) -> float:
        """The share of positions whose best class is the program's best, or ties with it."""
        if self._classes is None:
            return 1.0
        best = self._made.argmax(self._classes, keepdims=True)
        taken = np.take_along_axis(self._program, best, self._classes)
        highest = self._program.max(self._classes, keepdims=True)
        tie = TIE * self._step * min(max(1.0, float(self.apart.mean())), LOOSEST)
        return float(np.mean(highest - taken <= tie))


def _mean(outputs: Sequence[_Output]) -> float:
    if not outputs:
        return 0.0
    return float(np.concatenate([each.apart.reshape(-1) for each in outputs]).mean())


def _step_of(program: Array) -> float:
    """A 255th of the output's range, extended to zero like every quantised range."""
    width = np.maximum(program.max(), 0) - np.minimum(program.min(), 0)
    return float(np.maximum(width / 255, np.finfo(np.float32).tiny))


def _refused(text: str) -> CompressionError:
    return CompressionError(
        text,
        "quantise the model after training, by PTQ(), or replace the layers that its format has no "
        "integer operator for",
    )
