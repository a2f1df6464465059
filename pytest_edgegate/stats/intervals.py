"""Intervals for counts: one proportion, and the difference of two paired ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval; ``level`` 0.9 makes each end a one-sided 95 % bound."""

    low: float
    high: float
    level: float


def tango(b: int, c: int, n: int, level: float = 0.9) -> Interval:
    """Tango's score interval for the paired difference ``(b - c) / n``, within [-1, 1].

    ``b`` and ``c`` are the discordant counts among ``n`` pairs. The limits are the two l that solve
    ``(b - c - n l) / sqrt(n (2 q + l (1 - l))) = +-z`` with q the restricted maximum likelihood
    estimate of the second discordant probability. Source: Tango, Statistics in Medicine 17:891
    (1998). Raises ValueError for counts that are negative or do not fit into n.
    """
    if min(b, c) < 0 or n < 1 or b + c > n:
        raise ValueError(f"b={b} and c={c} are not discordant counts among n={n} pairs")
    z = _quantile(level)
    estimate = (b - c) / n

    def score(difference: float) -> float:
        return _tango_score(b, c, n, difference)

    # The score falls as the difference grows: z at the lower limit, -z at the upper one
    low = -1.0 if estimate <= -1 else _root(lambda at: score(at) - z, -1.0, estimate)
    high = 1.0 if estimate >= 1 else _root(lambda at: score(at) + z, estimate, 1.0)
    return Interval(low, high, level)


def clopper_pearson(successes: int, n: int, level: float = 0.9) -> Interval:
    """The exact interval of a proportion. Source: Clopper and Pearson, Biometrika 26:404 (1934).

    Raises ValueError for a count outside 0 to n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials")
    from scipy.special import betaincinv

    tail = (1 - _checked(level)) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - tail)) if successes < n else 1.0
    return Interval(low, high, level)


def _tango_score(b: int, c: int, n: int, difference: float) -> float:
    q = _restricted(b, c, n, difference)
    variance = n * (2 * q + difference * (1 - difference))
    distance = b - c - n * difference
    if variance <= 0:  # 0 / 0 at the stationary point b = c = difference = 0
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _restricted(b: int, c: int, n: int, difference: float) -> float:
    """The larger root of A q^2 + B q + C, kept above rounding's negative zeros."""
    linear = -b - c + (2 * n - b + c) * difference
    constant = -c * difference * (1 - difference)
    inside = max(linear * linear - 8 * n * constant, 0.0)
    return max((math.sqrt(inside) - linear) / (4 * n), 0.0, -difference)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Bisection of a falling function. Infinite at the ends, which scipy's solvers refuse."""
    for _ in range(80):
        middle = (low + high) / 2
        if function(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + _checked(level)) / 2)


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not {level}")
    return level
