"""Keras models as OpenVINO IR, by OpenVINO's own reader of TensorFlow's graphs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.keras.reader import READER as KERAS
from pytest_edgegate.backends.keras.runtime import RUNTIME as REFERENCE
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.openvino.compress import TRANSFORM as COMPRESS
from pytest_edgegate.backends.openvino.from_keras import TRANSFORM
from pytest_edgegate.backends.openvino.inspector import INSPECTOR
from pytest_edgegate.backends.openvino.reader import READER
from pytest_edgegate.backends.openvino.runtime import RUNTIME
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.contract import when_executed
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]
RNG = np.random.default_rng(4)


def drawn(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.fixture
def export(tmp_path: Path, board: Target) -> Callable[..., Path]:
    def apply(candidate: Any, *arrays: Array, atol: float = 1e-5) -> Path:
        """With arrays in the order of the model's inputs; names and values are compared."""
        model = KERAS.recognise(candidate, surroundings())
        assert model is not None
        made = TRANSFORM.apply(model, None, board, CaseData(EdgeData()), tmp_path)
        with REFERENCE.open(model) as reference, RUNTIME.open(made.main) as runner:
            for given, taken in zip(runner.inputs, reference.inputs, strict=True):
                assert given.name == taken.name
                assert (given.shape, given.dtype) == (taken.shape, taken.dtype)
            assert [each.name for each in runner.outputs] == [e.name for e in reference.outputs]
            found = list(zip(runner.infer(arrays), reference.infer(arrays), strict=True))
        for one, other in found:
            np.testing.assert_allclose(one, other, atol=atol)
            assert len(np.unique(one)) > 2
        return made.main

    return apply


@pytest.mark.parametrize("form", ["live", ".keras", ".h5", "SavedModel"])
def test_every_form_of_a_model(
    keras: ModuleType, network: Any, tmp_path: Path, export: Any, form: str
) -> None:
    model = network(keras, activation=None)
    path = tmp_path / f"model{form if form[0] == '.' else ''}"
    with held_native_output():
        if form == "SavedModel":
            model.export(path, verbose=False)
        elif form != "live":
            model.save(path)
    export(model if form == "live" else path, drawn(7, 8, 8, 1))


def test_a_model_of_tf_keras(tf_keras: ModuleType, network: Any, export: Any) -> None:
    export(network(tf_keras, activation=None), drawn(7, 8, 8, 1))


def test_several_inputs_and_outputs(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    z, a = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    both = layers.Dense(3, name="wide")(layers.Subtract()([z, a]))
    outputs = [layers.Dense(2, name="second")(both), both]
    path = export(keras.Model([z, a], outputs, name="several"), drawn(5, 4), drawn(5, 4))
    described = INSPECTOR.describe(path)
    assert [each.name for each in described.inputs] == ["z", "a"]
    assert [each.name for each in described.outputs] == ["second", "wide"]


def test_ends_of_a_dict(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    z, a = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    outputs = {"y": keras.layers.Dense(3)(z - 2 * a), "b": z + a}
    export(keras.Model({"z": z, "a": a}, outputs, name="by"), drawn(5, 4), drawn(5, 4))


def test_names_that_tensorflow_changes(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="my input")
    export(keras.Model(x, keras.layers.Dense(3, name="class")(x)), drawn(5, 4))


def test_integer_inputs(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    words = keras.Input((6,), dtype="int32", name="words")
    made = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 4)(words))
    export(keras.Model(words, made, name="words"), RNG.integers(0, 20, (5, 6)).astype(np.int32))


def test_sizes_that_are_free(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3), name="image")
    made = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(image))
    export(keras.Model(image, made, name="any"), drawn(3, 9, 7, 3))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Bidirectional", "masked", "free steps"])
def test_recurrent_layers(keras: ModuleType, export: Any, kind: str) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    series = keras.Input((None if kind == "free steps" else 5, 3), name="series")
    recurrent = layers.GRU(4) if kind == "GRU" else layers.LSTM(4)
    if kind == "Bidirectional":
        recurrent = layers.Bidirectional(recurrent)
    x = layers.Masking(0.0)(series) if kind == "masked" else series
    samples = drawn(6, 5, 3)
    samples[2:, 3:] = 0
    model = keras.Model(series, layers.Dense(2)(recurrent(x)), name="loop")
    path = export(model, samples)
    first = path.read_bytes()
    assert export(model, samples).read_bytes() == first  # OpenVINO counts what is in loops, too
    kinds = {each.kind for each in INSPECTOR.describe(path).operators}
    loop = kind in ("GRU", "masked")
    assert ("Loop" in kinds, "LSTMSequence" in kinds) == (loop, not loop)


