"""A Keras model in the layers that tensorflow-model-optimization trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras_qat.flat_graph import (
    HARD_SIGMOID_OF_KERAS_2,
    Call,
    FlatGraph,
    FlatLayer,
)
from pytest_edgegate.backends.keras_qat.own_layers import (
    FUSED_RELU,
    FUSING,
    HARD_SWISH,
    SCALE,
    SHIFT,
)
from pytest_edgegate.backends.wrapped_layers import unwrapping
from pytest_edgegate.core.errors import UnsupportedError

_AS_IT_IS = (
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
_WITH_ACTIVATION = ("Conv2D", "DepthwiseConv2D", "Dense", "Conv2DTranspose")
_FOLDED_INTO = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")
_OF_FIXED_RANGE = ("softmax", "sigmoid", "tanh")
"""Activations whose outputs have a scale of TFLite's own."""
_FUSED = ("linear", "relu", "softmax", "sigmoid", "tanh")
"""Activations that it simulates inside a layer as TFLite computes them."""
_OF_PARTS = {"hard_sigmoid": 1.0, HARD_SIGMOID_OF_KERAS_2: 1.2}
"""Activations relu6(a x + 3) / 6, by their factor a."""
_HARD_SWISH = ("hard_silu", "hard_swish")
_ARITHMETIC = ("Add", "Multiply", "Subtract")
_DIVISIONS = ("ops.Divide", "ops.TrueDivide")
_ACTIVATIONS = {
    "ops.HardSigmoid": "hard_sigmoid",
    "ops.HardSilu": "hard_silu",
    "ops.Relu": "relu",
    "ops.Relu6": "relu6",
    "ops.Sigmoid": "sigmoid",
    "ops.Silu": "silu",
    "ops.Tanh": "tanh",
}
"""Operations that are activations, by their names."""


def for_training(graph: FlatGraph, *, hard_swish: bool = False) -> FlatGraph:
    """The graph in layers that quantisation-aware training knows, with the same outputs.

    A Rescaling of images becomes a depthwise 1x1 convolution, an activation that TFLite does not
    fuse a layer of its own, and what is made of additions and multiplications these. *hard_swish*:
    the target has an operator for that activation. Raises UnsupportedError with the layer's name
    and what would do.
    """
    graph = FlatGraph(
        {path: _as_layer(each) for path, each in graph.layers.items()}, graph.calls, graph.outputs
    )
    made = FlatGraph()
    numbers: list[int] = []
    for at, call in enumerate(graph.calls):
        layer = graph.layers[call.layer]
        inputs = [numbers[each] for each in call.inputs]
        here = _Place(graph, at, made, inputs, hard_swish=hard_swish)
        rule = _RULES.get(layer.kind)
        if rule is None:
            raise _refused(layer, _REMEDIES.get(layer.kind, _OTHERWISE))
        numbers.append(rule(layer, here))
    made.outputs = tuple(numbers[each] for each in graph.outputs)
    if not hard_swish:
        _keep_apart(made)
    _fuse(made)
    return made


def _keep_apart(graph: FlatGraph) -> None:
    """Turns a (x relu6(y)) into x (a relu6(y)): TFLite makes of the first one its HARD_SWISH."""
    called = Counter(each.layer for each in graph.calls)
    taken = Counter([*(one for each in graph.calls for one in each.inputs), *graph.outputs])
    for at, call in enumerate(graph.calls):
        if graph.layers[call.layer].kind != SCALE:
            continue
        (product,) = call.inputs
        merged = graph.calls[product]
        if graph.layers[merged.layer].kind != "Multiply" or taken[product] > 1:
            continue
        bounded = [
            each for each in merged.inputs if _bound(graph.layers[graph.calls[each].layer]) == 6
        ]
        if bounded and called[call.layer] == called[merged.layer] == 1:
            gate, (one, other) = bounded[-1], merged.inputs
            graph.calls[product] = Call(call.layer, (gate,))
            rest = other if gate == one else one
            graph.calls[at] = Call(merged.layer, (rest, product), listed=True)


def _fuse(graph: FlatGraph) -> None:
    """Marks each ReLU that TFLite computes in the operator of the layer before it."""
    called = Counter(each.layer for each in graph.calls)
    taken = Counter([*(one for each in graph.calls for one in each.inputs), *graph.outputs])
    for call in graph.calls:
        layer = graph.layers[call.layer]
        bound = _bound(layer)
        if bound is None or called[layer.path] > 1 or taken[call.inputs[0]] > 1:
            continue
        before = graph.layers[graph.calls[call.inputs[0]].layer]
        free = before.kind in FUSING and _activation(before) == "linear"
        if free and called[before.path] == 1:
            config = {"max_value": bound} if bound else {}
            graph.layers[layer.path] = FlatLayer(layer.path, FUSED_RELU, config)


