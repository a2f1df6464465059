"""Properties of the intervals of shares, on counts of any size."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from pytest_edgegate.stats.intervals import clopper_pearson, tango
from pytest_edgegate.stats.samples import samples_to_prove

LEVELS = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.998])


@st.composite
def discordant(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 3000))
    b = draw(st.integers(0, n))
    return b, draw(st.integers(0, n - b)), n


def score(b: int, c: int, n: int, drop: float) -> float:
    """The statistic as published, without a guard: nowhere near 0/0 at a limit that is not +-1."""
    linear = -b - c + (2 * n - b + c) * drop
    q = (sqrt(linear**2 + 8 * n * c * drop * (1 - drop)) - linear) / (4 * n)
    return (b - c - n * drop) / sqrt(n * (2 * q + drop * (1 - drop)))


@settings(deadline=None, max_examples=150)
@given(discordant(), LEVELS)
def test_tango_holds_the_drop_within_its_range(counts: tuple[int, int, int], level: float) -> None:
    b, c, n = counts
    found = tango(b, c, n, level)
    assert -1 <= found.low <= (b - c) / n <= found.high <= 1
    assert found.low < found.high


@settings(deadline=None, max_examples=150)
@given(discordant(), LEVELS)
def test_the_limits_are_where_the_score_is_z(counts: tuple[int, int, int], level: float) -> None:
    b, c, n = counts
    z = NormalDist().inv_cdf((1 + level) / 2)
    found = tango(b, c, n, level)
    if b < n:
        assert score(b, c, n, found.high) == pytest.approx(-z, rel=1e-5)
    if c < n:
        assert score(b, c, n, found.low) == pytest.approx(z, rel=1e-5)


@settings(deadline=None, max_examples=100)
@given(discordant(), LEVELS)
def test_exchanging_the_models_mirrors_the_interval(
    counts: tuple[int, int, int], level: float
) -> None:
    b, c, n = counts
    one, other = tango(b, c, n, level), tango(c, b, n, level)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(discordant())
def test_a_higher_level_is_wider(counts: tuple[int, int, int]) -> None:
    narrow, wide = tango(*counts, 0.8), tango(*counts, 0.95)
    assert wide.low < narrow.low or wide.low == narrow.low == -1
    assert narrow.high < wide.high or narrow.high == wide.high == 1


@settings(deadline=None, max_examples=100)
@given(discordant())
def test_one_more_loss_moves_both_limits_up(counts: tuple[int, int, int]) -> None:
    b, c, n = counts
    if b + c < n:
        before, after = tango(b, c, n), tango(b + 1, c, n)
        assert before.low <= after.low + 1e-12
        assert before.high <= after.high + 1e-12


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), LEVELS)
def test_clopper_pearson_agrees_with_scipy(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    found = clopper_pearson(successes, n, level)
    expected = binomtest(successes, n).proportion_ci(level, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= found.low <= successes / n <= found.high <= 1


@given(st.floats(1e-6, 10), st.floats(1e-6, 1), st.floats(0.01, 0.2), st.floats(0.5, 0.99))
def test_more_is_asked_for_a_smaller_distance(
    share: float, distance: float, alpha: float, power: float
) -> None:
    far = samples_to_prove(share, distance, alpha, power)
    near = samples_to_prove(share, distance / 2, alpha, power)
    assert 1 <= far <= near <= 4 * far
    assert samples_to_prove(share, distance, alpha / 2, power) >= far
