"""Rounds of timings until a measurement is decided or out of time, and remarks about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_edgegate.core.environment import load
from pytest_edgegate.core.ports import Round, Stopwatch
from pytest_edgegate.core.shown_record import SHARES, TimesRecord
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.stats.quantiles import least_runs

ALPHA = 0.01
"""The error probability of each bound."""
LEVEL = 1 - 2 * ALPHA
SHORTEST, LONGEST = 0.03, 0.5
"""Shortest and longest timing per round, in seconds; in between, as long as opening takes."""
LEAST = 1e-12
"""The shortest time assumed for an inference, in seconds, if the clock has not moved."""
_MARGIN = 1.5
"""Safety factor on the time that the rounds so far suggest."""
_LONGER = 3
"""Factor on the given time if the rounds suggest nothing."""

Seconds = NDArray[np.float64]


class Rounds:
    """Iterates over rounds of *watch* until *patience* seconds are over; yields at least one."""

    def __init__(self, watch: Stopwatch, patience: float) -> None:
        self.watch = watch
        self.patience = patience
        self.shortest = SHORTEST
        """The duration of the next round in seconds; may be changed between rounds."""
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
        """The stopwatch's conditions, with the figures of the finished rounds."""
        more = {"repeat": self._repeat, "unsettled_rounds": self._unsettled}
        return conditions_after(self.watch.source, {**self.watch.conditions, **more})

    @property
    def load(self) -> str:
        known = self.conditions
        if known.get("load") is None:
            return "load unknown"
        return f"load average {known['load']} before and {known.get('load_after', 'unknown')} after"

    def remark(self, *, tail: bool = False) -> str:
        """Remarks that hold whatever the times prove; *tail*: for a percentile in the tail."""
        remarks = []
        if self._unsettled:
            remarks.append(
                f"in {self._unsettled} of {self.count} rounds the times still fell when the "
                "warm-up ended"
            )
        if tail and self._repeat > 1:
            remarks.append(
                f"each time is the mean of up to {self._repeat} inferences, because the clock's "
                "steps are too coarse for one: single inferences vary more"
            )
        return "; ".join(remarks)

    def pace(self, least: int) -> str:
        """The time that *least* rounds take here, in words."""
        opening, whole = float(np.median(self._openings)), self.elapsed / self.count
        return (
            f"it takes {least} rounds at least, of {spell_time(whole)} each here, of which opening "
            f"takes {spell_time(opening)}"
        )

    def longer(self, share: float | None = None) -> str:
        """The remedy where time ran out after *share* of the work; None: the share is unknown."""
        if share is None:
            return f"stop other work on this machine, or {give_time(self.patience * _LONGER)}"
        wanted = self.elapsed / share if share else self.patience * _LONGER
        return give_time(max(wanted, self.patience) * _MARGIN)


def conditions_after(source: str, conditions: Mapping[str, object]) -> dict[str, object]:
    """*conditions* with the final load, if the timing was done on this host."""
    after = {"load_after": load()} if source.startswith("host:") else {}
    return {**conditions, **after}


def give_time(seconds: float) -> str:
    """A remedy that proposes at least *seconds*, rounded up to two digits."""
    scale = 10 ** max(math.floor(math.log10(max(seconds, 1))) - 1, 0)
    time = math.ceil(seconds / scale) * scale
    return f"give the measurement longer: edge_latency_time = {time} s"


def least_rounds(alpha: float) -> int:
    """The smallest number of rounds for which the median has a bound."""
    least = least_runs(0.5, alpha)
    assert least is not None  # nine and eleven are
    return least


def spread(times: Seconds) -> float:
    """Robust relative spread: 1.4826 times the median absolute deviation, over the median."""
    middle = float(np.median(times))
    return 1.4826 * float(np.median(np.abs(times - middle))) / middle if middle > 0 else 0.0


def distributions(artifact: ArrayLike, other: ArrayLike = ()) -> TimesRecord:
    """What is kept of single inferences: of the *artifact*, and of the *other* file if there is
    one. In seconds."""
    times, others = np.ravel(artifact), np.ravel(other)
    return TimesRecord(len(times), _quantiles(times), _quantiles(others) if len(others) else ())


def _quantiles(times: Seconds) -> tuple[float, ...]:
    """Times that were taken, at ``SHARES``, with five digits: a clock has no more."""
    found = np.quantile(times, SHARES, method="inverted_cdf")
    return tuple(float(f"{each:.5g}") for each in found)


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"
