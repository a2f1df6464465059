"""int8 upsampling of Keras: the reference kernels are listed with an older version of it only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.litert.schema import unpack, with_versions_of_at_most
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

IMAGES = np.random.default_rng(0).random((20, 8, 8, 3), np.float32)


def test_both_kinds_of_kernels_repeat_pixels(
    keras: Any, host: Target, tmp_path: Path, infer: Callable[..., dict[str, list[Any]]]
) -> None:
    image = keras.Input((8, 8, 3), name="image")
    grown = keras.layers.UpSampling2D()(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(grown))
    source = READER.recognise(model, surroundings())
    assert source is not None
    data = CaseData(EdgeData(calibration=IMAGES))
    made = TRANSFORM.apply(source, PTQ(20), host, data, tmp_path)
    before = made.main.read_bytes()
    found = infer(made, IMAGES)
    np.testing.assert_allclose(found["xnnpack"][0], found["reference"][0], atol=0.02)
    np.testing.assert_allclose(found["reference"][0], model.predict(IMAGES, verbose=0), atol=0.1)
    assert made.main.read_bytes() == before

    versions = {each.builtinCode: each.version for each in unpack(made.main).operatorCodes}
    lowered = with_versions_of_at_most(made.main, {"TILE": 2})
    assert lowered is not None
    (tmp_path / "lowered.tflite").write_bytes(lowered)
    other = unpack(tmp_path / "lowered.tflite").operatorCodes
    changed = [each.version for each in other if each.version != versions[each.builtinCode]]
    assert changed == [2]
    assert with_versions_of_at_most(tmp_path / "lowered.tflite", {"TILE": 2}) is None

    content, random = bytearray(before), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for at in random.integers(0, len(damaged), 20):
            damaged[at] = random.integers(0, 256)
        (tmp_path / "damaged.tflite").write_bytes(damaged[: random.integers(8, len(damaged))])
        with_versions_of_at_most(tmp_path / "damaged.tflite", {"TILE": 2})  # raises nothing
