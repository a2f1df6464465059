"""What a person reads where a value is printed: in a failing test, in a debugger, in a notebook."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.recipe import PTQ, Distill
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.targets.folder import built_in

MADE = Artifact(
    Path("/cache/model.tflite"),
    "litert",
    "int8",
    (Path("/cache/model.tflite"),),
    27_184,
    "ab" * 32,
    (Distill(epochs=10), PTQ()),
    "coral",
    cached=True,
    provenance={"calibration_samples": list(range(200))},
)
GIVEN = Artifact(
    Path("own.onnx"), "onnx", None, (Path("own.onnx"),), 5, "cd", (), "onnx-cpu", cached=False
)
X, Y = np.zeros((20, 8, 8), np.float32), np.zeros(20, np.int64)


def augmented(x: object, rng: object) -> object:
    return x


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            MADE,
            "<Artifact model.tflite: litert int8, 27,184 bytes, "
            "Distill(epochs=10), PTQ(samples=200), coral; in /cache>",
        ),
        (GIVEN, "<Artifact own.onnx: onnx, 5 bytes, no recipe, onnx-cpu; in .>"),
        (EdgeData(), "EdgeData()"),
        (
            EdgeData(calibration=X, evaluation=(X, Y)),
            "EdgeData(calibration=float32(20, 8, 8), evaluation=(float32(20, 8, 8), int64(20,)))",
        ),
        (
            EdgeData(train=({"a": X, "b": Y}, None), reference_check=False),
            "EdgeData(train=({'a': float32(20, 8, 8), 'b': int64(20,)}, None), "
            "reference_check=False)",
        ),
        (
            EdgeData(train=[(X, Y)] * 3, evaluation=iter(()), version="2"),
            "EdgeData(train=list of 3, evaluation=tuple_iterator, version='2')",
        ),
        (EdgeData(train=(X,)), "EdgeData(train=(float32(20, 8, 8),))"),
        (EdgeTraining(), "EdgeTraining()"),
        (
            EdgeTraining(augment=augmented, seed=3, version="1"),
            "EdgeTraining(augment=augmented, seed=3, version='1')",
        ),
        (
            Verdict(Budget("size", 1000), Outcome.FAIL, "27.2 kB > 1 kB", target="coral"),
            "<Verdict size on coral: fail, 27.2 kB > 1 kB>",
        ),
        (
            built_in()["coral"],
            "<Target coral: Coral Edge TPU (USB Accelerator, Dev Board, M.2); takes litert, int8>",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_person_can_read_it(value: object, text: str) -> None:
    assert repr(value) == text
