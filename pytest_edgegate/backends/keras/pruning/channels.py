"""The channels of a model: which have to be removed together, and which have to stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Channels = NDArray[np.int64]
"""The unit of each channel, on the last axis of a tensor or on an axis of a weight: (c,) int64.

A unit is an output channel of some layer. It may occur more than once: in a flattened image, once
per position.
"""


@dataclass(frozen=True)
class Bonds:
    """Units that have to be removed together.

    ``root``: (units,) int64, for each unit the lowest one that shares its fate. ``kept``: why a
    root has to stay. ``groups``: the other roots, those together that the same layers make.
    """

    root: Channels
    kept: Mapping[int, str]
    groups: Sequence[Channels]

    def of(self, channels: Channels) -> Channels:
        """The root of each channel, (c,) int64."""
        found: Channels = self.root[channels]
        return found

    def why_kept(self, channels: Channels) -> str | None:
        """The reason if none of the channels can be removed, else None."""
        reasons = [self.kept.get(int(root)) for root in self.of(channels)]
        return None if None in reasons or not reasons else reasons[0]


class Ledger:
    """The constraints found on the units of one model."""

    def __init__(self) -> None:
        self._maker: list[int] = []
        self._makers = 0
        self._ties: list[tuple[Channels, Channels]] = []
        self._kept: list[tuple[Channels, str]] = []

    def __len__(self) -> int:
        return len(self._maker)

    def new(self, count: int) -> Channels:
        """New units for the output channels of a layer, (count,) int64."""
        start = len(self._maker)
        self._maker += [self._makers] * count
        self._makers += 1
        return np.arange(start, start + count)

    def tie(self, one: Channels, other: Channels) -> None:
        """Ties two equally long sequences channel by channel: each pair is removed together."""
        self._ties.append((one, other))

    def keep(self, channels: Channels, why: str) -> None:
        """Keeps all of the channels. The last reason given is the one reported."""
        self._kept.append((channels, why))

    def bonds(self) -> Bonds:
        root = self._roots()
        kept = {int(unit): why for channels, why in self._kept for unit in root[channels]}
        makers = defaultdict(list)
        for unit, maker in enumerate(self._maker):
            makers[int(root[unit])].append(maker)
        groups = defaultdict(list)
        for each, made_by in makers.items():
            if each not in kept:
                groups[tuple(made_by)].append(each)
        return Bonds(root, kept, [np.array(each) for each in groups.values()])

    def _roots(self) -> Channels:
        """The lowest unit of each tied set, found by iteration."""
        root: Channels = np.arange(len(self))
        one, other = (
            np.concatenate([np.empty(0, np.int64), *(pair[side] for pair in self._ties)])
            for side in (0, 1)
        )
        while True:
            before = root.copy()
            lowest = np.minimum(root[one], root[other])
            np.minimum.at(root, one, lowest)
            np.minimum.at(root, other, lowest)
            root = root[root]
            if (root == before).all():
                return root
