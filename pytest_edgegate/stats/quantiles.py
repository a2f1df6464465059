"""Bounds of a quantile by order statistics, valid when checked after every timing."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_RUNS = 10_000_000
"""The largest number of runs to report."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """The ranks of the sorted values (1 is the smallest) that bound a quantile; None: no bound."""

    low: int | None
    high: int | None

    def limits(self, ordered: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
        """The values at these ranks; infinite without a bound. *ordered*: shape (n,)."""
        low = -math.inf if self.low is None else float(ordered[self.low - 1])
        high = math.inf if self.high is None else float(ordered[self.high - 1])
        return low, high


@functools.cache
def always_valid(n: int, q: float, alpha: float) -> Ranks:
    """Ranks of the *q*-quantile's limits, which may be looked at after every value.

    Each limit is wrong at any time with a chance of at most *alpha* (Ville 1939): a value at the
    limit is refused as the quantile once a bet against it has made 1/alpha of its capital, see
    ``log_capital``.

    Source: S. Howard, A. Ramdas, Sequential estimation of quantiles, Bernoulli 28:1704, 2022,
    with the bet of H. Robbins, Annals of Mathematical Statistics 41:1397, 1970.

    Raises ValueError for n < 1, or q or alpha outside (0, 1).
    """
    _check(n, q, alpha)
    wanted = -math.log(alpha)
    return _ranks(
        n,
        few=lambda count: log_capital(n - count, n, 1 - q) >= wanted,
        many=lambda count: log_capital(count, n, q) >= wanted,
    )


def log_capital(successes: int, n: int, share: float) -> float:
    """Log of the capital that betting on "the chance of a success is above *share*" made of 1.

    The bet spreads its capital evenly over all chances p in (share, 1]: it has ``∫ (p / s)^k
    ((1 - p) / (1 - s))^(n - k) dp / (1 - s)``, k being *successes* and s *share*. While the chance
    is at most s its expectation never grows, so it reaches 1/alpha with at most that chance alpha.
    """
    from scipy.special import betaincc, betaln

    failures = n - successes
    above = float(betaincc(successes + 1, failures + 1, share))
    if above <= 0:
        return -math.inf
    return (
        math.log(above)
        + float(betaln(successes + 1, failures + 1))
        - math.log1p(-share)
        - successes * math.log(share)
        - failures * math.log1p(-share)
    )


@functools.cache
def least_runs(q: float, alpha: float) -> int | None:
    """The number of values, none over a limit, that prove by ``always_valid`` a quantile within."""
    wanted = -math.log(alpha)
    if log_capital(MOST_RUNS, MOST_RUNS, q) < wanted:
        return None
    return _first(MOST_RUNS, lambda n: log_capital(n, n, q) >= wanted)


def _ranks(n: int, few: Callable[[int], bool], many: Callable[[int], bool]) -> Ranks:
    """The ranks at which counts of values stop being too few, and become many enough."""
    fewest_left = _first(n, lambda count: not few(count))  # counts below it are too few
    low = fewest_left if fewest_left else None
    high = _first(n, many)
    return Ranks(low, high if high <= n else None)


def _first(n: int, holds: Callable[[int], bool]) -> int:
    """The least count in [0, n] for which *holds*, which stays true from there; n + 1 for none."""
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _check(n: int, q: float, alpha: float) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; a limit needs at least one value")
    if not (0 < q < 1 and 0 < alpha < 1):
        raise ValueError(f"q is {q} and alpha {alpha}; give shares between 0 and 1")
