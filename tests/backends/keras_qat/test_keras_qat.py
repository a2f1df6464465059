"""Keras models on their way into quantisation-aware training: carried over, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from math import nan
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import QAT, EdgeData, EdgeTraining
from pytest_edgegate.backends.keras.loading import from_keras_model
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.keras_qat.flat_graph import (
    FlatGraph,
    as_message,
    flat_graph,
    graph_from,
)
from pytest_edgegate.backends.keras_qat.layers import for_training
from pytest_edgegate.backends.keras_qat.twin import build_twin
from pytest_edgegate.backends.keras_qat.work import Work, check_twin
from pytest_edgegate.backends.litert.qat_from_keras import TRANSFORM
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM as TO_ONNX
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    CompressionError,
    ConfigurationError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import ChecksAhead
from pytest_edgegate.core.target import Target
from pytest_edgegate.testing.contract import CaseData, surroundings

Floats = npt.NDArray[np.float32]
IMAGES = np.random.default_rng(0).random((12, 8, 8, 3)).astype(np.float32)


def _zoo(layers: Any, x: Any, other: Any, keras: ModuleType) -> tuple[Any, Any]:
    """Most of what is carried over, a layer and a model that are called twice among it."""
    twice = layers.Conv2D(3, 3, padding="same", activation="relu")
    reused = keras.Sequential([keras.Input((8, 8, 3)), twice], name="reused")
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu6"),
            layers.SeparableConv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.SeparableConv2D(4, 3, 2, "same", depth_multiplier=2, activation="hard_silu"),
            layers.UpSampling2D(),
            layers.LeakyReLU(),
        ],
        name="inner",
    )
    x = inner(reused(layers.Rescaling(1 / 2, -0.25, name="scale")(x)))
    other = layers.Conv2D(4, 1)(twice(reused(other)))
    both = layers.Concatenate()([x + other, layers.Activation("silu")(other)])
    both = layers.Conv2DTranspose(4, 3, activation="relu")(layers.UpSampling2D()(both))
    both = layers.ZeroPadding2D()(layers.MaxPooling2D()(layers.Cropping2D()(both)))
    pooled = layers.GlobalMaxPooling2D(name="strongest")(layers.AveragePooling2D(2)(both))
    flat = layers.Flatten()(layers.Permute((3, 1, 2))(layers.SpatialDropout2D(0.1)(both)))
    hidden = layers.ReLU()(layers.BatchNormalization()(layers.Dense(6, use_bias=False)(flat)))
    return layers.Softmax(name="chance")(layers.Dense(3)(layers.Dropout(0.5)(hidden))), pooled


@pytest.fixture(scope="module")
def zoo(keras: ModuleType) -> Any:
    keras.utils.set_random_seed(0)
    given = {name: keras.Input((8, 8, 3), name=name) for name in ("right", "left")}
    chance, pooled = _zoo(keras.layers, given["left"], given["right"], keras)
    model = keras.Model(given, {"strongest": pooled, "chance": chance})
    random = np.random.default_rng(0)
    model.set_weights(
        [each + random.random(each.shape).astype(each.dtype) / 4 for each in model.get_weights()]
    )
    return model


def _twin(tf_keras: ModuleType, model: Any) -> Any:
    graph = for_training(flat_graph(from_keras_model(model)))
    return build_twin(tf_keras, graph_from(as_message(graph)))


def test_the_twin_in_tf_keras_computes_the_same(tf_keras: ModuleType, zoo: Any) -> None:
    right = IMAGES[::-1].copy()
    expected = zoo({"left": IMAGES, "right": right})
    chance, pooled = _twin(tf_keras, zoo)([IMAGES, right])
    np.testing.assert_allclose(chance, expected["chance"], rtol=0, atol=2e-6)
    np.testing.assert_allclose(pooled, expected["strongest"], rtol=1e-6, atol=2e-6)


def _gated(keras: ModuleType) -> Any:
    """Gates of all spellings: layers, activations of layers, operations with constants."""
    layers, ops = keras.layers, keras.ops
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, activation="hard_silu", name="swish")(image)
    x = layers.Activation("hard_sigmoid", name="sigmoid")(3.0 + x * 5) * x
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.ReLU(6.0)(layers.Conv2D(4, 1)(pooled) + 3.0) * (1 / 6)
    x = layers.Multiply(name="three")([x, gate, ops.hard_sigmoid(layers.Conv2D(4, 1)(pooled))])
    x = layers.Conv2D(4, 3, activation="hard_sigmoid")(x - np.float32(0.1)) / 0.05
    x = ops.add(ops.relu6(x), np.array([0.5, -1, 0.25, 0], np.float32))
    x = layers.Rescaling(0.5, -0.1, name="scale")(ops.hard_silu(x))
    x = layers.Subtract()([x, ops.multiply(x, x)]) - ops.relu(x)
    x = keras.activations.relu(x, negative_slope=0.1, max_value=2)
    flat = layers.Dense(6, activation="hard_swish")(layers.Flatten()(x))
    return keras.Model(image, ops.softmax(layers.Dense(3)(ops.silu(ops.leaky_relu(flat)))))


@pytest.mark.parametrize("hard_swish", [False, True])
def test_gates_of_all_spellings_compute_the_same(
    keras: ModuleType, tf_keras: ModuleType, hard_swish: bool
) -> None:
    keras.utils.set_random_seed(0)
    model = _gated(keras)
    graph = for_training(flat_graph(from_keras_model(model)), hard_swish=hard_swish)
    kinds = {each.kind for each in graph.layers.values()}
    assert ("HardSwish" in kinds) is hard_swish
    found = build_twin(tf_keras, graph_from(as_message(graph)))(IMAGES)
    np.testing.assert_allclose(found, model(IMAGES), rtol=0, atol=2e-6)


@pytest.mark.parametrize("minimalistic", [False, True])
def test_a_mobilenet_v3_computes_the_same(
    keras: ModuleType, tf_keras: ModuleType, mobile_net: Callable[..., Any], minimalistic: bool
) -> None:
    images = 255 * np.random.default_rng(0).random((16, 32, 32, 3), np.float32)
    model = mobile_net(keras, images, minimalistic=minimalistic)
    found, expected = _twin(tf_keras, model)(images), np.asarray(model(images))
    assert np.ptp(expected, axis=0).max() > 0.02
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_the_hard_sigmoid_of_keras_2_is_another_one(tf_keras: ModuleType) -> None:
    image = tf_keras.Input((8, 8, 3))
    x = tf_keras.layers.Conv2D(4, 3, activation="hard_sigmoid")(image)
    x = tf_keras.layers.Activation("hard_sigmoid")(tf_keras.layers.Conv2D(2, 3)(x))
    model = tf_keras.Model(image, x)
    images = 20 * IMAGES - 10
    np.testing.assert_allclose(_twin(tf_keras, model)(images), model(images), rtol=0, atol=2e-6)


def test_a_model_of_tf_keras_goes_straight_in(
    tf_keras: ModuleType, network: Callable[..., Any], digits: Any
) -> None:
    inner = network(tf_keras, activation=None, name="inner", dropout=0.1)
    image = tf_keras.Input((8, 8, 1), name="pixels")
    layers = tf_keras.layers
    both = layers.Add()([inner(image), layers.Dense(10)(layers.Flatten()(image))])
    model = tf_keras.Model(image, layers.Softmax()(layers.Activation("relu6")(both)))
    found = _twin(tf_keras, model)(digits.x[:9])
    np.testing.assert_allclose(found, model(digits.x[:9]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_a_dense_layer_computes_with_its_normalisation_in_it(
    keras: ModuleType, tf_keras: ModuleType, bias: bool, affine: bool
) -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.Dense(4, use_bias=bias)(keras.layers.Flatten()(image))
    x = keras.layers.BatchNormalization(scale=affine, center=affine)(x)
    model = keras.Model(image, x)
    random = np.random.default_rng(0)
    model.set_weights([random.random(each.shape) for each in model.get_weights()])
    found = _twin(tf_keras, model)(IMAGES)
    np.testing.assert_allclose(found, model(IMAGES), rtol=1e-5)


def test_a_dense_layer_takes_its_normalisation_into_its_weights(
    keras: ModuleType, zoo: Any
) -> None:
    kinds = [each.kind for each in for_training(flat_graph(from_keras_model(zoo))).layers.values()]
    assert kinds.count("BatchNormalization") == 1  # behind the convolution
    assert "Rescaling" not in kinds


def test_a_relu_is_computed_in_the_layer_that_it_alone_takes(keras: ModuleType) -> None:
    """There the weights are rounded in the training, and the output of the ReLU."""

    def build(layers: Any, x: Any) -> Any:
        x = layers.ReLU(6.0, name="six")(layers.Conv2D(2, 3)(x))
        x = layers.Activation("relu", name="named")(x + 1.0)
        x = layers.ReLU(5.0, name="five")(layers.Conv2D(2, 3)(x))
        x = layers.ReLU(name="normalised")(layers.BatchNormalization()(layers.Conv2D(2, 3)(x)))
        x = layers.ReLU(name="divided")(layers.SeparableConv2D(2, 1)(x))
        both = layers.Conv2D(2, 1)(x)
        x = layers.Add()([layers.ReLU(name="shared")(both), both])
        x = layers.Dense(2, use_bias=False)(layers.Flatten()(x))
        return layers.ReLU(name="folded")(layers.BatchNormalization()(x))

    layers = _flat(keras, build).layers.values()
    fused = {each.path: each.config for each in layers if each.kind == "FusedReLU"}
    assert fused == {"six": {"max_value": 6.0}, "named": {}, "divided": {}, "folded": {}}


def test_penalties_and_frozen_layers_are_carried_over(
    keras: ModuleType, tf_keras: ModuleType, network: Callable[..., Any]
) -> None:
    model = network(keras, penalty=0.1)
    model.get_layer("depthwise").trainable = False
    twin = _twin(tf_keras, model)
    assert float(twin.losses[0]) == pytest.approx(float(model.losses[0]), rel=1e-5)
    assert [each.name for each in twin.layers if not each.trainable] == ["depthwise"]


def test_a_twin_that_computes_otherwise_is_refused() -> None:
    check_twin([IMAGES], [IMAGES + np.float32(5e-5)], "digits")
    with pytest.raises(UnsupportedError, match=r"digits can't be carried over .* differ by 0\.0"):
        check_twin([IMAGES], [IMAGES + np.float32(2e-3)], "digits")
    with pytest.raises(UnsupportedError, match="differ by nan"):
        check_twin([IMAGES], [IMAGES * np.float32("nan")], "digits")


def _flat(keras: ModuleType, build: Callable[[Any, Any], Any]) -> FlatGraph:
    image = keras.Input((8, 8, 1), name="image")
    return for_training(
        flat_graph(from_keras_model(keras.Model(image, build(keras.layers, image))))
    )


def _model(layers: Any, name: str, layer: Any) -> Any:
    import keras

    return keras.Sequential([keras.Input((8, 8, 1)), layer], name=name)


def _ops() -> Any:
    import keras

    return keras.ops


def _taken_twice(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(2, 3)(x)
    return layers.Add()([layers.BatchNormalization(name="norm")(x), x])


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "a layer that is not known": (
        lambda layers, x: layers.LayerNormalization(name="norm")(layers.Conv2D(2, 3)(x)),
        r"the layer 'norm' \(LayerNormalization\)",
        "use BatchNormalization",
    ),
    "one inside a model": (
        lambda layers, x: _model(layers, "inner", layers.PReLU(name="curve"))(x),
        r"the layer 'inner/curve' \(PReLU\)",
        "PTQ()",
    ),
    "an activation": (
        lambda layers, x: layers.Conv2D(2, 3, activation="elu", name="conv")(x),
        r"the layer 'conv/elu'",
        "use one of hard_sigmoid, hard_silu, hard_swish, linear, relu",
    ),
    "an operation": (
        lambda layers, x: abs(layers.Conv2D(2, 3)(x)),
        r"the layer 'absolute.*' \(keras\.ops\.Absolute\)",
        "PTQ()",
    ),
    "a constant that something is taken from": (
        lambda layers, x: 1.0 - layers.Conv2D(2, 3)(x),
        r"the layer 'subtract.*' \(keras\.ops\.Subtract\)",
        "of a tensor and a constant",
    ),
    "a division by a tensor": (
        lambda layers, x: x / layers.Conv2D(1, 3, padding="same")(x),
        r"\(keras\.ops\.TrueDivide\)",
        "of two tensors",
    ),
    "a division by zero": (
        lambda layers, x: layers.Conv2D(2, 3)(x) / np.array([1, 0], np.float32),
        r"\(keras\.ops\.TrueDivide\)",
        "of two tensors",
    ),
    "a mask": (
        lambda layers, x: layers.Softmax(name="chance")(x, mask=x > 0),
        r"the layer 'chance' \(Softmax\) is called with more than tensors",
        "call it with its inputs alone",
    ),
    "a normalisation that nothing takes in": (
        lambda layers, x: layers.BatchNormalization(name="norm")(layers.MaxPooling2D()(x)),
        r"the layer 'norm'",
        "right behind a convolution",
    ),
    "a normalisation of what another layer takes too": (
        _taken_twice,
        r"the layer 'norm'",
        "right behind",
    ),
    "joined scales that TFLite fixes": (
        lambda layers, x: layers.Concatenate(name="join")(
            [layers.Conv2D(2, 3, activation="tanh", name="odd")(x), layers.Conv2D(2, 3)(x)]
        ),
        r"the layer 'join' \(Concatenate\)",
        "than the output of 'odd' (tanh)",
    ),
    "joined scales of an operation": (
        lambda layers, x: layers.Concatenate(name="join")(
            [_ops().sigmoid(layers.Conv2D(2, 3)(x)), layers.Conv2D(2, 3)(x)]
        ),
        r"the layer 'join' \(Concatenate\)",
        "(sigmoid)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_trained_is_refused_by_name(keras: ModuleType, case: str) -> None:
    build, message, remedy = REFUSED[case]
    with pytest.raises(UnsupportedError, match=message) as raised:
        _flat(keras, build)
    assert remedy in raised.value.remedy


class NoProcess(CaseData):
    """Fails where a process is started: what is refused is refused before that."""

    def process(self, entry: str) -> Any:
        raise AssertionError("a process was started")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"loss": lambda labels, outputs: outputs},
            "the loss of edge_training is your own function",
        ),
        ({"optimizer": lambda lr: lr}, "the optimizer of edge_training is your own function"),
        ({"loss": "mse"}, r"labels of shape \(256,\) do not fit outputs of shape \(256, 10\)"),
    ],
    ids=["loss", "optimizer", "labels"],
)
def test_settings_that_can_not_be_kept_are_refused_before_any_work(
    network: Callable[..., Any],
    keras: ModuleType,
    digits: Any,
    coral: Target,
    tmp_path: Path,
    settings: dict[str, Any],
    message: str,
) -> None:
    source = READER.recognise(network(keras), surroundings())
    assert source is not None
    data = NoProcess(digits.data, training=EdgeTraining(version="1", **settings))
    with pytest.raises(ConfigurationError, match=message):
        TRANSFORM.apply(source, QAT(), coral, data, tmp_path)
    for transform in (TRANSFORM, TO_ONNX):  # ahead of the trainings of earlier legs
        with pytest.raises(ConfigurationError, match=message):
            transform.check(source, QAT(), coral, data)


def test_labels_out_of_range_are_refused_before_any_work(
    network: Callable[..., Any], keras: ModuleType, digits: Any, coral: Target, tmp_path: Path
) -> None:
    source = READER.recognise(network(keras, classes=7), surroundings())
    assert source is not None
    with pytest.raises(ConfigurationError, match="labels go from 0 to 9, but the model has 7"):
        TRANSFORM.apply(source, QAT(), coral, NoProcess(digits.data), tmp_path)


def test_ends_of_other_dtypes_are_refused(
    keras: ModuleType, digits: Any, coral: Target, tmp_path: Path
) -> None:
    image = keras.Input((8, 8, 1), dtype="uint8", name="pixels")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    source = READER.recognise(keras.Model(image, keras.layers.Dense(10)(x)), surroundings())
    assert source is not None
    with pytest.raises(UnsupportedError, match=r"the input 'pixels' of .* is uint8"):
        TRANSFORM.apply(source, QAT(), coral, NoProcess(digits.data), tmp_path)


def test_several_outputs_are_refused(
    keras: ModuleType, digits: Any, coral: Target, tmp_path: Path
) -> None:
    image = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(image)
    model = keras.Model(image, [keras.layers.Dense(10)(flat), keras.layers.Dense(2)(flat)])
    source = READER.recognise(model, surroundings())
    assert source is not None
    with pytest.raises(UnsupportedError, match="has 2 outputs") as raised:
        TRANSFORM.apply(source, QAT(), coral, NoProcess(digits.data), tmp_path)
    assert "PTQ()" in raised.value.remedy


@pytest.mark.parametrize("transform", [TRANSFORM, TO_ONNX], ids=["litert", "onnx"])
def test_what_an_earlier_training_would_be_in_vain_for_is_told_ahead(
    network: Callable[..., Any], keras: ModuleType, digits: Any, coral: Target, transform: Any
) -> None:
    image = keras.Input((8, 8, 1))
    x = keras.layers.GroupNormalization(2, name="groups")(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, keras.layers.Dense(10)(keras.layers.Flatten()(x)))
    refused = READER.recognise(model, surroundings())
    taken = READER.recognise(network(keras), surroundings())
    assert refused is not None
    assert taken is not None
    assert isinstance(transform, ChecksAhead)
    with pytest.raises(UnsupportedError, match=r"the layer 'groups' \(GroupNormalization\)"):
        transform.check(refused, QAT(), coral, NoProcess(digits.data))
    unlabelled = NoProcess(EdgeData(train=(digits.x, None), evaluation=digits.data.evaluation))
    with pytest.raises(ConfigurationError, match=r"edge_data\.train has no labels"):
        transform.check(taken, QAT(), coral, unlabelled)
    transform.check(taken, QAT(), coral, NoProcess(digits.data))


@pytest.mark.parametrize("package", ["tensorflow-model-optimization", "tf-keras", "tf2onnx"])
def test_a_missing_package_is_told_ahead(
    network: Callable[..., Any],
    keras: ModuleType,
    digits: Any,
    coral: Target,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = READER.recognise(network(keras), surroundings())
    assert source is not None

    def find(name: str) -> object:
        return None if name == package.replace("-", "_") else object()

    monkeypatch.setattr("pytest_edgegate.backends.keras_qat.work.find_spec", find)
    monkeypatch.setattr("pytest_edgegate.backends.onnx.qat_from_keras.find_spec", find)
    with pytest.raises(BackendUnavailableError, match=package):
        TO_ONNX.check(source, QAT(), coral, NoProcess(digits.data))


def test_a_file_that_gives_other_rows_is_no_file_of_many_classes(
    network: Callable[..., Any], keras: ModuleType, digits: Any
) -> None:
    """Sure of one of 1000 classes each: in steps of 1/256, most scores are zero in any order."""
    loaded = from_keras_model(network(keras, classes=1000))
    work = Work("digits", loaded, NoProcess(digits.data), QAT())
    random = np.random.default_rng(0)
    rows = np.eye(1000, dtype=np.float32)[random.integers(1000, size=256)]
    assert work.agreement([rows], [rows], [1 / 256], "a.tflite")["same_best"] == 1
    with pytest.raises(CompressionError, match=r"a\.tflite does not compute .* same best class"):
        work.agreement([random.permutation(rows)], [rows], [1 / 256], "a.tflite")


def test_one_sample_may_change_its_class_from_end_to_end(
    network: Callable[..., Any], keras: ModuleType, digits: Any
) -> None:
    """A network that is sure of all gives 0 and 256 steps: roundings turn one sample of many."""
    work = Work("digits", from_keras_model(network(keras)), NoProcess(digits.data), QAT())
    made = np.eye(10, dtype=np.float32)[np.arange(200) % 10]
    rows = made * np.float32(1.0000002)  # of a softmax in float32
    made[0] = made[1]
    found = work.agreement([made], [rows], [1 / 256], "a.tflite")
    assert 256 < found["largest_steps"] < 256.1
    assert found["same_best"] == 0.995


@pytest.mark.parametrize(
    ("file", "kernels", "agrees"),
    [(2.5, None, True), (4.5, 5.0, True), (4.5, 3.5, False), (9.0, 9.5, False), (4.5, nan, False)],
)
def test_a_file_may_lie_as_far_from_its_simulation_as_its_kernels_from_each_other(
    network: Callable[..., Any],
    keras: ModuleType,
    digits: Any,
    file: float,
    kernels: float | None,
    agrees: bool,
) -> None:
    """Deep networks carry every rounding on, and no simulation rounds as a kernel does."""
    work = Work("digits", from_keras_model(network(keras)), NoProcess(digits.data), QAT())
    program = np.random.default_rng(0).normal(scale=90, size=(len(work.seen[0]), 10))
    asked = []

    def other_kernels(inputs: tuple[Any, ...]) -> list[Any]:
        asked.append(len(inputs[0]))
        assert kernels is not None
        return [program[: len(inputs[0])] + file + kernels]

    taken = ([program + file], [program], [1.0], "a.tflite", other_kernels)
    if not agrees:
        with pytest.raises(CompressionError, match=rf"a\.tflite does not compute .* {file:.3g} on"):
            work.agreement(*taken)
        return
    found = work.agreement(*taken)
    assert found.get("mean_steps_between_kernels") == kernels
    assert asked == ([] if kernels is None else [32])


@pytest.mark.parametrize("other", ["noise", "constants"])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_kernels_that_are_far_apart_excuse_no_other_file(
    network: Callable[..., Any], keras: ModuleType, digits: Any, other: str, classes: int
) -> None:
    loaded = from_keras_model(network(keras, classes=classes))
    train = (digits.x, digits.y % classes)
    work = Work("digits", loaded, NoProcess(EdgeData(train=train)), QAT())
    random = np.random.default_rng(0)
    shape = (len(work.seen[0]), classes)
    program = random.normal(scale=6, size=shape)
    made = random.normal(scale=6, size=shape) if other == "noise" else np.zeros(shape)

    def other_kernels(inputs: tuple[Any, ...]) -> list[Any]:
        return [made[: len(inputs[0])] + 7]

    assert np.abs(made - program).mean() < 8
    with pytest.raises(CompressionError, match="does not compute what"):
        work.agreement([made], [program], [1.0], "a.tflite", other_kernels)
