"""AUC against scikit-learn; DeLong against the quadratic definition and against simulation."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pytest_edgegate.stats.auc import auc, delong, delong_paired

Z90 = NormalDist().inv_cdf(0.95)
Floats = NDArray[np.float64]


def binormal(
    random: np.random.Generator, shifts: tuple[float, float], per_class: int
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Two scores correlated by 0.5 whose positives are shifted."""
    noise = random.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 2 * per_class)
    positives = np.arange(2 * per_class) < per_class
    return noise[:, 0] + shifts[0] * positives, noise[:, 1] + shifts[1] * positives, positives


def components(scores: Floats, positives: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """V10 and V01 pair by pair, as DeLong et al. define them."""
    above, below = scores[positives][:, None], scores[~positives][None, :]
    won = (above > below) + 0.5 * (above == below)
    return won.mean(axis=1), won.mean(axis=0)


def contrast_variance(a: Floats, b: Floats, positives: NDArray[np.bool_]) -> float:
    """L S L' with the covariance matrix of both AUCs, the published way."""
    contrast = np.array([1.0, -1.0])
    total = 0.0
    for parts in zip(components(a, positives), components(b, positives), strict=True):
        total += float(contrast @ np.cov(np.stack(parts)) @ contrast) / len(parts[0])
    return total


@pytest.mark.parametrize("digits", [0, 1, 8])  # 0 digits: most scores are tied
def test_auc_agrees_with_scikit_learn(digits: int) -> None:
    scores, _, positives = binormal(np.random.default_rng(1), (0.8, 0.5), 150)
    scores = scores.round(digits)
    assert auc(scores, positives) == pytest.approx(roc_auc_score(positives, scores), abs=1e-12)


def test_auc_of_quantised_scores() -> None:
    scores = np.array([-128, 127, 127, 5, -128], np.int8)
    positives = np.array([False, True, False, True, False])
    assert auc(scores, positives) == pytest.approx(4.5 / 6)


def test_auc_at_its_ends() -> None:
    positives = np.array([False, False, True, True])
    assert auc(np.array([0.1, 0.2, 0.3, 0.4]), positives) == 1.0
    assert auc(np.array([0.4, 0.3, 0.2, 0.1]), positives) == 0.0
    assert auc(np.full(4, 0.7), positives) == 0.5


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_delong_agrees_with_the_definition(digits: int) -> None:
    scores, _, positives = binormal(np.random.default_rng(2), (0.8, 0.5), 70)
    scores, positives = scores[20:].round(digits), positives[20:]  # classes of unequal size
    of_positives, of_negatives = components(scores, positives)
    variance = of_positives.var(ddof=1) / 50 + of_negatives.var(ddof=1) / 70
    value, found = delong(scores, positives)
    assert value == pytest.approx(of_positives.mean(), abs=1e-12)
    assert found.high - value == pytest.approx(Z90 * sqrt(variance), rel=1e-9)
    assert value - found.low == pytest.approx(Z90 * sqrt(variance), rel=1e-9)


@pytest.mark.parametrize("digits", [0, 1, 8])
def test_paired_delong_agrees_with_the_definition(digits: int) -> None:
    a, b, positives = binormal(np.random.default_rng(3), (1.0, 0.7), 70)
    a, b, positives = a[20:].round(digits), b[20:].round(digits), positives[20:]
    value, found = delong_paired(a, b, positives, 0.95)
    reach = NormalDist().inv_cdf(0.975) * sqrt(contrast_variance(a, b, positives))
    assert value == pytest.approx(roc_auc_score(positives, a) - roc_auc_score(positives, b))
    assert (found.low, found.high) == pytest.approx((value - reach, value + reach), abs=1e-9)
    assert found.level == 0.95


def test_delong_covers_the_true_area_and_the_true_difference() -> None:
    random = np.random.default_rng(4)
    shifts = (1.0, 0.7)
    areas = [NormalDist().cdf(shift / sqrt(2)) for shift in shifts]
    runs, one, paired = 1500, 0, 0
    for _ in range(runs):
        a, b, positives = binormal(random, shifts, 60)
        interval = delong(a, positives)[1]
        one += interval.low <= areas[0] <= interval.high
        interval = delong_paired(a, b, positives)[1]
        paired += interval.low <= areas[0] - areas[1] <= interval.high
    assert 0.875 < one / runs < 0.925
    assert 0.875 < paired / runs < 0.925


def test_pairing_narrows_the_interval() -> None:
    a, b, positives = binormal(np.random.default_rng(5), (1.0, 1.0), 200)
    paired = delong_paired(a, b, positives)[1]
    apart = sqrt(
        sum((delong(each, positives)[1].high - auc(each, positives)) ** 2 for each in (a, b))
    )
    assert (paired.high - paired.low) / 2 < 0.85 * apart


def test_the_same_order_gives_no_difference_and_no_width() -> None:
    a, _, positives = binormal(np.random.default_rng(6), (1.0, 1.0), 30)
    value, found = delong_paired(a, np.exp(a), positives)
    assert (value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_intervals_stay_within_their_range() -> None:
    positives = np.array([True, True, False, False, True, False])
    scores = np.array([0.9, 0.8, 0.1, 0.85, 0.7, 0.2])
    assert delong(scores, positives)[1].high == 1.0
    assert delong(-scores, positives)[1].low == 0.0
    assert delong_paired(scores, -scores, positives)[1].high == 1.0
    assert delong_paired(-scores, scores, positives)[1].low == -1.0


@pytest.mark.parametrize("positive", [True, False])
def test_one_class_has_no_auc(positive: bool) -> None:
    scores, positives = np.arange(4.0), np.full(4, positive)
    with pytest.raises(ValueError, match=r"both classes|positive"):
        auc(scores, positives)
    with pytest.raises(ValueError, match=r"both classes|positive"):
        delong(scores, positives)
    with pytest.raises(ValueError, match=r"both classes|positive"):
        delong_paired(scores, scores, positives)


def test_shapes_have_to_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        auc(np.arange(4.0), np.array([True, False, True]))
    with pytest.raises(ValueError, match="shape"):
        auc(np.zeros((4, 1)), np.zeros((4, 1), bool))
