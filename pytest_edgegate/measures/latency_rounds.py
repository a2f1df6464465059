"""Rounds of timings until a measurement is decided or its time is over, and what they tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.core.environment import load
from pytest_edgegate.core.ports import Round, Stopwatch
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.stats.quantiles import least_runs

ALPHA = 0.01
"""Each limit is wrong with at most this chance."""
LEVEL = 1 - 2 * ALPHA
SHORTEST, LONGEST = 0.03, 0.5
"""Seconds of timing in a round; between them, as long as opening the files takes."""
LEAST = 1e-12
"""Seconds that an inference takes at least, also where the clock has not moved."""
_MARGIN = 1.5
"""A time that is proposed is as many times longer than what the rounds so far suggest."""
_LONGER = 3
"""And where they suggest nothing, as many times as what was given."""

Seconds = NDArray[np.float64]


class Rounds:
    """Iterates over the rounds of *watch* until *patience* seconds are over, at least one."""

    def __init__(self, watch: Stopwatch, patience: float) -> None:
        self.watch = watch
        self.patience = patience
        self.shortest = SHORTEST
        """Seconds that the next round has to last; may be raised and lowered meanwhile."""
        self.count = 0
        self._start = watch.now()
        self._openings: list[float] = []
        self._unsettled = 0
        self._repeat = 1

    def __iter__(self) -> Iterator[Round]:
        seconds = SHORTEST
        while not self.count or self.elapsed < self.patience:
            made = self.watch.round(seconds)
            self.count += 1
            self._note(made)
            yield made
            seconds = max(min(max(made.opening, SHORTEST), LONGEST), self.shortest)

    def _note(self, made: Round) -> None:
        self._openings.append(made.opening)
        self._unsettled += not made.settled
        self._repeat = max(self._repeat, made.repeat)

    @property
    def elapsed(self) -> float:
        return self.watch.now() - self._start

    @property
    def conditions(self) -> dict[str, object]:
        """Those of the stopwatch, and what has come of them."""
        more = {"repeat": self._repeat, "unsettled_rounds": self._unsettled}
        return conditions_after(self.watch.source, {**self.watch.conditions, **more})

    @property
    def load(self) -> str:
        known = self.conditions
        if known.get("load") is None:
            return "load unknown"
        return f"load average {known['load']} before and {known.get('load_after', 'unknown')} after"

    def remark(self, *, tail: bool = False) -> str:
        """What to know of the times whatever they prove; *tail*: of a percentile of them."""
        remarks = []
        if self._unsettled:
            remarks.append(
                f"in {self._unsettled} of {self.count} rounds the times still fell when the "
                "warm-up ended"
            )
        if tail and self._repeat > 1:
            remarks.append(
                f"each time is the mean of up to {self._repeat} inferences, which are short "
                "against the clock's steps: single ones spread more"
            )
        return "; ".join(remarks)

    def pace(self, least: int) -> str:
        """What *least* rounds take here."""
        opening, whole = float(np.median(self._openings)), self.elapsed / self.count
        return (
            f"it takes {least} rounds at least, of {spell_time(whole)} each here, of which opening "
            f"takes {spell_time(opening)}"
        )

    def longer(self, share: float | None = None) -> str:
        """What to do where time ran out after that *share* of what it takes; None: unknown."""
        if share is None:
            return f"stop what else runs on this machine, or {give_time(self.patience * _LONGER)}"
        wanted = self.elapsed / share if share else self.patience * _LONGER
        return give_time(max(wanted, self.patience) * _MARGIN)


def conditions_after(source: str, conditions: Mapping[str, object]) -> dict[str, object]:
    """*conditions* with the load at the end, where it was this host that has timed."""
    after = {"load_after": load()} if source.startswith("host:") else {}
    return {**conditions, **after}


def give_time(seconds: float) -> str:
    """A remedy: at least so many seconds, in two digits."""
    scale = 10 ** max(math.floor(math.log10(max(seconds, 1))) - 1, 0)
    time = math.ceil(seconds / scale) * scale
    return f"give the measurement longer: edge_latency_time = {time} s"


def least_rounds(alpha: float) -> int:
    """How many rounds a limit of their median takes."""
    least = least_runs(0.5, alpha)
    assert least is not None  # nine and eleven are
    return least


def spread(times: Seconds) -> float:
    """Robust relative spread: 1.4826 times the median absolute deviation, over the median."""
    middle = float(np.median(times))
    return 1.4826 * float(np.median(np.abs(times - middle))) / middle if middle > 0 else 0.0


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"
