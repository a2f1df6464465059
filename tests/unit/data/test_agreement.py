"""How far a file lies from its program, in steps of its outputs."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.data.agreement import agreement, samples_of
from pytest_edgegate.testing.contract import CaseData

PROGRAM = (np.array([[0.0, 0.5], [1.0, 2.0]], np.float32), np.array([[3.0], [4.0]], np.float32))


def test_steps() -> None:
    made = (PROGRAM[0] + np.array([[0, 0.5], [0, 0]], np.float32), PROGRAM[1] - 0.1)
    found = agreement(made, PROGRAM, (0.25, 0.1), "a.onnx")
    assert found == {"samples": 2, "largest_steps": 2.0, "mean_steps": pytest.approx(4 / 6, 1e-3)}


def test_the_step_of_an_output_without_one_is_a_part_of_its_range() -> None:
    made = (PROGRAM[0], PROGRAM[1] + np.float32(2 * 4 / 255))
    found = agreement(made, PROGRAM, (0.25, None), "a.onnx")
    assert found["largest_steps"] == pytest.approx(2, rel=1e-3)
    far = (PROGRAM[0], PROGRAM[1] + 1)
    for steps in ((0.25, None), (None, None)):
        with pytest.raises(CompressionError, match=r"a\.onnx does not compute"):
            agreement(far, PROGRAM, steps, "a.onnx")


@pytest.mark.parametrize("program", [PROGRAM[0], PROGRAM[0] * 0, PROGRAM[0] * np.nan])
def test_no_number_agrees_with_nothing(program: np.ndarray) -> None:
    with pytest.raises(CompressionError, match="does not compute"):
        agreement((program * np.nan,), (program,), (None,), "a.onnx")


def test_zeros_agree_with_zeros() -> None:
    assert agreement(PROGRAM[:1], PROGRAM[:1], (None,), "a.onnx")["largest_steps"] == 0
    zeros = (PROGRAM[0] * 0,)
    assert agreement(zeros, zeros, (None,), "a.onnx")["largest_steps"] == 0


def test_nothing_to_compare_is_no_agreement() -> None:
    with pytest.raises(CompressionError, match="it has no output"):
        agreement((), (), (), "a.onnx")
    with pytest.raises(CompressionError, match="it has no output"):
        agreement((PROGRAM[0][:0],), (PROGRAM[0][:0],), (0.25,), "a.onnx")


@pytest.mark.parametrize("confidence", [1.0, 0.05])
def test_rows_of_many_classes_do_not_agree_by_their_zeros(confidence: float) -> None:
    """The steps of a softmax of 1000 classes: 1/256, of which most scores are none."""
    random = np.random.default_rng(0)
    rows = np.full((256, 1000), (1 - confidence) / 999, np.float32)
    rows[np.arange(256), random.integers(1000, size=256)] = confidence
    shuffled = rows[random.permutation(256)]
    wide = {"mean_allowed": 3.0, "largest_allowed": 255.0}
    with pytest.raises(CompressionError, match="have the same best class"):
        agreement((shuffled,), (rows,), (1 / 256,), "a.tflite", classes=1, **wide)
    rounded = np.round(rows * 256) / 256
    found = agreement((rounded,), (rows,), (1 / 256,), "a.tflite", classes=1, **wide)
    assert found["same_best"] == 1
    if confidence == 1:
        with pytest.raises(CompressionError, match="does not compute"):
            agreement((shuffled,), (rows,), (1 / 256,), "a.tflite", **wide)


def test_classes_that_lie_a_rounding_apart_may_change_places() -> None:
    program = (np.array([[0.50, 0.51], *[[0.2, 0.8]] * 3], np.float32),)
    made = (np.array([[0.51, 0.50], *[[0.2, 0.8]] * 3], np.float32),)
    assert agreement(made, program, (0.01,), "a.onnx", classes=1)["same_best"] == 1
    with pytest.raises(CompressionError, match="75% have the same best class"):
        agreement(made, program, (0.001,), "a.onnx", classes=1, mean_allowed=9)


@pytest.mark.parametrize(
    "apart",
    [np.array([[0, 0], [0, 16.1 / 4]]), np.full((2, 2), 0.51), np.full((2, 2), np.nan)],
)
def test_a_file_of_its_own(apart: np.ndarray) -> None:
    made = ((PROGRAM[0] + apart).astype(np.float32),)
    with pytest.raises(CompressionError, match=r"a\.onnx does not compute .* output steps"):
        agreement(made, PROGRAM[:1], (0.25,), "a.onnx")


def test_samples_are_those_of_the_training_or_of_a_calibration() -> None:
    x = np.arange(200, dtype=np.float32).reshape(100, 2)
    inputs = (TensorInfo("x", (-1, 2), "float32"),)
    (some,) = samples_of(CaseData(EdgeData(train=(x, x[:, 0]))), inputs)
    assert len(some) == 64
    assert set(map(tuple, some.tolist())) < set(map(tuple, x.tolist()))
