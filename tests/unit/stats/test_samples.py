"""How many samples, against the published figure and against simulated gates."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pytest_edgegate.stats.intervals import tango
from pytest_edgegate.stats.samples import samples_of_agreement, samples_to_prove


def test_the_published_figure() -> None:
    assert samples_to_prove(0.04, 0.01) == 2474  # spelt "about 2,470"


def test_that_many_samples_prove_it_four_times_in_five() -> None:
    n = samples_to_prove(0.04, 0.01)
    interval = cache(lambda b, c: tango(b, c, n, 0.9))
    drawn = np.random.default_rng(5).multinomial(n, [0.02, 0.02, 0.96], 4000).tolist()
    proven = np.mean([interval(b, c).high <= 0.01 for b, c, _ in drawn])
    assert 0.77 < proven < 0.83


def test_normal_quantiles_from_a_table() -> None:
    # z(0.99) = 2.3263, z(0.9) = 1.2816
    assert samples_to_prove(1.0, 1.0, alpha=0.01, power=0.9) == 14  # 13.017 rounded up
    assert samples_to_prove(1.0, 0.1, alpha=0.01, power=0.9) == 1302


def test_a_variance_over_1_is_taken() -> None:
    """Scores other than 0/1 have variances of any size."""
    assert samples_to_prove(400.0, 1.0) == pytest.approx(2474, abs=1)


@pytest.mark.parametrize("distance", [0.0, -0.0])
def test_at_the_budget_no_number_is_enough(distance: float) -> None:
    with pytest.raises(ValueError, match="no number of samples"):
        samples_to_prove(0.04, distance)


def test_a_negative_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        samples_to_prove(-0.01, 0.01)


@pytest.mark.parametrize(("alpha", "power"), [(0.0, 0.8), (1.0, 0.8), (0.05, 0.0), (0.05, 1.0)])
def test_alpha_and_power_lie_between_0_and_1(alpha: float, power: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        samples_to_prove(0.04, 0.01, alpha, power)


@pytest.mark.parametrize("budget", [0.002, 0.01, 0.05, 0.3])
def test_where_nothing_differs_as_many_samples_are_just_enough(budget: float) -> None:
    n = samples_of_agreement(budget)
    assert tango(0, 0, n, 0.9).high <= budget < tango(0, 0, n - 1, 0.9).high


@pytest.mark.parametrize("distance", [0.0, 1.0, -0.1, float("nan")])
def test_a_distance_that_is_no_share_is_refused(distance: float) -> None:
    with pytest.raises(ValueError, match="distance is"):
        samples_of_agreement(distance)
