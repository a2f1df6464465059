"""What is read out of a file, against counts made by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.reader import READER
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.cpu_parts import cpu_parts
from pytest_edgegate.core.description import OperatorInfo
from pytest_edgegate.testing.contract import surroundings

Case = tuple[tuple[int, ...], str, dict[str, Any], str, int]
LAYERS: dict[str, Case] = {
    "same": (
        (9, 7, 3),
        "Conv2D",
        {"filters": 5, "kernel_size": 3, "padding": "same"},
        "CONV_2D",
        9 * 7 * 5 * 3 * 3 * 3,
    ),
    "valid": (
        (9, 7, 3),
        "Conv2D",
        {"filters": 5, "kernel_size": (3, 2)},
        "CONV_2D",
        7 * 6 * 5 * 3 * 2 * 3,
    ),
    "same, strides": (
        (9, 7, 3),
        "Conv2D",
        {"filters": 5, "kernel_size": 3, "padding": "same", "strides": 2},
        "CONV_2D",
        5 * 4 * 5 * 3 * 3 * 3,
    ),
    "valid, strides": (
        (9, 7, 3),
        "Conv2D",
        {"filters": 5, "kernel_size": 3, "strides": 2},
        "CONV_2D",
        4 * 3 * 5 * 3 * 3 * 3,
    ),
    "groups": (
        (9, 7, 4),
        "Conv2D",
        {"filters": 6, "kernel_size": 3, "groups": 2},
        "CONV_2D",
        7 * 5 * 6 * 3 * 3 * 2,
    ),
    "depthwise": (
        (9, 7, 3),
        "DepthwiseConv2D",
        {"kernel_size": 3, "strides": 2},
        "DEPTHWISE_CONV_2D",
        4 * 3 * 3 * 3 * 3,
    ),
    "depth multiplier": (
        (9, 7, 3),
        "DepthwiseConv2D",
        {"kernel_size": 3, "depth_multiplier": 2},
        "DEPTHWISE_CONV_2D",
        7 * 5 * 6 * 3 * 3,
    ),
    "dense": ((11,), "Dense", {"units": 4}, "FULLY_CONNECTED", 11 * 4),
    "dense on 2-D": ((6, 11), "Dense", {"units": 4}, "", 6 * 11 * 4),
    "transposed, same": (
        (5, 4, 3),
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"},
        "TRANSPOSE_CONV",
        5 * 4 * 3 * 3 * 3 * 2,
    ),
    "transposed, valid": (
        (5, 4, 3),
        "Conv2DTranspose",
        {"filters": 2, "kernel_size": 3},
        "TRANSPOSE_CONV",
        5 * 4 * 3 * 3 * 3 * 2,
    ),
}
"""By name: the shape it takes, the layer, the operator it becomes, MACs of one sample."""


@pytest.mark.parametrize("name", LAYERS)
def test_parameters_and_macs_of_a_layer(keras: Any, convert: Any, name: str) -> None:
    shape, layer, options, kind, macs = LAYERS[name]
    image = keras.Input(shape)
    # The converter drops a bias of zeros
    made = getattr(keras.layers, layer)(**options, bias_initializer="ones")
    model = keras.Model(image, made(image))
    described = INSPECTOR.describe(convert(model))
    assert described.parameters == model.count_params()
    assert described.macs == macs
    assert described.uncounted == ()
    assert not described.fully_quantized
    if kind:
        assert kind in [each.kind for each in described.operators]


def test_a_whole_model_before_and_after_quantisation(small: Any, files: dict[str, Path]) -> None:
    macs = 4 * 4 * 4 * 9 * 2 + 4 * 4 * 4 * 9 + 64 * 3
    for path in files.values():
        described = INSPECTOR.describe(path)
        assert described.parameters == small.count_params()
        assert described.macs == macs


def test_a_folded_batch_normalisation_leaves_one_bias_a_channel(keras: Any, convert: Any) -> None:
    image = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(image)
    model = keras.Model(image, keras.layers.ReLU()(keras.layers.BatchNormalization()(x)))
    described = INSPECTOR.describe(convert(model))
    assert [each.kind for each in described.operators] == ["CONV_2D"]
    assert described.parameters == 3 * 3 * 2 * 4 + 4
    assert described.operators[0].option("fused_activation") == 1


@pytest.mark.parametrize("kind", ["float", "uint8", "int8"])
def test_the_operators_are_those_that_the_interpreter_lists(
    files: dict[str, Path], kind: str
) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(files[kind]),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    listed = interpreter._get_ops_details()
    tensors = {each["index"]: each["name"] for each in interpreter.get_tensor_details()}
    found = INSPECTOR.describe(files[kind]).operators
    assert [each.kind for each in found] == [each["op_name"] for each in listed]
    assert [each.index for each in found] == [each["index"] for each in listed]
    assert [[tensor.name for tensor in each.outputs] for each in found] == [
        [tensors[at] for at in each["outputs"]] for each in listed
    ]


@pytest.mark.parametrize(("kind", "dtype"), [("uint8", "uint8"), ("int8", "int8")])
def test_the_ends_of_a_quantised_file(files: dict[str, Path], kind: str, dtype: str) -> None:
    described = INSPECTOR.describe(files[kind])
    [given], [result] = described.inputs, described.outputs
    assert (given.dtype, result.dtype) == (dtype, dtype)
    assert (given.shape, result.shape) == ((1, 6, 6, 2), (1, 3))
    assert len(given.scales) == len(given.zero_points) == 1
    assert result.scales == (1 / 256,)
    assert described.fully_quantized


def _weights(operator: OperatorInfo) -> Any:
    return operator.inputs[1]


def test_dense_weights_have_one_scale_on_coral_and_one_a_channel_on_the_host(
    files: dict[str, Path],
) -> None:
    for kind, per_channel in (("uint8", False), ("int8", True)):
        by_kind = {each.kind: each for each in INSPECTOR.describe(files[kind]).operators}
        assert _weights(by_kind["FULLY_CONNECTED"]).per_channel is per_channel
        assert _weights(by_kind["CONV_2D"]).per_channel
        assert len(_weights(by_kind["CONV_2D"]).scales) == 4


@pytest.mark.parametrize(("kind", "dtype"), [("float", "float32"), ("uint8", "int8")])
def test_a_tflite_file_stands_where_its_tensors_say(
    files: dict[str, Path], kind: str, dtype: str
) -> None:
    recognised = READER.recognise(files[kind], surroundings())
    assert recognised is not None
    assert recognised.node == ("litert", dtype)


@pytest.mark.parametrize("kind", ["float", "uint8", "int8"])
def test_taken_apart_and_put_together_a_file_says_the_same(
    files: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    again = tmp_path / "again.tflite"
    again.write_bytes(pack(unpack(files[kind])))
    assert INSPECTOR.describe(again) == INSPECTOR.describe(files[kind])


def test_weights_that_are_held_twice(keras: Any, convert: Any) -> None:
    """In another order; the converter holds those of one order once."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(64, 32)).astype(np.float32)
    for own, twice in ((table[::-1].T, table.nbytes), (table.T, 0), (table.T + 1, 0)):
        ids = keras.Input((4,), dtype="int32")
        embedding, head = keras.layers.Embedding(64, 32), keras.layers.Dense(64, use_bias=False)
        model = keras.Model(ids, head(keras.layers.Flatten()(embedding(ids))[:, :32]))
        embedding.set_weights([table])
        head.set_weights([own])
        assert INSPECTOR.held_twice(convert(model)).size_bytes == twice


