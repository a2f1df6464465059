"""Names of inputs that TensorFlow does not take, on the roads to .tflite and .onnx."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.runtime import RUNTIME
from pytest_edgegate.backends.litert.from_keras import TRANSFORM as TO_LITERT
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM as TO_ONNX
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.backends.tf_graphs import graph_names
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.testing.contract import CaseData, surroundings

RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 3)).astype(np.float32)
PLAIN = ("image", "Image_2", "3d", ".x", "x-y", "x.y", "a" * 300, "kwargs", "training")
NAMES = ("the image", "the  image", "_meta", "x:0", "x:1", "b", "B", "größe", "class", "self")
"""In no order, and as the inputs of one model."""


def infos(*names: str) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(each, (-1, 3), "float32") for each in names)


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_tensorflow_takes_stays(name: str) -> None:
    assert graph_names(infos(name)) == (name,)


def test_other_names_are_alike_and_apart_whatever_their_case() -> None:
    given = ("the image", "the  image", "_meta", "a/b", "a:b", "A", "a", "class", "self", "", "ü")
    found = graph_names(infos(*given))
    assert found[0] == "input_the_image"
    assert len({each.lower() for each in found}) == len(given)
    assert all(each.isascii() and each.isidentifier() for each in found)


@pytest.fixture(scope="module")
def model(keras: ModuleType) -> Any:
    """An output for each input, which shows what it was fed with."""
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((3,), name=each) for each in NAMES]
    return keras.Model(
        inputs, [keras.layers.Dense(3, name=f"d{at}")(x) for at, x in enumerate(inputs)]
    )


@pytest.mark.parametrize("road", ["int8 litert", "float onnx"])
def test_each_input_is_fed_under_the_name_that_the_user_gave(
    model: Any, road: str, host: Target, tmp_path: Path
) -> None:
    source = READER.recognise(model, surroundings())
    assert source is not None
    samples = {name: X * 2**at for at, name in reversed(list(enumerate(NAMES)))}
    lent = CaseData(EdgeData(calibration=samples))
    if road == "int8 litert":
        made, runtime = TO_LITERT.apply(source, PTQ(40), host, lent, tmp_path), XNNPACK
    else:
        made, runtime = TO_ONNX.apply(source, None, host, lent, tmp_path), OPTIMISED
    with RUNTIME.open(source) as reference, runtime.open(made.main) as runner:
        wanted, found = (
            each.infer(arrange(tuple(samples.values()), tuple(samples), each.inputs, "test"))
            for each in (reference, runner)
        )
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(one, other, atol=np.ptp(one) / 40)


def test_an_only_input_has_the_name_of_the_model_in_the_file(
    keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    image = keras.Input((3,), name="the image")
    source = READER.recognise(keras.Model(image, keras.layers.Dense(2)(image)), surroundings())
    assert source is not None
    made = TO_LITERT.apply(source, PTQ(40), host, CaseData(EdgeData(calibration=X)), tmp_path)
    with XNNPACK.open(made.main) as runner:
        assert [each.name for each in runner.inputs] == ["the image"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_the_keys_of_a_dict_of_outputs_are_their_names(
    request: pytest.FixtureRequest, family: str, host: Target, tmp_path: Path
) -> None:
    framework = request.getfixturevalue(family)
    x = framework.Input((3,))
    ends = {"scores": framework.layers.Dense(4)(x), "box": framework.layers.Dense(2)(x)}
    model = framework.Model(x, ends)
    path = tmp_path / "saved.keras"
    model.save(path)
    lent = CaseData(EdgeData(calibration=X))
    for given, folder in ((model, tmp_path / "live"), (path, tmp_path / "file")):
        folder.mkdir()
        source = READER.recognise(given, surroundings())
        assert source is not None
        with RUNTIME.open(source) as reference:
            assert [each.name for each in reference.outputs] == ["box", "scores"]
            assert [each.shape[-1] for each in reference.infer((X,))] == [2, 4]
        made = TO_LITERT.apply(source, PTQ(40), host, lent, folder)
        with XNNPACK.open(made.main) as runner:
            assert [each.name for each in runner.outputs] == ["box", "scores"]


def test_the_keys_are_the_names_of_an_onnx_file(
    keras: ModuleType, host: Target, tmp_path: Path
) -> None:
    x = keras.Input((3,))
    model = keras.Model(x, {"scores": keras.layers.Dense(4)(x), "box": keras.layers.Dense(2)(x)})
    source = READER.recognise(model, surroundings())
    assert source is not None
    made = TO_ONNX.apply(source, None, host, CaseData(EdgeData(calibration=X)), tmp_path)
    with OPTIMISED.open(made.main) as runner:
        assert [each.name for each in runner.outputs] == ["box", "scores"]
        assert [each.shape[-1] for each in runner.infer((X,))] == [2, 4]
