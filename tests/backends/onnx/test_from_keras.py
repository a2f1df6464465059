"""Keras models as .onnx files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.runtime import RUNTIME
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

RNG = np.random.default_rng(4)


@pytest.fixture
def export(tmp_path: Path, cpu: Target) -> Callable[..., Path]:
    def apply(candidate: Any, *arrays: np.ndarray) -> Path:
        """With arrays in the order of the model's inputs; its values are compared."""
        model = READER.recognise(candidate, surroundings())
        assert model is not None
        made = TRANSFORM.apply(model, None, cpu, CaseData(EdgeData()), tmp_path)
        with RUNTIME.open(model) as reference, OPTIMISED.open(made.main) as runner:
            assert [e.name for e in runner.inputs] == [e.name for e in reference.inputs]
            assert [e.name for e in runner.outputs] == [e.name for e in reference.outputs]
            assert all(each.shape[0] == -1 for each in runner.inputs)
            found = list(zip(runner.infer(arrays), reference.infer(arrays), strict=True))
        for one, other in found:
            np.testing.assert_allclose(one, other, atol=1e-4)
            assert len(np.unique(one)) > 2
        return made.main

    return apply


@pytest.mark.parametrize("kind", ["live", "keras", "h5", "SavedModel", "live tf-keras"])
def test_values(models: dict[str, Any], samples: Any, export: Any, kind: str) -> None:
    export(models[kind], samples)


def test_a_plain_file(models: dict[str, Any], samples: Any, onnx: ModuleType, export: Any) -> None:
    path = export(models["live"], samples)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert next(each.version for each in model.opset_import if not each.domain) == 18
    for end in (*model.graph.input, *model.graph.output):
        assert end.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert b"/" + b"work" not in path.read_bytes()
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_several_inputs_and_outputs(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    z, a = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    both = layers.Dense(3, name="wide")(layers.Subtract()([z, a]))
    model = keras.Model([z, a], [layers.Dense(2, name="second")(both), both], name="several")
    export(model, *RNG.normal(size=(2, 5, 4)).astype(np.float32))


def test_inputs_of_a_dict(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    z, a = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    model = keras.Model({"z": z, "a": a}, {"y": layers.Dense(3)(z - 2 * a), "b": z + a}, name="by")
    recognised = READER.recognise(model, surroundings())
    assert recognised is not None
    export(model, *RNG.normal(size=(len(recognised.load().inputs), 5, 4)).astype(np.float32))


def test_integer_inputs(keras: ModuleType, export: Any) -> None:
    keras.utils.set_random_seed(0)
    words = keras.Input((6,), dtype="int32", name="words")
    made = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 4)(words))
    path = export(
        keras.Model(words, made, name="words"), RNG.integers(0, 20, (5, 6)).astype(np.int32)
    )
    with OPTIMISED.open(path) as runner:
        assert runner.inputs[0].dtype == "int32"


def test_a_loop_with_captured_tensors(keras: ModuleType, onnx: ModuleType, export: Any) -> None:
    """The body of a loop reads tensors from outside: they are renamed in it, too."""
    keras.utils.set_random_seed(0)
    series = keras.Input((5, 3), name="series")
    made = keras.layers.Dense(2)(keras.layers.SimpleRNN(4, name="rnn")(series))
    model, x = keras.Model(series, made, name="loop"), RNG.normal(size=(6, 5, 3))
    first = export(model, x.astype(np.float32)).read_bytes()
    path = export(model, x.astype(np.float32))
    assert path.read_bytes() == first
    bodies = [
        attribute.g
        for node in onnx.load(path).graph.node
        for attribute in node.attribute
        if attribute.HasField("g")
    ]
    assert bodies
    assert all(each.name == "body" for each in bodies)


def test_a_layer_that_onnx_does_not_have(
    keras: ModuleType, tf: ModuleType, export: Any, capfd: Any
) -> None:
    @keras.saving.register_keras_serializable("edgegate_onnx_test")
    class Bessel(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return tf.math.special.bessel_j0(x)

    image = keras.Input((4,), name="image")
    model = keras.Model(image, Bessel(name="odd_layer")(image), name="odd")
    with pytest.raises(EdgeGateError) as raised:
        export(model, RNG.normal(size=(3, 4)).astype(np.float32))
    assert "BesselJ0" in raised.value.message
    assert "odd_layer" in raised.value.message
    assert raised.value.remedy
    assert capfd.readouterr() == ("", "")


PROGRAM = """
import hashlib, sys
from pathlib import Path
from pytest_edgegate import EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

model = READER.recognise(Path(sys.argv[1]), surroundings())
target = Registry().get("target", "onnx-cpu")
made = TRANSFORM.apply(model, None, target, CaseData(EdgeData()), Path(sys.argv[2])).main
print(hashlib.sha256(made.read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_bytes_in_another_process(
    another_process: Any, saved: dict[str, Path], samples: Any, export: Any, tmp_path: Path
) -> None:
    """This one has converted other models before."""
    here = hashlib.sha256(export(saved["keras"], samples).read_bytes()).hexdigest()
    (tmp_path / "there").mkdir()
    assert another_process(PROGRAM, saved["keras"], tmp_path / "there") == here