def test_a_file_that_is_quantised_in_part_is_gated_as_it_is(
    tf: Any, files: dict[str, Path], tmp_path: Path
) -> None:
    """Key points: the best place of each channel, which TensorFlow has no integer form of."""

    def points(x: Any) -> Any:
        heat = tf.reshape(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), [1, 36, 4])
        return tf.cast(tf.argmax(heat, axis=1, output_type=tf.int32), tf.float32) / 36

    numbers = np.random.default_rng(0)
    kernel = tf.constant(numbers.normal(size=(3, 3, 2, 4)).astype(np.float32))
    spec = tf.TensorSpec((1, 6, 6, 2), name="image")
    with held_native_output():
        concrete = tf.function(points).get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        samples = numbers.random((8, 1, 6, 6, 2)).astype(np.float32)
        converter.representative_dataset = lambda: ([each] for each in samples)
        path = tmp_path / "points.tflite"
        path.write_bytes(converter.convert())
    described = INSPECTOR.describe(path)
    kinds = {each.kind for each in cpu_parts(described).operators}
    assert "ARG_MAX" in kinds
    assert not kinds & {"CONV_2D", "RESHAPE"}
    for made, node in ((path, "int8"), (files["int8"], "int8"), (files["float"], "float32")):
        assert READER.recognise(made, surroundings()).node == ("litert", node)
