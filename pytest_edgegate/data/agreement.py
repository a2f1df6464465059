"""Whether a converted int8 file computes what the int8 program computes that it was made of."""

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
"""Steps of an output that kernels may lie apart by, each rounding some values the other way."""
MEAN = 2.0
"""The same as the mean over all values. Measured: 0.7 of 52 convolutions on noise; 4.3 where a
converter lost one ReLU6 of three layers."""


def samples_of(data: TransformData, inputs: Sequence[TensorInfo]) -> tuple[Array, ...]:
    """Up to 64 samples that the model has learnt from, or is calibrated on: (n, ...) each.

    Raises ConfigurationError where there are neither.
    """
    try:
        return tuple(each[:SAMPLES] for each in data.training(inputs).example().inputs)
    except ConfigurationError:
        drawn = zip(*data.calibration(SAMPLES, inputs), strict=True)
        return tuple(np.concatenate(column) for column in drawn)


def agreement(
    made: Sequence[Array], program: Sequence[Array], steps: Sequence[float | None], what: str, *,
    largest_allowed: float = LARGEST, mean_allowed: float = MEAN,
) -> dict[str, Any]:  # fmt: skip
    """How far the outputs of the file, *made*, lie from those of the *program*.

    Both for the same samples. ``|made - program| / step`` over all values, *steps* being the
    scales of the outputs; an output without one is left out. *what* names the file.
    Raises CompressionError where they disagree.
    """
    apart = [
        np.abs(one.astype(np.float64) - other.astype(np.float64)).reshape(-1) / step
        for one, other, step in zip(made, program, steps, strict=True)
        if step is not None
    ]
    found = np.concatenate(apart) if apart else np.zeros(1)
    largest, mean = float(found.max()), float(found.mean())
    if not (largest <= largest_allowed and mean <= mean_allowed):  # NaN is a disagreement too
        raise CompressionError(
            f"{what} does not compute what the trained int8 program computes: its outputs lie up "
            f"to {largest:.3g} output steps apart on {len(made[0])} samples, {mean:.3g} on average",
            "quantise the model after training, by PTQ(), or write the layers that its format has "
            "no integer form of with others",
        )
    return {
        "samples": len(made[0]), "largest_steps": round(largest, 4), "mean_steps": round(mean, 4)
    }  # fmt: skip
