"""Tango and Clopper-Pearson against numeric solves, closed forms, scipy and simulation."""

from __future__ import annotations

from functools import cache
from math import inf, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest

from pytest_edgegate.stats.intervals import Interval, clopper_pearson, tango

Z90 = NormalDist().inv_cdf(0.95)


def likeliest_shares(b: int, c: int, n: int, drop: float) -> tuple[float, float, float]:
    """The likeliest shares of b, of c and of the rest where the drop is given.

    Solved for what b and c have in common, from the slope of the likelihood.
    """
    of_b, of_c, rest = max(drop, 0.0), max(-drop, 0.0), 1 - abs(drop)

    def slope(common: float) -> float:
        return b / (of_b + common) + c / (of_c + common) - 2 * (n - b - c) / (rest - 2 * common)

    margin = rest * 1e-12
    if slope(margin) <= 0:
        common = 0.0
    elif slope(rest / 2 - margin) >= 0:
        common = rest / 2
    else:
        common = float(brentq(slope, margin, rest / 2 - margin, xtol=1e-16))
    return of_b + common, of_c + common, rest - 2 * common


def chi_square(b: int, c: int, n: int, drop: float) -> float:
    """Pearson's statistic of the three counts, which is the score statistic squared."""
    total = 0.0
    for seen, share in zip((b, c, n - b - c), likeliest_shares(b, c, n, drop), strict=True):
        if share == 0:
            total += inf if seen else 0.0
        else:
            total += (seen - n * share) ** 2 / (n * share)
    return total


def numeric_limits(b: int, c: int, n: int, level: float) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + level) / 2)
    drop = (b - c) / n

    def excess(at: float) -> float:
        return chi_square(b, c, n, at) - z * z

    edge = 1 - 1e-9
    low = -1.0 if c == n else brentq(excess, -edge, drop - 1e-12, xtol=1e-14)
    high = 1.0 if b == n else brentq(excess, drop + 1e-12, edge, xtol=1e-14)
    return float(low), float(high)


def test_tango_gives_the_published_figures() -> None:
    found = tango(40, 20, 160, 0.95)
    assert (found.low, found.high) == pytest.approx((0.030865, 0.218064), abs=5e-7)
    assert found.level == 0.95


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(
    ("b", "c", "n"),
    [
        (40, 20, 160),
        (3, 0, 50),
        (0, 3, 50),
        (1, 1, 2),
        (7, 7, 40),
        (12, 1, 1000),
        (30, 20, 50),
        (1, 0, 1000),
        (49, 1, 50),
        (250, 240, 10_000),
    ],
)
def test_tango_solves_the_score_equation(b: int, c: int, n: int, level: float) -> None:
    found = tango(b, c, n, level)
    assert (found.low, found.high) == pytest.approx(numeric_limits(b, c, n, level), abs=1e-9)


def test_tango_does_not_collapse_without_discordant_samples() -> None:
    z = NormalDist().inv_cdf(0.975)
    found = tango(0, 0, 200, 0.95)
    assert found.high == pytest.approx(0.0188, abs=5e-5)
    assert found.high == pytest.approx(z * z / (200 + z * z), rel=1e-12)
    assert found.low == pytest.approx(-found.high, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 20, 5000])
def test_tango_where_every_sample_is_discordant_one_way(n: int) -> None:
    limit = (n - Z90**2) / (n + Z90**2)
    lost, won = tango(n, 0, n), tango(0, n, n)
    assert (lost.low, lost.high) == (pytest.approx(limit, abs=1e-12), 1.0)
    assert (won.low, won.high) == (-1.0, pytest.approx(-limit, abs=1e-12))


@pytest.mark.parametrize(("loss", "gain", "n"), [(0.05, 0.03, 200), (0.02, 0.02, 500)])
def test_tango_covers_the_true_drop(loss: float, gain: float, n: int) -> None:
    interval = cache(lambda b, c: tango(b, c, n))
    drawn = np.random.default_rng(3).multinomial(n, [loss, gain, 1 - loss - gain], 4000)
    found = [interval(int(b), int(c)) for b, c, _ in drawn]
    covered = np.mean([each.low <= loss - gain <= each.high for each in found])
    assert 0.88 < covered < 0.925


@pytest.mark.parametrize(
    ("b", "c", "n"), [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (6, 0, 5), (0, 0, 0), (0, 0, -3)]
)
def test_tango_refuses_what_are_no_counts(b: int, c: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"n is -?\d|counts"):
        tango(b, c, n)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.99])
@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 30), (30, 30), (1, 30), (29, 30), (937, 1000)]
)
def test_clopper_pearson_agrees_with_scipy(successes: int, n: int, level: float) -> None:
    found = clopper_pearson(successes, n, level)
    expected = binomtest(successes, n).proportion_ci(level, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-10)


def test_clopper_pearson_ends() -> None:
    # With no success the one-sided limit solves (1 - p)^n = 5 %
    assert clopper_pearson(0, 59) == Interval(0.0, pytest.approx(1 - 0.05 ** (1 / 59)), 0.9)
    assert clopper_pearson(59, 59) == Interval(pytest.approx(0.05 ** (1 / 59)), 1.0, 0.9)


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, 0), (0, -2)])
def test_clopper_pearson_refuses_what_is_no_count(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"successes|n is"):
        clopper_pearson(successes, n)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 90.0, float("nan")])
def test_levels_lie_between_0_and_1(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        tango(1, 1, 10, level)
    with pytest.raises(ValueError, match="between 0 and 1"):
        clopper_pearson(1, 10, level)


def test_intervals_are_frozen() -> None:
    with pytest.raises(AttributeError):
        tango(1, 1, 10).low = 0.0  # type: ignore[misc]
    assert not hasattr(tango(1, 1, 10), "__dict__")


def test_tango_approaches_wald_on_large_sets() -> None:
    b, c, n = 30_000, 20_000, 1_000_000
    drop = (b - c) / n
    reach = Z90 * sqrt(((b + c) / n - drop**2) / n)
    found = tango(b, c, n)
    assert (found.low, found.high) == pytest.approx((drop - reach, drop + reach), abs=1e-6)
