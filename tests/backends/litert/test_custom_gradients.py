"""Keras layers with a custom gradient, such as silu: TensorFlow can't save their functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

IMAGES = np.random.default_rng(0).random((20, 8, 8, 3), np.float32)


@pytest.mark.parametrize("step", [PTQ(20), None], ids=["int8", "float"])
@pytest.mark.parametrize("activation", ["silu", "swish"])
def test_silu_is_converted(
    keras: Any, host: Target, tmp_path: Path, activation: str, step: Step | None
) -> None:
    image = keras.Input((8, 8, 3), name="image")
    seen = keras.layers.Conv2D(4, 3, activation=activation)(image)
    boxes, scores = (keras.layers.Conv2D(each, 1)(seen) for each in (2, 5))
    model = keras.Model(image, {"boxes": boxes, "scores": scores})
    source = READER.recognise(model, surroundings())
    assert source is not None
    data = CaseData(EdgeData(calibration=IMAGES))
    made = TRANSFORM.apply(source, step, host, data, tmp_path)
    described = INSPECTOR.describe(made.main)
    outputs = {each.name: each.shape for each in described.outputs}
    assert outputs == {"boxes": (1, 6, 6, 2), "scores": (1, 6, 6, 5)}
    assert described.fully_quantized is (step is not None)
