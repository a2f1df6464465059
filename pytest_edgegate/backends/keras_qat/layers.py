"""A Keras model in the layers that tensorflow-model-optimization trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from pytest_edgegate.backends.keras_qat.flat_graph import Call, FlatGraph, FlatLayer
from pytest_edgegate.backends.wrapped_layers import unwrapping
from pytest_edgegate.core.errors import UnsupportedError

_AS_IT_IS = (
    "Add",
    "AveragePooling2D",
    "Cropping2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "InputLayer",
    "LeakyReLU",
    "MaxPooling2D",
    "Permute",
    "ReLU",
    "Reshape",
    "Softmax",
    "SpatialDropout2D",
    "UpSampling2D",
    "ZeroPadding2D",
)
_WITH_ACTIVATION = ("Conv2D", "DepthwiseConv2D", "Dense", "SeparableConv2D", "Conv2DTranspose")
_FOLDED_INTO = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
_OF_FIXED_RANGE = ("softmax", "sigmoid", "tanh")
"""Activations whose outputs have a scale of TFLite's own."""
_FUSED = ("linear", "relu", "softmax", "sigmoid", "tanh")
"""Activations that it simulates inside a layer as TFLite computes them."""
_OPERATIONS = {"ops.Add": "Add"}


def for_training(graph: FlatGraph) -> FlatGraph:
    """The graph in layers that quantisation-aware training knows, with the same outputs.

    A Rescaling of images becomes a depthwise 1x1 convolution, an activation that TFLite does not
    fuse a layer of its own. Raises UnsupportedError with the layer's name and what would do.
    """
    made = FlatGraph()
    numbers: list[int] = []
    for at, call in enumerate(graph.calls):
        layer = graph.layers[call.layer]
        here = _Place(graph, at, made, [numbers[each] for each in call.inputs])
        rule = _RULES.get(layer.kind)
        if rule is None:
            raise _refused(layer, _REMEDIES.get(layer.kind, _OTHERWISE))
        numbers.append(rule(layer, here))
    made.outputs = tuple(numbers[each] for each in graph.outputs)
    return made


class _Place:
    """The position of a call: in the graph that is read, and in the one that is built."""

    def __init__(self, read: FlatGraph, at: int, made: FlatGraph, inputs: list[int]) -> None:
        self._read = read
        self._at = at
        self._made = made
        self._inputs = inputs

    @property
    def call(self) -> Call:
        return self._read.calls[self._at]

    def sources(self) -> list[FlatLayer]:
        """The layers whose outputs the call takes."""
        return [self._read.layers[self._read.calls[each].layer] for each in self.call.inputs]

    def alone(self) -> bool:
        """Whether nothing else takes the call's input, whose layer is called but once."""
        number = self.call.inputs[0]
        takers = [each for each in self._read.calls if number in each.inputs]
        calls = [each for each in self._read.calls if each.layer == self.sources()[0].path]
        return len(takers) == len(calls) == 1 and number not in self._read.outputs

    def replace(self, layer: FlatLayer) -> int:
        """Puts *layer* in the place of the one whose output the call takes, and of the call."""
        self._made.layers[layer.path] = layer
        return self._inputs[0]

    def add(self, layer: FlatLayer, *more: FlatLayer, listed: bool | None = None) -> int:
        """The layers one behind the other in place of the call."""
        given = self.call.listed if listed is None else listed
        number = self._made.add(layer, self._inputs, listed=given)
        for each in more:
            number = self._made.add(each, [number])
        return number


_Rule = Callable[[FlatLayer, _Place], int]


def _keep(layer: FlatLayer, here: _Place) -> int:
    return here.add(layer)


def _operation(layer: FlatLayer, here: _Place) -> int:
    if len(here.call.inputs) != 2:
        raise _refused(layer, f"write it as keras.layers.{_OPERATIONS[layer.kind]} of two tensors")
    return here.add(replace(layer, kind=_OPERATIONS[layer.kind], config={}), listed=True)


def _activated(layer: FlatLayer, here: _Place) -> int:
    name = _activation(layer)
    if name in _FUSED:
        return here.add(layer)
    bare = replace(layer, config={**layer.config, "activation": "linear"})
    return here.add(bare, _alone(replace(layer, path=f"{layer.path}/{name}"), name))


def _activation_layer(layer: FlatLayer, here: _Place) -> int:
    return here.add(_alone(layer, _activation(layer)))


