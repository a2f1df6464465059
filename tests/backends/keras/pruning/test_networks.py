"""Networks of every kind of layer: what is removed is what would be masked, and what stays is told.

Every layer has 10 filters unless it says otherwise, so that 30 % are 3.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.keras.copying import copied
from pytest_edgegate.backends.keras.pruning.choosing import Cutback
from pytest_edgegate.backends.keras.pruning.pruned import prune

Network = Callable[[Any, Any], Any]
"""(keras, keras.layers) -> a model."""

NETWORKS: dict[str, tuple[Network, dict[str, str]]] = {}
"""By name: a network, and of every layer with a kernel that loses nothing a word of the reason."""

HEAD = {"head": "makes an output of the model"}


def network(**kept: str) -> Callable[[Network], Network]:
    def add(build: Network) -> Network:
        NETWORKS[build.__name__.strip("_")] = (build, HEAD | kept)
        return build

    return add


def classified(keras: Any, image: Any, x: Any, *, flat: bool = False) -> Any:
    layers = keras.layers
    x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, activation="softmax", name="head")(x))


@network()
def _sequential(keras: Any, layers: Any) -> Any:
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Rescaling(2.0),
            layers.Conv2D(10, 3, name="a"),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.1),
            layers.MaxPooling2D(),
            layers.Conv2D(10, 2, activation="gelu", use_bias=False, name="b"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(10, "relu", name="c"),
            layers.Dense(3, name="head"),
        ]
    )


@network()
def _residual(keras: Any, layers: Any) -> Any:
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(10, 3, padding="same", name="a")(image)
    for name in ("b", "c"):
        y = layers.Conv2D(20, 3, padding="same", activation="relu", name=f"{name}1")(x)
        y = layers.Conv2D(10, 3, padding="same", use_bias=False, name=f"{name}2")(y)
        x = layers.Add()([x, layers.BatchNormalization()(y)])
        x = layers.Activation("silu")(x)
    return classified(keras, image, x, flat=True)


@network()
def _merges(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 2))
    convolution = lambda name: layers.Conv2D(10, 3, name=name)(image)  # noqa: E731
    x = layers.Subtract()([convolution("a"), convolution("b")])
    y = layers.Multiply()([convolution("c"), convolution("d")])
    y = layers.Minimum()([y, layers.Maximum()([convolution("e"), convolution("f")])])
    return classified(keras, image, layers.Average()([x, y, convolution("g")]))


@network()
def _depthwise(keras: Any, layers: Any) -> Any:
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = layers.DepthwiseConv2D(3, strides=2, name="b")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(20, 1, name="c")(x)
    return classified(keras, image, x)


@network()
def _depthwise_with_a_multiplier(keras: Any, layers: Any) -> Any:
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = layers.DepthwiseConv2D(3, depth_multiplier=3, activation="relu", name="b")(x)
    x = layers.BatchNormalization()(x)
    return classified(keras, image, layers.Conv2D(10, 1, name="c")(x))


@network(first="is tied to an input of the model")
def _depthwise_of_an_input(keras: Any, layers: Any) -> Any:
    image = keras.Input((8, 8, 2))
    x = layers.DepthwiseConv2D(3, depth_multiplier=4, name="first")(image)
    return classified(keras, image, layers.Conv2D(10, 1, name="a")(x))


@network()
def _separable(keras: Any, layers: Any) -> Any:
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = layers.SeparableConv2D(20, 3, depth_multiplier=2, activation="relu", name="b")(x)
    x = layers.SeparableConv2D(10, 3, use_bias=False, name="c")(x)
    return classified(keras, image, x)


@network()
def _one_dimension(keras: Any, layers: Any) -> Any:
    series = keras.Input((16, 2))
    x = layers.Conv1D(10, 3, padding="causal", name="a")(series)
    x = layers.SpatialDropout1D(0.2)(layers.ZeroPadding1D(1)(x))
    x = layers.DepthwiseConv1D(3, name="b")(layers.AveragePooling1D(2)(x))
    x = layers.SeparableConv1D(20, 3, activation="tanh", name="c")(x)
    x = layers.Conv1DTranspose(10, 2, strides=2, name="d")(layers.UpSampling1D()(x))
    x = layers.GlobalMaxPooling1D()(layers.Cropping1D(1)(x))
    return keras.Model(series, layers.Dense(3, name="head")(x))


@network()
def _three_dimensions(keras: Any, layers: Any) -> Any:
    volume = keras.Input((6, 6, 6, 1))
    x = layers.Conv3D(10, 2, name="a")(volume)
    x = layers.MaxPooling3D(2)(layers.ZeroPadding3D(1)(x))
    x = layers.Conv3DTranspose(10, 2, name="b")(x)
    x = layers.GlobalAveragePooling3D(keepdims=True)(layers.BatchNormalization()(x))
    return keras.Model(volume, layers.Dense(3, name="head")(layers.Flatten()(x)))


@network()
def _u_net(keras: Any, layers: Any) -> Any:
    image = keras.Input((8, 8, 1))
    x = wide = layers.Conv2D(10, 3, padding="same", activation="relu", name="down")(image)
    x = layers.Conv2D(20, 3, padding="same", name="deep")(layers.MaxPooling2D()(x))
    x = layers.Conv2DTranspose(10, 2, strides=2, activation="relu", name="up")(x)
    x = layers.Concatenate()([wide, x, image])
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(10, 3, padding="same", name="last")(layers.UpSampling2D()(x))
    x = layers.Cropping2D(2)(layers.ZeroPadding2D(1)(layers.Resizing(8, 8)(x)))
    return keras.Model(image, layers.Conv2D(2, 1, name="head")(x))


@network()
def _dense_blocks(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, padding="same", name="a")(image)
    for name in ("b", "c", "d"):
        y = layers.Activation("relu")(layers.BatchNormalization()(x))
        y = layers.Conv2D(10, 3, padding="same", name=name)(y)
        x = layers.Concatenate()([x, y])
    return classified(keras, image, x, flat=True)


@network()
def _added_to_a_concatenation(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    parts = [layers.Conv2D(10, 3, name=name)(image) for name in ("a", "b")]
    x = layers.Add()([layers.Concatenate()(parts), layers.Conv2D(20, 3, name="both")(image)])
    return classified(keras, image, layers.Add()([x, layers.Concatenate()(parts[::-1])]))


@network()
def _concatenated_rows(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Concatenate(axis=1)([layers.Conv2D(10, 3, name=name)(image) for name in ("a", "b")])
    return classified(keras, image, x, flat=True)


@network()
def _squeeze_and_excite(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(20, 3, activation="relu", name="a")(image)
    for name, keepdims in (("b", True), ("c", False)):
        y = layers.GlobalAveragePooling2D(keepdims=keepdims)(x)
        y = y if keepdims else layers.Reshape((1, 1, 20))(y)
        y = layers.Conv2D(10, 1, activation="relu", name=f"{name}1")(y)
        y = layers.Conv2D(20, 1, activation="hard_sigmoid", name=f"{name}2")(y)
        x = layers.Multiply()([x, y])
    y = layers.Dense(20, activation="sigmoid", name="d")(layers.GlobalMaxPooling2D()(x))
    return classified(keras, image, layers.Multiply()([x, y]))


@network(attention="attend (Multiply) reads it for every channel")
def _spatial_attention(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, name="a")(image)
    attention = layers.Conv2D(1, 1, activation="sigmoid", name="attention")(x)
    return classified(keras, image, layers.Multiply(name="attend")([x, attention]))


@network()
def _reshapes(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = layers.Conv1D(10, 3, name="b")(layers.Reshape((16, 10))(x))
    x = layers.Dense(10, activation="relu", name="c")(layers.Reshape((7, 20))(x))
    x = layers.Reshape((2, -1))(layers.RepeatVector(2)(layers.Flatten()(x)))
    x = layers.Permute((2, 1, 3))(layers.Reshape((2, 7, 10))(x))
    return classified(keras, image, x, flat=True)


@network()
def _decoder(keras: Any, layers: Any) -> Any:
    code = keras.Input((4,))
    x = layers.Dense(90, activation="relu", name="a")(code)
    x = layers.Conv2DTranspose(10, 3, strides=2, name="b")(layers.Reshape((3, 3, 10))(x))
    return keras.Model(code, layers.Conv2D(1, 3, activation="sigmoid", name="head")(x))


@network()
def _parametric_activations(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(10, 3, name="a")(image))
    x = layers.PReLU()(layers.Conv2D(10, 3, name="b")(x))
    return classified(keras, image, layers.PReLU(shared_axes=[1, 2, 3])(x), flat=True)


@network()
def _noise(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.GaussianNoise(0.1)(layers.Conv2D(10, 3, name="a")(image))
    x = layers.AlphaDropout(0.1)(layers.GaussianDropout(0.1)(layers.SpatialDropout2D(0.1)(x)))
    x = layers.Dropout(0.1, noise_shape=(None, 1, 1, None))(layers.ELU()(layers.Identity()(x)))
    return classified(keras, image, layers.ActivityRegularization(l1=1e-4)(x))


@network()
def _operations(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = x * keras.ops.relu6(x + 3.0) / 6.0
    return classified(keras, image, 1.0 - x)


@network()
def _shared_layers(keras: Any, layers: Any) -> Any:
    image, other = keras.Input((6, 6, 1), name="image"), keras.Input((6, 6, 1), name="other")
    relu, norm = layers.ReLU(), layers.BatchNormalization()
    shared = layers.Conv2D(10, 3, name="shared")
    towers = []
    for name, given in (("a", image), ("b", other)):
        x = norm(relu(layers.Conv2D(10, 3, padding="same", name=name)(given)))
        towers.append(relu(shared(x)))
    x = layers.GlobalAveragePooling2D()(layers.Concatenate()(towers))
    return keras.Model([image, other], layers.Dense(3, name="head")(x))


@network(few="taking 0.3 of 2 filters takes none")
def _a_model_inside(keras: Any, layers: Any) -> Any:
    inner_image = keras.Input((6, 6, 2))
    x = layers.Conv2D(10, 3, name="a")(inner_image)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    inner = keras.Model(inner_image, layers.Conv2D(10, 3, name="b")(x), name="inner")
    inner.trainable = False
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(2, 1, name="few")(image)
    x = keras.Sequential([layers.ReLU(), layers.Conv2D(10, 1, name="c")], name="tail")(
        inner(x, training=False)
    )
    return keras.Model(image, layers.Dense(3, name="head")(layers.Flatten()(x)))


@network()
def _a_model_inside_twice(keras: Any, layers: Any) -> Any:
    tower = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(10, 3, activation="relu", name="a"),
            layers.Conv2D(10, 3, name="b"),
            layers.GlobalAveragePooling2D(),
        ],
        name="tower",
    )
    left, right = keras.Input((6, 6, 1), name="left"), keras.Input((6, 6, 1), name="right")
    x = layers.Subtract()([tower(left), tower(right)])
    return keras.Model([left, right], layers.Dense(3, name="head")(x))


@network(box="makes an output of the model")
def _named_inputs_and_outputs(keras: Any, layers: Any) -> Any:
    zeta, alpha = keras.Input((6, 6, 1), name="zeta"), keras.Input((4,), name="alpha")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(10, 3, name="a")(zeta))
    x = layers.Add()([x, layers.Dense(10, name="b")(alpha)])
    x = layers.Dense(10, "relu", name="c")(x)
    outputs = {"head": layers.Dense(3, name="head")(x), "box": layers.Dense(4, name="box")(x)}
    return keras.Model({"zeta": zeta, "alpha": alpha}, outputs)


@network(twice="is not one of Keras's own layers", inner="twice (Twice) is not one")
def _a_model_with_a_call_of_its_own_inside(keras: Any, layers: Any) -> Any:
    class Twice(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self, width: int) -> None:
            image = keras.Input((6, 6, 10))
            super().__init__(image, layers.Conv2D(width, 3)(image), name="twice")
            self.width = width

        def get_config(self) -> dict[str, int]:
            return {"width": self.width}

        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return 2 * super().call(inputs, training=training)

    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, padding="same", name="inner")(image)
    return classified(keras, image, layers.Conv2D(10, 3, name="b")(Twice(10)(x)))


# What stays


@network(a="is a grouped convolution", grouped="is a grouped convolution")
def _groups(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = layers.Conv2D(10, 3, groups=2, name="grouped")(x)
    return classified(keras, image, layers.Conv2D(10, 1, name="b")(x))


@network(a="norm (LayerNormalization) mixes channels")
def _layer_normalization(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.LayerNormalization(name="norm")(layers.Conv2D(10, 3, name="a")(image))
    return classified(keras, image, layers.Conv2D(10, 3, name="b")(x))


@network(a="softly (Softmax) mixes channels", b="b (Dense) has the activation softmax")
def _softmax_inside(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Softmax(name="softly")(layers.Conv2D(10, 3, name="a")(image))
    x = layers.Conv2D(10, 3, name="c")(layers.Dense(10, "softmax", name="b")(x))
    return classified(keras, image, x)


@network(a="turn (Permute) moves the channels", b="split (Reshape) splits the channels")
def _moved_channels(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Permute((3, 1, 2), name="turn")(layers.Conv2D(10, 3, name="a")(image))
    x = layers.Reshape((-1, 8), name="split")(layers.Dense(10, name="b")(x))
    x = layers.Flatten()(layers.Conv1D(10, 3, name="c")(x))
    return keras.Model(image, layers.Dense(3, name="head")(x))


@network(a="split (Reshape) splits the channels")
def _channels_one_by_one(keras: Any, layers: Any) -> Any:
    given = keras.Input((4,))
    x = layers.Reshape((10, 1), name="split")(layers.Dense(10, name="a")(given))
    x = layers.GlobalAveragePooling1D()(layers.Conv1D(10, 3, name="b")(x))
    return keras.Model(given, layers.Dense(3, name="head")(x))


NAMED = "inner (Functional) is called with other inputs than it was built for"


@network(p=NAMED, q=NAMED, **{"inner/z": NAMED})
def _a_model_inside_called_by_names(keras: Any, layers: Any) -> Any:
    """Keras sorts what is named: the tensors come in another order than the model has them in."""
    zeta, alpha = keras.Input((10,), name="zeta"), keras.Input((10,), name="alpha")
    difference = layers.Subtract()([layers.Dense(10, name="z")(zeta), alpha])
    inner = keras.Model([zeta, alpha], difference, name="inner")
    given = keras.Input((4,))
    x = inner(
        {"zeta": layers.Dense(10, name="p")(given), "alpha": layers.Dense(10, name="q")(given)}
    )
    return keras.Model(given, layers.Dense(3, name="head")(layers.Dense(10, name="c")(x)))


@network(a="r (Reshape) splits the channels", b="r (Reshape) is used in different ways")
def _one_layer_in_two_ways(keras: Any, layers: Any) -> Any:
    series, reshape = keras.Input((5, 3)), layers.Reshape((2, 10), name="r")
    x = reshape(layers.Dense(4, name="a")(series))
    y = reshape(layers.Conv1D(10, 4, name="b")(series))
    x = layers.Conv1D(10, 1, name="c")(layers.Concatenate()([x, y]))
    return keras.Model(series, layers.Dense(3, name="head")(layers.Flatten()(x)))


@network(a="is tied to an input of the model", b="is tied to an input of the model")
def _one_model_for_what_stays_and_what_could_go(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 10))
    tower = keras.Sequential([keras.Input((6, 6, 10)), layers.ReLU()])
    x = layers.Add()([layers.Conv2D(10, 3, padding="same", name="a")(image), image])
    y = layers.Conv2D(10, 3, padding="same", name="b")(image)
    x = layers.Concatenate()([tower(x), tower(y)])
    return classified(keras, image, layers.Conv2D(10, 3, name="c")(x))


@network(a="norm (BatchNormalization) normalises along another axis")
def _normalised_rows(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.BatchNormalization(axis=1, name="norm")(layers.Conv2D(10, 3, name="a")(image))
    return classified(keras, image, layers.Conv2D(10, 3, name="b")(x))


@network(a="lstm (LSTM) is not covered", lstm="lstm (LSTM) is not covered")
def _recurrent(keras: Any, layers: Any) -> Any:
    series = keras.Input((8, 2))
    x = layers.LSTM(10, name="lstm")(layers.Conv1D(10, 3, name="a")(series))
    x = layers.Dense(10, activation="relu", name="b")(x)
    return keras.Model(series, layers.Dense(3, name="head")(x))


@network(a="scale (Rescaling) scales each channel", b="(Add) is given an array")
def _numbers_for_each_channel(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = layers.Rescaling(list(np.linspace(1, 2, 10)), name="scale")(x)
    x = layers.Conv2D(10, 3, name="b")(x)
    x = keras.ops.add(x, np.linspace(0, 1, 10, dtype=np.float32))
    return classified(keras, image, layers.Conv2D(10, 1, name="c")(x))


@network(a="drop (Dropout) has a noise_shape")
def _noise_for_each_channel(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, name="a")(image)
    x = layers.Dropout(0.1, noise_shape=(1, 1, 1, 10), name="drop")(x)
    return classified(keras, image, layers.Conv2D(10, 3, name="b")(x))


@network(a="is tied to an input of the model")
def _added_to_an_input(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 10))
    x = layers.Add()([layers.Conv2D(10, 3, padding="same", name="a")(image), image])
    return classified(keras, image, layers.Conv2D(10, 3, name="b")(x))


@network(a="makes an output of the model")
def _features_as_outputs(keras: Any, layers: Any) -> Any:
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(10, 3, name="a")(image)
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(10, 3, name="b")(x))
    return keras.Model(image, [layers.ReLU()(x), layers.Dense(3, name="head")(y)])


@pytest.mark.parametrize("name", NETWORKS)
def test_removed_is_masked_and_what_stays_is_told(keras: Any, check: Any, name: str) -> None:
    build, kept = NETWORKS[name]
    pruned = check(build(keras, keras.layers))
    _assert_kept(pruned.kept, kept)
    assert pruned.filters
    for layer, (before, after) in pruned.filters.items():
        assert after == before - before * 3 // 10, layer


def _assert_kept(kept: Mapping[str, str], expected: Mapping[str, str]) -> None:
    assert set(kept) == set(expected)
    for layer, why in expected.items():
        assert why in kept[layer], layer


def test_what_a_layer_makes_of_its_weights_is_carried_over(keras: Any) -> None:
    """Normalization computes with what it made of its weights when they were loaded."""
    layers = keras.layers
    images = np.random.default_rng(0).normal(3, 5, (20, 6, 6, 2)).astype(np.float32)
    adapted = layers.Normalization()
    adapted.adapt(images)
    image = keras.Input((6, 6, 2))
    model = classified(keras, image, layers.Conv2D(10, 3, name="a")(adapted(image)))
    for copy in (prune(model, Cutback(0)).model, copied(model)):
        np.testing.assert_array_equal(copy(images), model(images))


def _mobilenet(keras: Any) -> Any:
    return keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, weights=None, classes=3
    )


def _densenet(keras: Any) -> Any:
    """As DenseNet121 is built, of fewer blocks."""
    module = sys.modules[keras.applications.DenseNet121.__module__]
    return module.DenseNet([2, 2, 2, 2], input_shape=(32, 32, 3), weights=None, classes=3)


@pytest.mark.parametrize(("build", "layers"), [(_mobilenet, 52), (_densenet, 20)])
def test_networks_as_keras_has_them(
    keras: Any, check: Any, build: Callable[[Any], Any], layers: int
) -> None:
    model = build(keras)
    pruned = check(model)
    assert set(pruned.kept) == {"predictions"}
    assert len(pruned.filters) == layers
    for layer, (before, after) in pruned.filters.items():
        assert after == before - before * 3 // 10, layer
    assert pruned.model.count_params() < 0.6 * model.count_params()
