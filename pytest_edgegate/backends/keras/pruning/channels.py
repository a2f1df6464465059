"""The channels of a model: which live or die together, and which have to stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Channels = NDArray[np.int64]
"""The unit of each channel, on the last axis of a tensor or on an axis of a weight: (c,) int64.

A unit is a channel that some layer makes. It may be met more than once: a flattened image has it
for each of its positions.
"""


@dataclass(frozen=True)
class Bonds:
    """Units that live or die together.

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
        """Why none of the channels can go; None where one can."""
        reasons = [self.kept.get(int(root)) for root in self.of(channels)]
        return None if None in reasons or not reasons else reasons[0]


class Ledger:
    """What was found out about the units of one model."""

    def __init__(self) -> None:
        self._maker: list[int] = []
        self._makers = 0
        self._ties: list[tuple[Channels, Channels]] = []
        self._kept: list[tuple[Channels, str]] = []

    def __len__(self) -> int:
        return len(self._maker)

    def new(self, count: int) -> Channels:
        """Units of the channels that one more layer makes, (count,) int64."""
        start = len(self._maker)
        self._maker += [self._makers] * count
        self._makers += 1
        return np.arange(start, start + count)

    def tie(self, one: Channels, other: Channels) -> None:
        """Channel by channel, both live or die together; *one* and *other* are equally many."""
        self._ties.append((one, other))

    def keep(self, channels: Channels, why: str) -> None:
        """None of them may go. What is said last is the reason that is given."""
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
        """Every unit takes the lowest number among those it is tied to, until none changes."""
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
