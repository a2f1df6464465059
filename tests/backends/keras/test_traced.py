"""The graph of a live model, written down: what is converted of it has the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras.traced import READER as TRACED
from pytest_edgegate.backends.litert.from_keras import TRANSFORM
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM as TO_ONNX
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import GraphBatch, HasGraph, SourceModel, TakesGraphs
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.testing.contract import CaseData, surroundings


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


def several(keras: Any) -> Any:
    """Two inputs and two outputs, whose names are not in the order of the alphabet."""
    keras.utils.set_random_seed(0)
    image, numbers = keras.Input((4, 4, 1), name="z"), keras.Input((3,), name="a")
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, activation="relu")(image))
    one = keras.layers.Dense(5, name="two")(keras.layers.Concatenate()([x, numbers]))
    return keras.Model([image, numbers], [one, keras.layers.Dense(2, name="one")(x)], name="net")


def data() -> EdgeData:
    random = np.random.default_rng(0)
    return EdgeData(
        calibration={
            "z": random.random((20, 4, 4, 1), np.float32),
            "a": random.random((20, 3), np.float32),
        }
    )


def live(model: Any) -> SourceModel:
    found = READER.recognise(model, surroundings())
    assert found is not None
    return found


def traced(model: SourceModel, folder: Path, batch: GraphBatch = GraphBatch.ONE) -> SourceModel:
    folder.mkdir()
    assert isinstance(model, HasGraph)
    model.write_graph(folder, batch)
    found = TRACED.recognise(folder, surroundings())
    assert found is not None
    return found


def converted(
    model: SourceModel, step: Step | None, out: Path, samples: EdgeData | None = None
) -> bytes:
    out.mkdir()
    made = TRANSFORM.apply(model, step, built_in()["coral"], CaseData(samples or data()), out)
    assert made.main.name == "net.tflite"
    return made.main.read_bytes()


@pytest.mark.parametrize("step", [None, PTQ(20), Cast()], ids=str)
def test_a_file_has_the_same_bytes(keras: Any, step: Step | None, tmp_path: Path) -> None:
    model = live(several(keras))
    graph = traced(model, tmp_path / "graph")
    assert (graph.name, graph.node) == (model.name, model.node)
    assert isinstance(TRANSFORM, TakesGraphs)
    here, there = (
        converted(each, step, tmp_path / name) for each, name in ((model, "here"), (graph, "there"))
    )
    assert here == there


def test_inputs_and_outputs_are_the_models(keras: Any, tmp_path: Path) -> None:
    model = live(several(keras))
    one, other = model.load(), traced(model, tmp_path / "graph").load()
    assert (other.inputs, other.outputs, other.notes) == (one.inputs, one.outputs, one.notes)


def memory(keras: Any) -> Any:
    keras.utils.set_random_seed(0)
    steps = keras.Input((4, 2), name="x")
    return keras.Model(steps, keras.layers.LSTM(2, name="memory")(steps), name="net")


STEPS = EdgeData(calibration=np.random.default_rng(0).random((20, 4, 2), np.float32))


@pytest.mark.parametrize("step", [None, PTQ(20)], ids=str)
def test_a_recurrent_model_is_unrolled_where_it_is_traced(
    keras: Any, step: Step | None, tmp_path: Path
) -> None:
    """The other process has no layers to unroll: it gets both forms."""
    model = live(memory(keras))
    graph = traced(model, tmp_path / "graph")
    here = converted(model, step, tmp_path / "here", STEPS)
    there = converted(graph, step, tmp_path / "there", STEPS)
    assert here == there
    own, theirs = (each.load().unrolled for each in (model, graph))
    assert own is not None
    assert theirs is not None
    one, other = own(), theirs()
    assert (one.layers, one.steps) == (other.layers, other.steps) == (("memory",), 4)


def test_a_model_without_recurrent_layers_has_one_form(keras: Any, tmp_path: Path) -> None:
    model = live(several(keras))
    assert model.load().unrolled is None
    assert traced(model, tmp_path / "graph").load().unrolled is None
    assert not [each for each in (tmp_path / "graph").iterdir() if each.is_dir()]


def test_a_graph_for_any_batch_keeps_its_loops(keras: Any, tmp_path: Path) -> None:
    """Only int8 LiteRT needs the form without, and it is traced for one sample."""
    graph = traced(live(memory(keras)), tmp_path / "graph", GraphBatch.FREE)
    assert graph.load().unrolled is None


def test_loops_are_refused_of_the_graph_too(keras: Any, tmp_path: Path) -> None:
    ops = keras.ops

    class Summed(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return ops.while_loop(
                lambda at, _: at < 4, lambda at, total: (at + 1, total + x[:, at]), (0, x[:, 0])
            )[1]

    steps = keras.Input((4, 2))
    model = live(keras.Model(steps, keras.layers.GRU(2)(Summed()(steps)[:, None]), name="net"))
    told = []
    for each, name in ((model, "here"), (traced(model, tmp_path / "graph"), "there")):
        with pytest.raises(UnsupportedError, match="loops") as raised:
            converted(each, PTQ(), tmp_path / name, STEPS)
        told.append(str(raised.value))
    assert told[0] == told[1]


def test_a_graph_of_free_sizes_is_not_written(keras: Any, tmp_path: Path) -> None:
    image = keras.Input((None, None, 1))
    model = live(keras.Model(image, keras.layers.Conv2D(2, 3)(image)))
    with pytest.raises(UnsupportedError, match="dynamic shape"):
        traced(model, tmp_path / "graph")


def recurrent(keras: Any) -> Any:
    keras.utils.set_random_seed(0)
    series = keras.Input((5, 3))
    x = keras.layers.LSTM(4, return_sequences=True)(series)
    x = keras.layers.Bidirectional(keras.layers.GRU(3))(x)
    return keras.Model(series, keras.layers.Dense(2)(x), name="net")


def of_any_size(keras: Any) -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 1))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3, padding="same")(image))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x), name="net")


def looped(keras: Any) -> Any:
    """A loop whose body reads a tensor from outside."""
    keras.utils.set_random_seed(0)
    series = keras.Input((5, 3), name="series")
    x = keras.layers.SimpleRNN(4, name="rnn")(series)
    return keras.Model(series, keras.layers.Dense(2)(x), name="net")


def with_onnx(model: SourceModel, out: Path) -> bytes:
    out.mkdir()
    made = TO_ONNX.apply(model, None, built_in()["onnx-cpu"], CaseData(EdgeData()), out)
    assert made.main.name == "net.onnx"
    return made.main.read_bytes()


@pytest.mark.parametrize(
    "make", [several, recurrent, of_any_size, looped], ids=lambda make: make.__name__
)
def test_an_onnx_file_has_the_same_bytes(keras: Any, make: Any, tmp_path: Path) -> None:
    model = live(make(keras))
    graph = traced(model, tmp_path / "graph", GraphBatch.FREE)
    assert with_onnx(graph, tmp_path / "there") == with_onnx(model, tmp_path / "here")


def test_messages_about_onnx_name_the_layer(keras: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    class Bessel(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return tf.math.special.bessel_j0(x)

    image, told = keras.Input((4,), name="image"), []
    model = live(keras.Model(image, Bessel(name="odd_layer")(image), name="net"))
    graph = traced(model, tmp_path / "graph", GraphBatch.FREE)
    for each, name in ((model, "here"), (graph, "there")):
        with pytest.raises(UnsupportedError, match="odd_layer") as raised:
            with_onnx(each, tmp_path / name)
        told.append(str(raised.value))
    assert told[0] == told[1]