def _bound(layer: FlatLayer) -> float | None:
    """Of a ReLU that operators take in: 6, or 0 where it has none; None for other layers."""
    if layer.kind == "Activation":
        return 0.0 if layer.config["activation"] == "relu" else None
    if layer.kind != "ReLU" or layer.config.get("negative_slope") or layer.config.get("threshold"):
        return None
    largest = float(layer.config.get("max_value") or 0)
    return largest if largest in (0, 6) else None


def _as_layer(layer: FlatLayer) -> FlatLayer:
    """An operation as the layer that does the same, where there is one."""
    if layer.config.get("constants"):
        return layer
    if layer.kind in _ACTIVATIONS:
        return replace(layer, kind="Activation", config={"activation": _ACTIVATIONS[layer.kind]})
    return replace(layer, kind=_SAME.get(layer.kind, layer.kind))


_SAME = {"ops.LeakyRelu": "LeakyReLU", "ops.ReLU": "ReLU", "ops.Softmax": "Softmax"}


class _Place:
    """The position of a call: in the graph that is read, and in the one that is built."""

    def __init__(
        self, read: FlatGraph, at: int, made: FlatGraph, inputs: list[int], *, hard_swish: bool
    ) -> None:
        self._read = read
        self._at = at
        self._made = made
        self._inputs = inputs
        self.hard_swish = hard_swish

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
        return self.behind(number, *more)

    def behind(self, number: int, *more: FlatLayer) -> int:
        """The layers one behind the other, the first of them behind a call of the made graph."""
        for each in more:
            number = self._made.add(each, [number])
        return number

    @property
    def inputs(self) -> list[int]:
        """The calls of the made graph whose outputs the call takes."""
        return self._inputs

    def after(self, number: int) -> _Place:
        """The same, as if the call took the output of another one of the made graph."""
        return _Place(self._read, self._at, self._made, [number], hard_swish=self.hard_swish)

    def pairwise(self, layer: FlatLayer) -> int:
        """A layer of two tensors for as many as there are."""
        number, *others = self._inputs
        for at, other in enumerate(others):
            path = f"{layer.path}/{at}" if at else layer.path
            number = self.join(replace(layer, path=path), number, other)
        return number

    def join(self, layer: FlatLayer, *numbers: int) -> int:
        """A layer of the outputs of these calls of the made graph."""
        return self._made.add(layer, numbers, listed=True)


_Rule = Callable[[FlatLayer, _Place], int]


def _keep(layer: FlatLayer, here: _Place) -> int:
    return here.add(layer)


def _merged(layer: FlatLayer, here: _Place) -> int:
    """Every result of two tensors has a range of its own."""
    return here.pairwise(layer)


def _operation(layer: FlatLayer, here: _Place) -> int:
    kind, constants = layer.kind.removeprefix("ops."), layer.config["constants"]
    if len(here.call.inputs) == 2 and not constants and kind in _ARITHMETIC:
        return here.join(replace(layer, kind=kind, config={}), *here.inputs)
    if len(here.call.inputs) == len(constants) == 1:
        [(at, given)] = constants
        value = np.asarray(given, np.float32)
        if kind == "Add":
            return here.add(_shift(layer.path, value), listed=False)
        if kind == "Subtract" and at == 1:
            return here.add(_shift(layer.path, -value), listed=False)
        if kind == "Multiply":
            return here.add(_scale(layer.path, value), listed=False)
        if layer.kind in _DIVISIONS and at == 1 and value.all():
            return here.add(_scale(layer.path, 1 / value), listed=False)
    raise _refused(
        layer,
        "write it as an addition, subtraction or multiplication of two tensors, or of a tensor "
        "and a constant, or use PTQ()",
    )


def _shift(path: str, value: Any) -> FlatLayer:
    return FlatLayer(path, SHIFT, {"value": np.asarray(value, np.float32).tolist()})


def _scale(path: str, value: Any) -> FlatLayer:
    return FlatLayer(path, SCALE, {"value": np.asarray(value, np.float32).tolist()})


