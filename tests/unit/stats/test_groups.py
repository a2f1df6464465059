"""Groups of samples: what is drawn, and intervals against scipy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap

from pytest_edgegate.stats.bootstrap import CHUNK, figures_of, means_of, percentiles
from pytest_edgegate.stats.groups import Groups

RANDOM = np.random.default_rng(23)
CODES = RANDOM.integers(0, 40, 600)
# what the samples of a group have in common is larger than what they differ by
VALUES = RANDOM.normal(size=40)[CODES] + RANDOM.normal(size=600) * 0.3


def expected() -> Any:
    """The ratio of the sums of whole groups to their sizes, resampled by scipy."""
    sums = np.array([VALUES[code == CODES].sum() for code in np.unique(CODES)])
    sizes = np.array([(code == CODES).sum() for code in np.unique(CODES)])
    return bootstrap(
        (sums, sizes),
        lambda one, other, axis: one.sum(axis=axis) / other.sum(axis=axis),
        paired=True,
        confidence_level=0.9,
        n_resamples=8000,
        method="percentile",
        rng=4,
    ).confidence_interval


@pytest.mark.parametrize("how", ["means", "figures"])
def test_an_interval_by_groups_agrees_with_scipy(how: str) -> None:
    groups = Groups(CODES)
    draw = (
        means_of(VALUES, groups)
        if how == "means"
        else figures_of(lambda drawn: float(VALUES[drawn].mean()), 600, groups)
    )
    found, wanted = percentiles(draw(6000), 0.9), expected()
    width = wanted.high - wanted.low
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.06 * width)


def test_both_ways_draw_the_same_groups() -> None:
    groups = Groups(CODES)
    means = means_of(VALUES, groups, seed=3)(50)
    figures = figures_of(lambda drawn: float(VALUES[drawn].mean()), 600, groups, seed=3)(50)
    np.testing.assert_allclose(means, figures, rtol=1e-9)


def test_groups_widen_the_interval_of_dependent_samples() -> None:
    alone, grouped = (
        percentiles(means_of(VALUES, each)(2000), 0.9) for each in (None, Groups(CODES))
    )
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_groups_of_one_sample_change_nothing() -> None:
    groups = Groups(np.arange(600))
    np.testing.assert_allclose(means_of(VALUES, groups)(40), means_of(VALUES)(40))


def test_the_interval_holds_the_mean_of_the_population_as_often_as_it_says() -> None:
    """Of 400 sets of 40 groups, 90 % by nominal coverage, a few less as for any bootstrap."""
    random, hits = np.random.default_rng(5), 0
    for _ in range(400):
        codes = np.repeat(np.arange(40), random.integers(1, 12, 40))
        values = random.normal(size=40)[codes] + random.normal(size=len(codes))
        interval = percentiles(means_of(values, Groups(codes))(500), 0.9)
        hits += interval.low <= 0 <= interval.high
    assert 0.84 <= hits / 400 <= 0.94


def test_whole_groups_are_drawn() -> None:
    groups = Groups(np.array(["b", "a", "b", "c", "a", "b"]))
    assert (groups.count, len(groups)) == (3, 6)
    assert groups.sizes.tolist() == [2, 3, 1]
    members = {(1, 4), (0, 2, 5), (3,)}
    random = np.random.default_rng(0)
    for _ in range(50):
        drawn = groups.drawn(random).tolist()
        split = []
        while drawn:
            fitting = next(each for each in members if tuple(drawn[: len(each)]) == each)
            split.append(fitting)
            drawn = drawn[len(fitting) :]
        assert len(split) == 3


def test_sums_by_group() -> None:
    groups = Groups(np.array([7, 3, 7, 3]))
    assert groups.sums(np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [6.0, 4.0]
    assert groups.sums(np.array([True, False, True, True])).tolist() == [1.0, 2.0]


def test_a_part_of_the_samples_has_its_own_groups() -> None:
    groups = Groups(np.array([0, 0, 1, 2, 2]))
    part = groups.at(np.array([True, True, False, True, False]))
    assert (part.count, part.sizes.tolist()) == (2, [2, 1])
    assert groups.at(np.array([4, 0])).count == 2


def test_drawing_groups_in_chunks_changes_nothing() -> None:
    codes = np.arange(CHUNK // 3)
    values = RANDOM.normal(size=len(codes))
    whole, parts = means_of(values, Groups(codes)), means_of(values, Groups(codes))
    together = np.concatenate([parts(1), parts(4), parts(2)])
    np.testing.assert_array_equal(whole(7), together)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (np.zeros((3, 2)), "shape \\(3, 2\\)"),
        (np.zeros(0), "shape \\(0,\\)"),
        (np.float64(3), "shape \\(\\)"),
        (np.array([1.0, np.nan, 2.0]), "1 of them are NaN"),
    ],
)
def test_names_that_make_no_groups(names: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Groups(names)
