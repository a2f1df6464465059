"""Properties of AUC and of DeLong's intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pytest_edgegate.stats.auc import auc, delong, delong_paired

Case = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]


@st.composite
def scored(draw: st.DrawFn) -> Case:
    """Both classes twice at least; few distinct scores, so that ties are common."""
    rows = st.tuples(st.integers(-6, 6), st.integers(-6, 6))
    above = draw(st.lists(rows, min_size=2, max_size=20))
    below = draw(st.lists(rows, min_size=2, max_size=20))
    scores = np.array(above + below, np.float64) / 7
    return scores[:, 0], scores[:, 1], np.arange(len(scores)) < len(above)


@settings(deadline=None, max_examples=150)
@given(scored())
def test_auc_agrees_with_scikit_learn(case: Case) -> None:
    scores, _, positives = case
    assert auc(scores, positives) == pytest.approx(roc_auc_score(positives, scores), abs=1e-12)


@given(scored())
def test_only_the_order_matters(case: Case) -> None:
    scores, _, positives = case
    assert auc(np.exp(3 * scores), positives) == auc(scores, positives)


@given(scored())
def test_turning_the_scores_round_turns_the_area_round(case: Case) -> None:
    scores, _, positives = case
    assert auc(-scores, positives) == pytest.approx(1 - auc(scores, positives), abs=1e-12)
    assert auc(scores, ~positives) == pytest.approx(1 - auc(scores, positives), abs=1e-12)


@given(scored())
def test_delong_holds_the_area_within_its_range(case: Case) -> None:
    scores, _, positives = case
    value, found = delong(scores, positives)
    assert value == pytest.approx(auc(scores, positives), abs=1e-12)
    assert 0 <= found.low <= value + 1e-12
    assert value - 1e-12 <= found.high <= 1


@given(scored())
def test_the_difference_is_antisymmetric(case: Case) -> None:
    a, b, positives = case
    value, found = delong_paired(a, b, positives)
    turned, mirrored = delong_paired(b, a, positives)
    assert value == pytest.approx(auc(a, positives) - auc(b, positives), abs=1e-12)
    assert value == pytest.approx(-turned, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)
    assert -1 <= found.low <= value + 1e-12
    assert value - 1e-12 <= found.high <= 1


@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter(case: Case, random: st.DataObject) -> None:
    a, b, positives = case
    order = list(range(len(a)))
    random.shuffle(order)  # type: ignore[attr-defined]
    value, found = delong_paired(a, b, positives)
    again, shuffled = delong_paired(a[order], b[order], positives[order])
    assert again == pytest.approx(value, abs=1e-12)
    assert (shuffled.low, shuffled.high) == pytest.approx((found.low, found.high), abs=1e-9)
