"""What is drawn for calibration, and what is noticed about it."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.dataset import (
    CalibrationSamples,
    Dataset,
    finite_or_error,
)
from pytest_edgegate.data.splits import Array

X = np.random.default_rng(3).random((50, 3), np.float32)
Y = np.arange(50)


def first(samples: CalibrationSamples) -> Array:
    [array] = samples.arrays()
    return array


def test_not_an_edge_data() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Dataset((X, Y))
    assert "edge_data is a tuple, not an EdgeData" in raised.value.message
    assert raised.value.remedy.startswith("return EdgeData(calibration=x[:200]")


def test_splits_are_made_when_they_are_needed() -> None:
    data = Dataset(EdgeData(evaluation=(X, Y), train="broken"))
    assert data.split("evaluation") is data.split("evaluation") is data.evaluation
    assert data.split("calibration") is None
    with pytest.raises(ConfigurationError, match=r"edge_data\.train is a builtins\.str"):
        data.split("train")


def test_no_evaluation_split() -> None:
    with pytest.raises(ConfigurationError, match="no evaluation split") as raised:
        _ = Dataset(EdgeData(calibration=X)).evaluation
    assert "evaluation=(x_test, y_test)" in raised.value.remedy


def test_nothing_to_calibrate_on() -> None:
    with pytest.raises(ConfigurationError, match="neither calibration nor train") as raised:
        Dataset(EdgeData(evaluation=(X, Y))).calibration(5)
    assert "calibration=x_train[:200]" in raised.value.remedy


@pytest.mark.parametrize("given", [X, (X, Y)])
def test_the_first_samples_of_the_calibration_split(given: object) -> None:
    samples = Dataset(EdgeData(calibration=given, train=X[::-1])).calibration(7)
    np.testing.assert_array_equal(first(samples), X[:7])
    assert samples.origin == "calibration"
    rows = list(samples)
    assert len(rows) == 7
    assert all(row[0].shape == (1, 3) for row in rows)
    assert len(first(Dataset(EdgeData(calibration=X)).calibration(500))) == 50


def test_without_one_a_seeded_draw_from_train() -> None:
    data = EdgeData(train=(X, Y))
    one, other = (first(Dataset(data).calibration(20)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    drawn = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in one]
    assert len(set(drawn)) == 20
    assert drawn != sorted(drawn)  # train sets are often sorted by class
    assert Dataset(data).calibration(20).origin == "train"
    np.testing.assert_array_equal(first(Dataset(data).calibration(10)), one[:10])


def test_digests_are_of_the_samples_that_are_used() -> None:
    def digest(data: EdgeData, count: int = 10) -> str:
        return Dataset(data).calibration(count).digest()

    other = X.copy()
    other[40] = 0
    assert digest(EdgeData(calibration=X)) == digest(EdgeData(calibration=other))
    assert digest(EdgeData(calibration=X), 50) != digest(EdgeData(calibration=other), 50)
    assert digest(EdgeData(calibration=X), 10) != digest(EdgeData(calibration=X), 11)
    assert digest(EdgeData(train=X)) != digest(EdgeData(calibration=X))
    assert digest(EdgeData(train=X), 10) != digest(EdgeData(train=X), 11)
    stream = [(X, Y)]
    named = [EdgeData(calibration=stream, version=each) for each in "ab"]
    assert digest(named[0]) != digest(named[1])
    assert digest(named[0], 10) != digest(named[0], 11)


def test_calibration_from_a_stream() -> None:
    batches = [(X[:8], Y[:8]), (X[8:16], Y[8:16])]
    for data in (
        EdgeData(calibration=batches, version="1"),
        EdgeData(train=batches, version="1"),
    ):
        np.testing.assert_array_equal(first(Dataset(data).calibration(10)), X[:10])
        np.testing.assert_array_equal(first(Dataset(data).calibration(99)), X[:16])


def test_several_inputs_stay_together() -> None:
    pair = {"a": X, "b": X[:, :1]}
    samples = Dataset(EdgeData(train=(pair, Y))).calibration(9)
    one, other = samples.arrays()
    np.testing.assert_array_equal(one[:, :1], other)
    assert samples.names == ("a", "b")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite(bad: float) -> None:
    spoilt = X.copy()
    spoilt[4, 1] = spoilt[6, 0] = bad
    data = Dataset(EdgeData(calibration=spoilt))
    finite_or_error(data.calibration(4))
    with pytest.raises(ConfigurationError) as raised:
        finite_or_error(data.calibration(10))
    assert "2 of 10 calibration samples hold NaN or Inf (the first is number 4)" in str(
        raised.value
    )


def test_integers_are_always_finite() -> None:
    finite_or_error(Dataset(EdgeData(calibration=np.arange(9))).calibration(9))