def _activated(layer: FlatLayer, here: _Place) -> int:
    name = _activation(layer)
    if name in _FUSED:
        return here.add(layer)
    bare = replace(layer, config={**layer.config, "activation": "linear"})
    return _alone(replace(layer, path=f"{layer.path}/{name}"), name, here, here.add(bare))


def _separable(layer: FlatLayer, here: _Place) -> int:
    """Its two convolutions, as TFLite computes it: tensorflow-model-optimization divides it, too,
    but leaves the weights of the second one in float before a ReLU."""
    config, (first, *rest) = layer.config, layer.weights
    common = {key: config[key] for key in ("data_format", "trainable") if key in config}
    shape = {key: config[key] for key in _DEPTHWISE if key in config}
    depthwise = FlatLayer(
        f"{layer.path}/depthwise",
        "DepthwiseConv2D",
        {**common, **shape, "use_bias": False, "activation": "linear"},
        (first,),
    )
    pointwise = {key: config[key] for key in _POINTWISE if key in config}
    penalty = {"kernel_regularizer": config.get("pointwise_regularizer")}
    kernel = {**common, **pointwise, **penalty, "kernel_size": 1}
    second = replace(layer, kind="Conv2D", config=kernel, weights=tuple(rest))
    return _activated(second, here.after(here.add(depthwise)))


_DEPTHWISE = (
    "kernel_size",
    "strides",
    "padding",
    "dilation_rate",
    "depth_multiplier",
    "depthwise_regularizer",
    "depthwise_constraint",
)
_POINTWISE = ("filters", "use_bias", "activation", "bias_regularizer", "bias_constraint")


def _activation_layer(layer: FlatLayer, here: _Place) -> int:
    return _alone(layer, _activation(layer), here, here.inputs[0])


def _alone(layer: FlatLayer, name: str, here: _Place, number: int) -> int:
    """An activation as separate layers, behind a call of the made graph."""
    path = layer.path
    if name == "relu6":
        return here.behind(number, _relu6(path))
    if name in _OF_PARTS:
        return here.behind(number, *_hard_sigmoid(path, _OF_PARTS[name]))
    if name in _HARD_SWISH and here.hard_swish:
        return here.behind(number, FlatLayer(path, HARD_SWISH, {}))
    if name in _HARD_SWISH:
        gate = here.behind(number, *_hard_sigmoid(f"{path}/gate"))
        return here.join(FlatLayer(path, "Multiply", {}), number, gate)
    known = {"silu": "swish", "swish": "swish"} | {each: each for each in _FUSED}
    if name not in known:
        taken = sorted({*known, *_HARD_SWISH, "hard_sigmoid", "relu6"})
        raise _refused(layer, f"use one of {', '.join(taken)} in its place")
    return here.behind(number, FlatLayer(path, "Activation", {"activation": known[name]}))


def _relu6(path: str) -> FlatLayer:
    return FlatLayer(path, "ReLU", {"max_value": 6.0})


def _hard_sigmoid(path: str, factor: float = 1.0) -> list[FlatLayer]:
    """relu6(factor x + 3) / 6: TFLite's integers have no operator for it."""
    return [
        *([_scale(f"{path}/steeper", factor)] if factor != 1 else []),
        _shift(f"{path}/shifted", 3.0),
        _relu6(f"{path}/relu6"),
        _scale(path, 1 / 6),
    ]


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
        shifted = _shift(f"{layer.path}/offset", layer.config["offset"])
        return here.add(_scale(layer.path, layer.config["scale"]), shifted)
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


_OTHERWISE = "build it of convolutions, Dense, pooling, Add, Multiply and Concatenate, or use PTQ()"
_REMEDIES: Mapping[str, str] = {
    "LayerNormalization": "use BatchNormalization behind a convolution in its place, or PTQ()",
    "Normalization": "normalise the data instead, or use PTQ()",
    "Conv1D": "write it as a Conv2D of height 1, or use PTQ()",
}

_RULES: Mapping[str, _Rule] = {
    **dict.fromkeys(_AS_IT_IS, _keep),
    **dict.fromkeys(_WITH_ACTIVATION, _activated),
    **dict.fromkeys(_ARITHMETIC, _merged),
    **dict.fromkeys([*(f"ops.{each}" for each in _ARITHMETIC), *_DIVISIONS], _operation),
    "Activation": _activation_layer,
    "BatchNormalization": _normalised,
    "Concatenate": _concatenated,
    "Rescaling": _rescaled,
    "SeparableConv2D": _separable,
}
