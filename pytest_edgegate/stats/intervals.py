"""Confidence intervals of a share, and of the difference of two shares on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval, in the unit of the figure.

    Each end alone is a bound of the one-sided level ``(1 + level) / 2``.
    """

    low: float
    high: float
    level: float


def check_level(level: float) -> None:
    """Raises ValueError unless *level* is between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a share between 0 and 1, such as 0.9")


def two_sided_z(level: float) -> float:
    """The z with P(-z < Z < z) = *level* for a standard normal Z. Raises ValueError."""
    from statistics import NormalDist

    check_level(level)
    return NormalDist().inv_cdf((1 + level) / 2)


def tango(b: int, c: int, n: int, level: float = 0.9) -> Interval:
    """Score interval of the drop (b - c) / n of two models on the same *n* samples.

    *b* counts the samples that only the first model has right, *c* those that only the second has
    right. The limits are the two λ in [-1, 1] that solve ``(b - c - nλ) / sqrt(n (2q + λ(1 - λ)))
    = ±z``, q being the maximum-likelihood share of *c* where the true drop is λ.

    Source: T. Tango, Statistics in Medicine 17:891-908, 1998.

    Raises ValueError for n < 1, negative counts, b + c > n, or a level outside (0, 1).
    """
    b, c, n = int(b), int(c), int(n)
    if n < 1:
        raise ValueError(f"n is {n}; an interval needs at least one sample")
    if b < 0 or c < 0 or b + c > n:
        raise ValueError(f"b={b} and c={c} are no counts out of n={n} samples")
    z = two_sided_z(level)
    # Exchanging the models mirrors the problem, so one side's solver serves both
    return Interval(-_tango_upper(c, b, n, z), _tango_upper(b, c, n, z), level)


def _tango_upper(b: int, c: int, n: int, z: float) -> float:
    """Bisection, because importing scipy.optimize takes some 500 ms, and this well under 1 ms.

    The comparison is squared: the ratio itself is 0/0 at λ = 0 where b = c = 0, and at λ = 1.
    """
    low, high = (b - c) / n, 1.0
    for _ in range(60):  # halves a bracket of at most 2 down to the spacing of floats
        middle = (low + high) / 2
        if (b - c - n * middle) ** 2 < z * z * n * _tango_variance(b, c, n, middle):
            low = middle
        else:
            high = middle
    return high


def _tango_variance(b: int, c: int, n: int, drop: float) -> float:
    """n times the variance of the observed drop where the true one is *drop*: 2q + λ(1 - λ)."""
    quadratic = 2 * n
    linear = -b - c + (2 * n - b + c) * drop
    constant = -c * drop * (1 - drop)
    root = sqrt(max(linear * linear - 4 * quadratic * constant, 0.0))
    return (root - linear) / quadratic + drop * (1 - drop)


def clopper_pearson(successes: int, n: int, level: float = 0.9) -> Interval:
    """Exact interval of a share, from *successes* out of *n* samples.

    The ends are quantiles of Beta(k, n - k + 1) and Beta(k + 1, n - k); 0 for no success and 1 for
    nothing else.

    Source: C. Clopper, E. Pearson, Biometrika 26:404-413, 1934.

    Raises ValueError for n < 1, successes outside [0, n], or a level outside (0, 1).
    """
    successes, n = int(successes), int(n)
    if n < 1:
        raise ValueError(f"n is {n}; an interval needs at least one sample")
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes are no count out of n={n} samples")
    check_level(level)
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    failures = n - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0
    return Interval(low, high, level)
