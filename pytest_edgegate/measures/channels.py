"""The ranges of the channels of a model's outputs in a pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.data.feeding import bare_names
from pytest_edgegate.data.splits import Array

MOST_CHANNELS = 4_096
"""An output with more values on its last axis is not taken for one with channels."""


class ChannelRanges:
    """The smallest and the largest value of each channel, batch by batch."""

    def __init__(self, outputs: Sequence[TensorInfo]) -> None:
        self._names = bare_names(outputs)
        self._found: dict[str, Array] = {}

    def add(self, outputs: Sequence[Array]) -> None:
        """One array of shape (n, ...) for each output, in real values."""
        for name, array in zip(self._names, outputs, strict=True):
            by_channel = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)
            if not array.size or array.dtype.kind not in "biuf" or _too_many(by_channel):
                continue
            ends = np.stack([by_channel.min(axis=0), by_channel.max(axis=0)]).astype(np.float64)
            known = self._found.setdefault(name, ends)
            if known.shape == ends.shape:
                np.minimum(known[0], ends[0], out=known[0])
                np.maximum(known[1], ends[1], out=known[1])

    @property
    def found(self) -> dict[str, Array]:
        """The ranges by output: float64 of shape (2, channels)."""
        return self._found


def _too_many(by_channel: Array) -> bool:
    return bool(by_channel.shape[1] > MOST_CHANNELS)
