"""What the formulas refuse, and what they say where the data say nothing."""

from __future__ import annotations

import subprocess
import sys
import warnings
from math import inf, isnan, nan

import numpy as np
import pytest

from pytest_edgegate.stats.auc import auc, delong, delong_paired
from pytest_edgegate.stats.bootstrap import paired_bootstrap, set_bootstrap
from pytest_edgegate.stats.distances import rank_of, steps, top1
from pytest_edgegate.stats.samples import samples_to_prove

SCORES = np.array([0.9, 0.1, 0.3, 0.7, 0.5])
ONE_POSITIVE = np.array([False, False, True, False, False])


@pytest.mark.parametrize("positives", [ONE_POSITIVE, ~ONE_POSITIVE])
def test_a_class_of_one_sample_proves_nothing(positives: np.ndarray) -> None:
    found = delong(SCORES, positives)[1]
    assert (found.low, found.high) == (0.0, 1.0)
    found = delong_paired(SCORES, SCORES[::-1], positives)[1]
    assert (found.low, found.high) == (-1.0, 1.0)


def test_positives_are_0_or_1() -> None:
    with pytest.raises(ValueError, match="other values than 0 and 1"):
        auc(SCORES, np.array([0, 1, 2, 0, 1]))
    assert auc(SCORES, ONE_POSITIVE.astype(np.int8)) == auc(SCORES, ONE_POSITIVE)


def test_scores_of_nan_have_no_rank() -> None:
    with pytest.raises(ValueError, match="1 scores are NaN"):
        auc(np.array([0.1, nan, 0.3, 0.2, 0.5]), ONE_POSITIVE)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 90.0])
def test_levels_lie_between_0_and_1(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        paired_bootstrap(SCORES, level)
    with pytest.raises(ValueError, match="between 0 and 1"):
        set_bootstrap(lambda drawn: 0.0, 5, level)
    with pytest.raises(ValueError, match="between 0 and 1"):
        delong(SCORES, np.arange(5) > 2, level)


def test_a_bootstrap_has_resamples() -> None:
    with pytest.raises(ValueError, match="resamples is 0"):
        paired_bootstrap(SCORES, resamples=0)
    with pytest.raises(ValueError, match="resamples is 0"):
        set_bootstrap(lambda drawn: 0.0, 5, resamples=0)


def test_infinite_differences_reach_both_ends_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = paired_bootstrap(np.array([inf, -inf, 0.0, 1.0]))
    assert isnan(found.low)
    assert isnan(found.high)


@pytest.mark.parametrize("distance", [steps])
def test_shapes_are_not_broadcast(distance: object) -> None:
    assert callable(distance)
    with pytest.raises(ValueError, match="differ"):
        distance(np.ones((3, 1), np.int8), np.ones((3,), np.int8))


def test_steps_that_int64_does_not_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="too far apart"):
        steps(np.array([2**63 + 1], np.uint64), np.array([0], np.uint64))
    assert steps(np.array([7], np.int64), np.array([9], np.int64)).tolist() == [2]


def test_a_label_whose_score_is_nan_is_not_counted_right() -> None:
    scores = np.array([[0.1, nan, 0.3], [nan, nan, 0.3], [nan, 0.2, 0.3]])
    labels = np.array([1, 1, 2])
    assert rank_of(scores, labels).tolist() == [0, 1, 1]
    for label in range(3):
        asked = np.full(3, label)
        assert np.array_equal(rank_of(scores, asked) == 0, top1(scores) == asked)


def test_ranks_of_dense_outputs() -> None:
    random = np.random.default_rng(8)
    scores, labels = random.integers(0, 3, (2, 3, 4)), random.integers(0, 4, (2, 3))
    expected = rank_of(scores.reshape(6, 4), labels.reshape(6)).reshape(2, 3)
    assert np.array_equal(rank_of(scores, labels), expected)


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_are_classes(label: int) -> None:
    with pytest.raises(ValueError, match="for 3 classes"):
        rank_of(np.zeros((2, 3)), np.array([0, label]))
    with pytest.raises(ValueError, match="float64"):
        rank_of(np.zeros((2, 3)), np.array([0.0, 1.5]))


def test_a_distance_whose_square_is_no_float_still_counts() -> None:
    assert samples_to_prove(0.04, 1e-200) > 10**390


@pytest.mark.parametrize(
    ("share", "distance"), [(0.0, 0.01), (nan, 0.01), (0.04, nan), (0.04, -0.01)]
)
def test_samples_need_a_share_and_a_distance(share: float, distance: float) -> None:
    with pytest.raises(ValueError, match="is"):
        samples_to_prove(share, distance)


def test_formulas_start_without_scipy_and_auc_never_needs_its_stats() -> None:
    program = (
        "import sys, numpy\n"
        "import pytest_edgegate.stats.auc, pytest_edgegate.stats.bootstrap\n"
        "import pytest_edgegate.stats.intervals, pytest_edgegate.stats.samples\n"
        "assert 'scipy' not in sys.modules, 'at import'\n"
        "from pytest_edgegate.stats.auc import delong\n"
        "delong(numpy.arange(4.0), numpy.arange(4) > 1)\n"
        "assert 'scipy.stats' not in sys.modules, 'scipy.stats for an AUC'\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
