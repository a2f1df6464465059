"""How bootstraps draw: by which groups, and as many resamples as there is time for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.data.splits import Array
from pytest_edgegate.stats.bootstrap import COUNTS, PROBED, Draw, affordable
from pytest_edgegate.stats.groups import Groups

Purpose = Literal["figure", "drop", "reference", "agreement"]
"""What an interval is of: one model, the difference of two, the reference against chance, or the
agreement of runtimes."""
Choose = Callable[[Purpose, float], int]
"""The number of resamples for a purpose, from the seconds that PROBED of them took; 0 for none."""

FEWEST_GROUPS = 20
"""With fewer groups an interval is too narrow: it proves nothing."""


@dataclass(frozen=True)
class Resampled:
    """The figures of the resamples that there was time for."""

    figures: NDArray[np.float64] | None
    """Of shape (resamples,); None if not even the least number of them fits."""
    seconds: float
    """How long the least number of resamples would take."""

    @property
    def is_short(self) -> bool:
        """Whether there was no time for all of them."""
        return self.figures is not None and len(self.figures) < COUNTS[0]


@dataclass(frozen=True)
class Resampling:
    """``limit``: the seconds that one bootstrap may take."""

    groups: Groups | None = None
    limit: float = inf
    choose: Choose | None = None
    """Chooses the number of resamples; None: the largest that fits into the limit."""
    clock: Callable[[], float] = time.perf_counter

    def at(self, positions: Array) -> Resampling:
        """The same for the samples at these positions (indices or a mask) alone."""
        groups = None if self.groups is None else self.groups.at(positions)
        return replace(self, groups=groups)

    @property
    def too_few_groups(self) -> bool:
        return self.groups is not None and self.groups.count < FEWEST_GROUPS

    def draw(self, draw: Draw, purpose: Purpose) -> Resampled:
        """Draws some resamples, and from the time that these took as many as fit."""
        start = self.clock()
        first = [draw(1)]
        while len(first) < PROBED and self.clock() - start <= self.limit:
            first.append(draw(1))
        seconds = (self.clock() - start) / len(first) * PROBED
        least = seconds / PROBED * COUNTS[-1]
        choose = self.choose or self._fitting
        count = choose(purpose, seconds)
        if not count:
            return Resampled(None, least)
        return Resampled(np.concatenate([*first, draw(count - len(first))]), least)

    def _fitting(self, purpose: Purpose, seconds: float) -> int:
        return affordable(seconds, self.limit)


ALL = Resampling()
"""Every sample by itself, and no limit of time."""
