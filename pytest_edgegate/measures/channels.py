"""The ranges of the channels of a model's outputs in a pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.data.feeding import bare_names
from pytest_edgegate.data.splits import Array

ON_AXIS_1 = ", axis 1"
"""Ends the names of ranges by axis 1, where detectors in torch have their channels. They are kept
where that axis is shorter than the last one."""
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
            if array.size and array.dtype.kind in "biuf":
                self._add(name, array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1))
                if array.ndim > 2 and array.shape[1] < array.shape[-1]:
                    first = np.moveaxis(array, 1, -1)
                    self._add(name + ON_AXIS_1, first.reshape(-1, first.shape[-1]))

    def _add(self, name: str, by_channel: Array) -> None:
        """*by_channel*: shape (rows, channels)."""
        if not _too_many(by_channel):
            ends = np.stack([by_channel.min(axis=0), by_channel.max(axis=0)]).astype(np.float64)
            known = self._found.setdefault(name, ends)
            if known.shape == ends.shape:
                np.minimum(known[0], ends[0], out=known[0])
                np.maximum(known[1], ends[1], out=known[1])

    @property
    def found(self) -> dict[str, Array]:
        """The ranges by output, and by its axis 1 (``ON_AXIS_1``): float64, (2, channels)."""
        return self._found


def _too_many(by_channel: Array) -> bool:
    return bool(by_channel.shape[1] > MOST_CHANNELS)
