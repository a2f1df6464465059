"""Limits of quantiles, against exact binomial sums and by counting what is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from pytest_edgegate.stats.quantiles import (
    Ranks,
    always_valid,
    least_runs,
    log_capital,
)

QUANTILES = (0.5, 0.95, 0.99)


@pytest.mark.parametrize(("successes", "n", "share"), [(9, 9, 0.5), (3, 40, 0.05), (30, 40, 0.5)])
def test_the_capital_is_the_bets_integral(successes: int, n: int, share: float) -> None:
    def growth(p: float) -> float:
        return (p / share) ** successes * ((1 - p) / (1 - share)) ** (n - successes)

    spread_evenly = quad(growth, share, 1, limit=200)[0] / (1 - share)
    assert log_capital(successes, n, share) == pytest.approx(math.log(spread_evenly), abs=1e-9)


def test_a_capital_too_small_to_write_is_none() -> None:
    assert log_capital(0, 10_000, 0.9) == -math.inf


@pytest.mark.parametrize("q", QUANTILES)
def test_limits_that_are_looked_at_always_are_wider(q: float) -> None:
    for n in (700, 2_000, 20_000):
        low, high = binom.ppf([0.01, 0.99], n, q)  # where one look would put them
        always = always_valid(n, q, 0.01)
        assert None not in (always.low, always.high)
        assert (always.low or 0) <= low < high + 1 <= (always.high or 0)
        assert (always.high or 0) - (always.low or 0) < 0.2 * n


@pytest.mark.parametrize("q", QUANTILES)
def test_limits_at_the_true_quantile_are_wrong_as_seldom_as_they_say(q: float) -> None:
    """Looked at after every value up to 3,000: each side errs in at most 1 % of the runs."""
    generator, runs, most, alpha = np.random.default_rng(5), 2_000, 3_000, 0.01
    below = np.cumsum(generator.random((runs, most)) <= q, axis=1)
    ranks = [always_valid(n, q, alpha) for n in range(1, most + 1)]
    low = np.array([0 if each.low is None else each.low for each in ranks])
    high = np.array([most + 1 if each.high is None else each.high for each in ranks])
    over = (below < low).any(axis=1).mean()  # x_(low) lies above the true quantile
    within = (below >= high).any(axis=1).mean()
    assert over <= alpha
    assert within <= alpha


@pytest.mark.parametrize(("q", "least"), [(0.5, 9), (0.95, 126), (0.99, 644)])
def test_runs_that_any_look_needs_with_none_over(q: float, least: int) -> None:
    assert least_runs(q, 0.01) == least
    assert always_valid(least, q, 0.01).high == least
    assert always_valid(least - 1, q, 0.01).high is None


def test_no_number_of_runs_proves_some_quantiles() -> None:
    assert least_runs(1 - 1e-9, 0.01) is None


def test_limits_are_values_of_their_ranks() -> None:
    ordered = np.array([1.0, 2.0, 4.0])
    assert Ranks(1, 3).limits(ordered) == (1.0, 4.0)
    assert Ranks(None, None).limits(ordered) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("n", "q", "alpha"), [(0, 0.5, 0.01), (5, 0, 0.01), (5, 1, 0.01), (5, 0.5, 0), (5, 0.5, 1)]
)
def test_what_makes_no_sense_is_refused(n: int, q: float, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"at least one value|shares between"):
        always_valid(n, q, alpha)
