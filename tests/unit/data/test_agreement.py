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


def test_an_output_without_a_step_is_left_out() -> None:
    made = (PROGRAM[0], PROGRAM[1] + 1000)
    assert agreement(made, PROGRAM, (0.25, None), "a.onnx")["largest_steps"] == 0
    assert agreement(made, PROGRAM, (None, None), "a.onnx")["largest_steps"] == 0


@pytest.mark.parametrize(
    "apart",
    [np.array([[0, 0], [0, 16.1 / 4]]), np.full((2, 2), 0.51), np.full((2, 2), np.nan)],
)
def test_a_file_of_its_own(apart: np.ndarray) -> None:
    made = ((PROGRAM[0] + apart).astype(np.float32),)
    with pytest.raises(CompressionError, match=r"a\.onnx does not compute .* output steps apart"):
        agreement(made, PROGRAM[:1], (0.25,), "a.onnx")


def test_samples_are_those_of_the_training_or_of_a_calibration() -> None:
    x = np.arange(200, dtype=np.float32).reshape(100, 2)
    inputs = (TensorInfo("x", (-1, 2), "float32"),)
    (some,) = samples_of(CaseData(EdgeData(train=(x, x[:, 0]))), inputs)
    assert len(some) == 64
    assert set(map(tuple, some.tolist())) < set(map(tuple, x.tolist()))
