"""Groups of channels of like spread: the noise of one does not vanish in the signal of another.

A tensor may hold values of several kinds, such as boxes in pixels and scores from 0 to 1. Sums over
all of them show the largest kind only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Column, Columns

MOST = 64
"""An output with more values on its last axis is not taken for one with channels of their own."""
UNLIKE = 10
"""The standard deviations of a group differ by at most this factor."""
SUMS_TO_1 = 1e-2
"""The largest difference from 1 of a row of probabilities; float16 has about 1e-3."""
_NOISE = 1e-6
"""A channel whose values differ by less than this share of them is constant up to rounding."""
_RESOLUTION = 1e-7
"""The same, as a share of the largest value of the whole output: float32 resolves no less."""
_SPANS = 8
_SUMS = 6

Group = tuple[int, ...]
"""The numbers of channels, in ascending order."""


def key(at: int) -> str:
    """The name of the array of an output's channel sums, by the output's position."""
    return f"channels_{at}"


def rows_key(at: int) -> str:
    """The name of the array with the number of rows of channels of a sample."""
    return f"rows_{at}"


def off_key(at: int) -> str:
    """The name of the array with the largest difference between the sum of a row and 1."""
    return f"off_1_{at}"


class ChannelSums:
    """Sums over the channels of one output, of the model and of the file, batch by batch."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._first: Array | None = None

    def of(self, x: Array, y: Array) -> dict[str, Array]:
        """The figures of a batch; none unless the output has 2 to ``MOST`` channels.

        *x* and *y* are float64 of shape (n, ..., channels). The sums have shape (n, 6, channels):
        Σ (x - x₀), Σ (x - x₀)², Σ x², Σ (x - y)², and the smallest and largest x. x₀ is the first
        value of the pass, which keeps the variance exact for a channel with a large mean.
        """
        if x.ndim < 2 or not 2 <= x.shape[-1] <= MOST:
            return {}
        count, channels = len(x), x.shape[-1]
        x, y = x.reshape(count, -1, channels), y.reshape(count, -1, channels)
        if not x.shape[1]:
            return {}
        if self._first is None:
            self._first = x[0, 0].copy()
        moved = x - self._first
        sums = (moved.sum(1), (moved**2).sum(1), (x**2).sum(1), ((x - y) ** 2).sum(1))
        return {
            key(self._at): np.stack([*sums, x.min(1), x.max(1)], axis=1),
            rows_key(self._at): np.full(count, x.shape[1], np.int64),
            off_key(self._at): np.abs(x.sum(axis=2) - 1).max(axis=1),
        }


def figures(arrays: Mapping[str, Array], at: int) -> Columns:
    """The columns of an output's channels, for evidence that has any of them.

    Raises ValueError for sums of another shape.
    """
    names = (key(at), rows_key(at), off_key(at))
    if not any(each in arrays for each in names):
        return {}
    sums = arrays.get(names[0])
    if sums is None or sums.ndim != 3 or sums.shape[1] != _SUMS:
        raise ValueError("the sums over its channels are malformed")
    shapes = (Column(shape=sums.shape[1:]), Column("i", 1), Column())
    return dict(zip(names, shapes, strict=True))


def rows(arrays: Mapping[str, Array], at: int) -> int:
    """The number of rows of channels of a sample of an output that has channels."""
    return int(arrays[rows_key(at)][0])


def varies(low: Array, high: Array) -> Array:
    """Whether each channel of an output varies by more than rounding: bool, of their shape."""
    sizes = np.maximum(np.abs(low), np.abs(high))
    least = np.maximum(_NOISE * sizes, _RESOLUTION * sizes.max(initial=0.0))
    return np.asarray(high - low > least)


def unlike_groups(arrays: dict[str, Array], at: int) -> tuple[Group, ...]:
    """Groups of channels of an output, by their standard deviations in the model; one at least.

    Channels are sorted by it, and a new group begins at the first above ``UNLIKE`` times the
    smallest of the group. Constant channels are in none. Empty for an output that has no channels
    of its own, whose rows sum to 1, or all of whose channels are alike.
    """
    if key(at) not in arrays or arrays[off_key(at)].max(initial=0.0) <= SUMS_TO_1:
        return ()
    sums, rows = arrays[key(at)], arrays[rows_key(at)]
    count = rows.sum()
    mean, squares = (sums[:, each].sum(axis=0) / count for each in (0, 1))
    spread = np.sqrt(np.maximum(squares - mean**2, 0))
    varying = varies(sums[:, 4].min(axis=0), sums[:, 5].max(axis=0))
    groups: list[list[int]] = []
    for channel in np.argsort(spread, kind="stable"):
        if not varying[channel]:
            continue
        if not groups or spread[channel] > UNLIKE * spread[groups[-1][0]]:
            groups.append([])
        groups[-1].append(int(channel))
    return tuple(tuple(sorted(each)) for each in groups) if len(groups) > 1 else ()


def spell_channels(channels: Iterable[int]) -> str:
    """``channel 4``, ``channels 0-3, 7``: at most eight spans."""
    spans: list[list[int]] = []
    for each in channels:
        if spans and each == spans[-1][1] + 1:
            spans[-1][1] = each
        else:
            spans.append([each, each])
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in spans[:_SPANS]]
    more = sum(high - low + 1 for low, high in spans[_SPANS:])
    single = len(spans) == 1 and spans[0][0] == spans[0][1]
    text = f"channel{'' if single else 's'} {', '.join(shown)}"
    return f"{text} and {more} more" if more else text
