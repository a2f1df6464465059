"""Sizes that a Keras model leaves free: an int8 file has those of the samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

IMAGES = np.random.default_rng(0).random((20, 8, 6, 3), np.float32)


def converted(keras: Any, target: Target, out: Path, step: Step | None, saved: bool) -> Produced:
    image = keras.Input((None, None, 3), name="picture")
    seen = keras.layers.Conv2D(4, 3)(image)
    pooled = keras.layers.GlobalAveragePooling2D()(seen)
    given: Any = keras.Model(image, keras.layers.Dense(3)(pooled), name="net")
    if saved:
        given.export(out / "saved", verbose=False)
        given = out / "saved"
    source = READER.recognise(given, surroundings())
    assert source is not None
    return TRANSFORM.apply(source, step, target, CaseData(EdgeData(calibration=IMAGES)), out)


@pytest.mark.parametrize("saved", [False, True], ids=["live", "SavedModel"])
def test_the_file_has_the_sizes_of_the_samples_and_says_so(
    keras: Any, host: Target, tmp_path: Path, saved: bool
) -> None:
    made = converted(keras, host, tmp_path, PTQ(20), saved)
    described = INSPECTOR.describe(made.main)
    assert [each.shape for each in described.inputs] == [(1, 8, 6, 3)]
    assert described.fully_quantized
    assert made.facts["note"] == (
        "the file has the sizes of the calibration samples where the model's are free: "
        "picture (8, 6, 3)"
    )


def test_without_samples_the_sizes_stay_free(keras: Any, host: Target, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="dynamic shape"):
        converted(keras, host, tmp_path, None, saved=False)