def test_a_recurrent_layer_between_several_ends(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    z, a = keras.Input((5, 3), name="z"), keras.Input((5, 3), name="a")
    made = keras.layers.LSTM(4, name="both")(z - 2 * a)
    model = keras.Model([z, a], [keras.layers.Dense(2, name="second")(made), made], name="several")
    export(model, drawn(6, 5, 3), drawn(6, 5, 3))


def test_an_output_that_is_an_input_and_one_that_comes_twice(
    keras: ModuleType, export: Any
) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    made = keras.layers.Dense(3, name="scores")(x)
    export(keras.Model(x, [x, made, made], name="twice"), drawn(5, 4))


def test_float16_stays_float16(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    x = keras.Input((8,), name="x")
    model = keras.Model(x, keras.layers.Dense(3, dtype="float16")(x), name="half")
    path = export(model, drawn(5, 8), atol=5e-3)
    assert [each.dtype for each in INSPECTOR.describe(path).outputs] == ["float16"]


@pytest.fixture(scope="module")
def mobile(keras: ModuleType) -> Any:
    """MobileNetV3 for small images: depthwise convolutions, some behind a padding, and gates."""
    with held_native_output():
        keras.utils.set_random_seed(0)
        make = keras.applications.MobileNetV3Small
        return make(input_shape=(32, 32, 3), weights=None, classes=5, classifier_activation=None)


@pytest.mark.slow
def test_depthwise_convolutions_run_in_int8(mobile: Any, tmp_path: Path, board: Target) -> None:
    images = (RNG.random((8, 32, 32, 3)) * 255).astype(np.float32)
    model = KERAS.recognise(mobile, surroundings())
    assert model is not None
    data = CaseData(EdgeData(calibration=images))
    floats = TRANSFORM.apply(model, None, board, data, tmp_path)
    kinds = [each.kind for each in INSPECTOR.describe(floats.main).operators]
    assert kinds.count("GroupConvolution") == 11
    assert kinds.count("Transpose") == 1  # of the input: OpenVINO convolves with channels first
    source = READER.recognise(floats.main, surroundings())
    assert source is not None
    (tmp_path / "int8").mkdir()
    made = COMPRESS.apply(source, PTQ(8), board, data, tmp_path / "int8")
    executed = RUNTIME.executed(made.main, (images[:1],))
    assert executed is not None
    assert list(when_executed(executed, "int8", board)) == []


def refusal(model: Any, board: Target, out: Path) -> UnsupportedError:
    source = KERAS.recognise(model, surroundings())
    assert source is not None
    with pytest.raises(UnsupportedError) as raised:
        TRANSFORM.apply(source, None, board, CaseData(EdgeData()), out)
    assert raised.value.remedy
    return raised.value


def test_a_layer_that_openvino_does_not_have(
    keras: ModuleType, tf: ModuleType, board: Target, tmp_path: Path, capfd: Any
) -> None:
    @keras.saving.register_keras_serializable("edgegate_openvino_test")
    class Bessel(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return tf.math.special.bessel_j0(x)

    image = keras.Input((4,), name="image")
    model = keras.Model(image, Bessel(name="odd_layer")(image), name="odd")
    assert "odd has the operator BesselJ0 (" in (said := refusal(model, board, tmp_path).message)
    assert "odd_layer" in said
    assert capfd.readouterr() == ("", "")


def test_bfloat16_and_state_are_refused(keras: ModuleType, board: Target, tmp_path: Path) -> None:
    x = keras.Input((8,), name="x")
    half = keras.Model(x, keras.layers.Dense(3, dtype="bfloat16")(x), name="half")
    assert "computes in bfloat16" in refusal(half, board, tmp_path).message
    series = keras.Input(batch_shape=(1, 5, 3))
    kept = keras.Model(series, keras.layers.LSTM(4, stateful=True)(series), name="kept")
    assert "keeps state between calls" in refusal(kept, board, tmp_path).message


PROGRAM = """
import hashlib, os, sys
from pathlib import Path
import openvino_telemetry.utils.sender as sender
sent, before = [], dict(os.environ)
sender.TelemetrySender.send = lambda *given, **more: sent.append(given)
from pytest_edgegate import EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.openvino.from_keras import TRANSFORM
from pytest_edgegate.testing.contract import CaseData, surroundings
model = READER.recognise(Path(sys.argv[1]), surroundings())
made = TRANSFORM.apply(model, None, None, CaseData(EdgeData()), Path(sys.argv[2]))
digests = [hashlib.sha256(each.read_bytes()).hexdigest() for each in made.files]
print(*digests, len(sent), "CI" in os.environ)
"""


@pytest.mark.slow
def test_the_same_bytes_in_another_process_which_reports_nothing(
    keras: ModuleType, network: Any, board: Target, tmp_path: Path
) -> None:
    """This one has converted other models before."""
    with held_native_output():
        network(keras).save(tmp_path / "digits.keras")
    model = KERAS.recognise(tmp_path / "digits.keras", surroundings())
    assert model is not None
    made = TRANSFORM.apply(model, None, board, CaseData(EdgeData()), tmp_path)
    here = [hashlib.sha256(each.read_bytes()).hexdigest() for each in made.files]
    (tmp_path / "there").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.endswith("CI")}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "digits.keras", tmp_path / "there"],
        check=True,
        capture_output=True,
        text=True,
        env={**environment, "PYTHONHASHSEED": "7"},
    )
    assert ran.stdout.split() == [*here, "0", "False"]
