"""Decides early on which side of a budget the mean of a finite set is, by betting on both."""

from __future__ import annotations

from fractions import Fraction
from math import floor, log

import numpy as np
from numpy.typing import NDArray

# Where the bets start: as if so many values had been seen, with so few differences among them.
# Most artifacts hardly differ from their reference. A heavier start is slow to see a broken one,
# and a lighter one bets too much on the first loss.
_PRIOR_VALUES = 20
_PRIOR_NONZERO = 0.2

# What is bet on, one row each: that the mean is below the budget (pass), and above it (fail)
_SIDES = np.array([[-1.0], [1.0]])
_TINY = float(np.finfo(np.float64).tiny)


class BettingTest:
    """Whether the mean of N values in {-1, 0, 1} is at most a budget, from some in random order.

    For a drop, a value is 1 where the reference alone is right on a sample, and -1 where the
    artifact alone is. What is decided early is the answer for all N values, not for a population
    they come from. The chance that it is wrong is at most *alpha* whatever the values are and
    however often one looks, where the order is drawn at random without replacement.

    With S the sum so far, the remainder has mean ``m_t = (N m - S_{t-1}) / (N - t + 1)`` where the
    whole set is exactly at budget m. Two capitals start at 1: ``Π (1 + λ_t (m_t - D_t))`` for
    within, ``Π (1 + λ_t (D_t - m_t))`` for over. The first at 1 / alpha decides (Ville's
    inequality), unless the remainder cannot change the answer any more, which integers decide.
    λ_t is aGRAPA: the bet that nearly maximises the growth of the log capital if the rest is like
    the past, from 0 to half of what keeps the capital positive.

    Source: I. Waudby-Smith, A. Ramdas, JRSS-B 86:1-27, 2024, and NeurIPS 2020 for drawing without
    replacement.
    """

    def __init__(self, total: int, budget: Fraction, alpha: float = 0.01) -> None:
        """*total* is N, *budget* the largest mean that is within, *alpha* the chance of an error.

        Raises ValueError for total < 1, a budget outside [0, 1), or alpha outside (0, 1).
        """
        if total < 1:
            raise ValueError(f"total is {total}; a set has at least one value")
        if not 0 <= budget < 1:
            raise ValueError(f"budget is {budget}; give a share from 0 to below 1")
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is {alpha}; give a share between 0 and 1, such as 0.01")
        self._total = total
        self._allowed = float(total * budget)
        # A sum of integers is at most N m just where it is at most the floor of it
        self._largest_within = floor(total * budget)
        self._log_needed = -log(alpha)
        self._log_capitals = np.zeros(2)
        self._sum = self._nonzero = self._seen = 0
        self._decision: bool | None = None

    @property
    def decision(self) -> bool | None:
        """True: within the budget. False: over it. None: undecided."""
        return self._decision

    def add(self, values: NDArray[np.int8]) -> bool | None:
        """Adds the next *values*, shape (k,), in the order drawn, and returns the decision.

        How the values are cut into calls changes nothing, and once decided it stays.

        Raises ValueError, and adds nothing, for another shape, values outside {-1, 0, 1}, or more
        values than the set has.
        """
        checked = self._check(values)
        if self._decision is None:
            self._decide(checked)
        self._seen += len(checked)
        return self._decision

    def _check(self, values: NDArray[np.int8]) -> NDArray[np.int8]:
        values = np.asarray(values)
        if values.ndim != 1:
            raise ValueError(f"values have shape {values.shape}; give one dimension")
        if not ((values == -1) | (values == 0) | (values == 1)).all():
            raise ValueError("values have to be -1, 0 or 1")
        if self._seen + len(values) > self._total:
            raise ValueError(
                f"{len(values)} values after {self._seen} are more than the {self._total} there are"
            )
        return values.astype(np.int8)

    def _decide(self, values: NDArray[np.int8]) -> None:
        sums = self._sum + np.cumsum(values, dtype=np.int64)
        settled, within = self._settled(sums)
        crossed, passed = self._crossed(values[:settled], sums[:settled])
        if crossed < settled:
            self._decision = passed
        elif settled < len(values):
            self._decision = within

    def _settled(self, sums: NDArray[np.int64]) -> tuple[int, bool]:
        """The index from which no remainder changes the answer, else len(sums); and the answer."""
        left = self._total - self._seen - np.arange(1, len(sums) + 1)
        within = sums + left <= self._largest_within
        at = _first(np.asarray(within | (sums - left > self._largest_within)))
        return at, bool(within[at : at + 1].any())

    def _crossed(self, values: NDArray[np.int8], sums: NDArray[np.int64]) -> tuple[int, bool]:
        """The index at which a capital suffices, else len(values); and whether it means within.

        Adds the values to the running sums and capitals.
        """
        nonzeros = self._nonzero + np.cumsum(values != 0, dtype=np.int64)
        growth = self._growth(values, sums - values, nonzeros - (values != 0))
        # Adding up from the capital so far gives the same floats wherever the values are cut
        capitals = np.cumsum(np.column_stack([self._log_capitals, growth]), axis=1)
        enough = capitals[:, 1:] >= self._log_needed
        at = _first(np.asarray(enough.any(axis=0)))
        if len(values):
            self._sum, self._nonzero = int(sums[-1]), int(nonzeros[-1])
        self._log_capitals = capitals[:, -1]
        return at, bool(enough[0, at : at + 1].any())

    def _growth(
        self, values: NDArray[np.int8], sums: NDArray[np.int64], nonzeros: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Log factors of both capitals, shape (2, k); *sums* and *nonzeros* are those before."""
        before = self._seen + np.arange(len(values))
        null = (self._allowed - sums) / (self._total - before)
        weight = before + _PRIOR_VALUES
        mean, square = sums / weight, (nonzeros + _PRIOR_NONZERO) / weight
        # aGRAPA's variance + (mean - null)², multiplied out
        spread = square - 2 * null * mean + null * null
        # An Nm that is no float may leave a hair less than nothing at the ends of the range
        most = 0.5 / np.maximum(1 + _SIDES * null, _TINY)
        bets = np.clip(_SIDES * (mean - null) / spread, 0, most)
        return np.asarray(np.log1p(bets * _SIDES * (values - null)), np.float64)


def _first(flags: NDArray[np.bool_]) -> int:
    """Index of the first True, len(flags) where there is none."""
    return int(flags.argmax()) if flags.any() else len(flags)