def _alone(layer: FlatLayer, name: str) -> FlatLayer:
    """An activation as a separate layer."""
    if name == "relu6":
        return FlatLayer(layer.path, "ReLU", {"max_value": 6.0})
    known = {"silu": "swish", "swish": "swish"} | {each: each for each in _FUSED}
    if name not in known:
        raise _refused(layer, f"use one of {', '.join(sorted({*known, 'relu6'}))} in its place")
    return FlatLayer(layer.path, "Activation", {"activation": known[name]})


def _concatenated(layer: FlatLayer, here: _Place) -> int:
    """TFLite gives what is concatenated one scale, and these activations have another."""
    for each in here.sources():
        kind = "softmax" if each.kind == "Softmax" else _activation(each)
        if kind in _OF_FIXED_RANGE:
            raise _refused(
                layer, f"concatenate something else than the output of {each.path!r} ({kind})"
            )
    return here.add(layer)


def _normalised(layer: FlatLayer, here: _Place) -> int:
    before = here.sources()[0]
    known = before.kind in (*_FOLDED_INTO, "Dense") and _activation(before) == "linear"
    if not known or not here.alone():
        raise _refused(
            layer,
            "put it right behind a convolution or a Dense layer without an activation, whose "
            "weights it is folded into",
        )
    return here.replace(_folded(before, layer)) if before.kind == "Dense" else here.add(layer)


def _folded(dense: FlatLayer, norm: FlatLayer) -> FlatLayer:
    """The Dense layer that does both: its weights have one scale, so a factor for each of its
    outputs has to be in them before they are rounded."""
    kernel, *bias = dense.weights
    *affine, mean, variance = norm.weights
    names = [name for name in ("scale", "center") if norm.config.get(name, True)]
    given = dict(zip(names, affine, strict=True))
    factor = given.get("scale", 1.0) / np.sqrt(variance + norm.config["epsilon"])
    shift = given.get("center", 0.0) + (sum(bias) - mean) * factor
    weights = tuple(np.asarray(each, np.float32) for each in (kernel * factor, shift))
    return replace(dense, config={**dense.config, "use_bias": True}, weights=weights)


def _rescaled(layer: FlatLayer, here: _Place) -> int:
    """A frozen depthwise convolution: one operator in int8, for which TFLite would
    make a multiplication and an addition of it."""
    before = here.sources()[0]
    shape = before.config.get("shape", ())
    if before.kind != "InputLayer" or len(shape) != 3:
        raise _refused(layer, "put it right behind an Input of images, or scale the data instead")
    channels = shape[2]
    scale = np.broadcast_to(np.asarray(layer.config["scale"], np.float32), channels)
    offset = np.broadcast_to(np.asarray(layer.config["offset"], np.float32), channels)
    config = {"kernel_size": 1, "activation": "linear", "trainable": False}
    weights = (np.ascontiguousarray(scale.reshape(1, 1, channels, 1)), np.array(offset))
    return here.add(FlatLayer(layer.path, "DepthwiseConv2D", config, weights))


def _activation(layer: FlatLayer) -> str:
    given = layer.config.get("activation", "linear")
    named = given.get("config") if isinstance(given, Mapping) else given
    if not isinstance(named, str):
        raise _refused(layer, "give its activation by name, or as a separate layer")
    return named


def _refused(layer: FlatLayer, remedy: str) -> UnsupportedError:
    kind = layer.kind.replace("ops.", "keras.ops.")
    return UnsupportedError(
        f"quantisation-aware training can't take the layer {layer.path!r} ({kind}) as it is",
        unwrapping(kind) or remedy,
    )


_OTHERWISE = "build it of convolutions, Dense, pooling, Add and Concatenate, or use PTQ()"
_REMEDIES: Mapping[str, str] = {
    "LayerNormalization": "use BatchNormalization behind a convolution in its place, or PTQ()",
    "Normalization": "normalise the data instead, or use PTQ()",
    "Conv1D": "write it as a Conv2D of height 1, or use PTQ()",
}

_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(_AS_IT_IS, _keep),
    **dict.fromkeys(_WITH_ACTIVATION, _activated),
    **dict.fromkeys(_OPERATIONS, _operation),
    "Activation": _activation_layer,
    "BatchNormalization": _normalised,
    "Concatenate": _concatenated,
    "Rescaling": _rescaled,
}
