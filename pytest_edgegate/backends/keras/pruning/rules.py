"""The effect of each kind of layer on channels. A kind without a rule keeps its channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.pruning.channels import Channels
from pytest_edgegate.backends.keras.pruning.cuts import (
    Cut,
    Given,
    NotCoveredError,
    Resized,
    Rule,
    described,
)

_ELEMENTWISE = frozenset(
    {
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "sigmoid",
        "hard_sigmoid",
        "hard_silu",
        "log_sigmoid",
        "sparse_sigmoid",
        "tanh",
        "hard_tanh",
        "tanh_shrink",
        "softplus",
        "softsign",
        "squareplus",
        "sparse_plus",
        "exponential",
        "hard_shrink",
        "soft_shrink",
        "threshold",
        "ReLU",
        "LeakyReLU",
        "ELU",
    }
)


def _mixing(layer: Any) -> str | None:
    """The reason if an activation prevents the removal of channels, else None."""
    given = layer.activation
    known = given if hasattr(given, "__name__") else type(given)
    if known.__module__.split(".")[0] != "keras":
        return "has an activation that is not Keras's own"
    if known.__name__ not in _ELEMENTWISE:
        return f"has the activation {known.__name__}, which mixes channels"
    return None


def _same(given: Given) -> tuple[Channels, Cut]:
    return given.channels, Cut()


def _activation(given: Given) -> tuple[Channels, Cut]:
    return _activated(given, given.channels), Cut()


def _softmax(given: Given) -> tuple[Channels, Cut]:
    given.ledger.keep(given.channels, described(given.layer, "mixes channels"))
    return _same(given)


def _activated(given: Given, channels: Channels) -> Channels:
    """The channels after the layer's activation: kept if each result depends on all of them."""
    mixing = _mixing(given.layer)
    if mixing is not None:
        given.ledger.keep(channels, described(given.layer, mixing))
    return channels


def _dropout(given: Given) -> tuple[Channels, Cut]:
    noise = given.layer.noise_shape
    if noise is not None and noise[-1] not in (None, 1):
        raise NotCoveredError("has a noise_shape that counts channels")
    return _same(given)


def _rescaling(given: Given) -> tuple[Channels, Cut]:
    if np.ndim(given.layer.scale) or np.ndim(given.layer.offset):
        raise NotCoveredError("scales each channel by a number of its own")
    return _same(given)


def _permute(given: Given) -> tuple[Channels, Cut]:
    if given.layer.dims[-1] != len(given.layer.dims):
        raise NotCoveredError("moves the channels to another axis")
    return _same(given)


def _normalization(given: Given) -> tuple[Channels, Cut]:
    if given.layer.axis % len(given.shape) != len(given.shape) - 1:
        raise NotCoveredError("normalises along another axis than that of the channels")
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return given.channels, Cut({name: {0: given.channels} for name in names})


def _prelu(given: Given) -> tuple[Channels, Cut]:
    if len(given.shape) - 1 in (given.layer.shared_axes or ()):
        return given.channels, Cut({"alpha": {}})
    return given.channels, Cut({"alpha": {-1: given.channels}})


def _dense(given: Given) -> tuple[Channels, Cut]:
    made = given.ledger.new(given.width)
    return _made(given, made, {0: given.channels, 1: made}, "units", 1)


def _convolution(given: Given) -> tuple[Channels, Cut]:
    made = given.ledger.new(given.width)
    return _made(given, made, {-2: given.channels, -1: made}, "filters", -1)


def _transposed(given: Given) -> tuple[Channels, Cut]:
    made = given.ledger.new(given.width)
    return _made(given, made, {-1: given.channels, -2: made}, "filters", -2)


def _made(
    given: Given, made: Channels, kernel: Mapping[int, Channels], count: str, filters: int
) -> tuple[Channels, Cut]:
    """The cut of a layer with a kernel and a bias, whose outputs are new channels."""
    if getattr(given.layer, "groups", 1) != 1:
        raise NotCoveredError("is a grouped convolution")
    weights = {"kernel": kernel, "bias": {0: made}}
    return _activated(given, made), Cut(weights, {count: Resized(made)}, ("kernel", filters))


def _separable(given: Given) -> tuple[Channels, Cut]:
    between = np.repeat(given.channels, given.layer.depth_multiplier)
    made = given.ledger.new(given.width)
    weights = {
        "depthwise_kernel": {-2: given.channels},
        "pointwise_kernel": {-2: between, -1: made},
        "bias": {0: made},
    }
    return _activated(given, made), Cut(
        weights, {"filters": Resized(made)}, ("pointwise_kernel", -1)
    )


def _depthwise(given: Given) -> tuple[Channels, Cut]:
    """Each channel of the input makes ``depth_multiplier`` of the output, side by side."""
    made = np.repeat(given.channels, given.layer.depth_multiplier)
    weights = {"kernel": {-2: given.channels}, "bias": {0: made}}
    return _activated(given, made), Cut(weights, filters=("kernel", -2))


def _reshaped(given: Given) -> tuple[Channels, Cut]:
    """Flatten too. Elements keep their order, so that channels keep theirs modulo the smaller axis.

    A larger last axis has each channel more than once; a smaller one ties those that it takes
    together.
    """
    before, after = given.channels, given.width
    if after == 1 < len(before) or (len(before) % after and after % len(before)):
        raise NotCoveredError("splits the channels over two axes")
    made = np.tile(before, after // len(before)) if after > len(before) else before[:after]
    for start in range(after, len(before), after):
        given.ledger.tie(made, before[start : start + after])
    shape = getattr(given.layer, "target_shape", (-1,))
    if shape[-1] == -1:
        return made, Cut()
    return made, Cut(fields={"target_shape": Resized(made, lambda count: (*shape[:-1], count))})


def _concatenate(given: Given) -> tuple[Channels, Cut]:
    if given.layer.axis % len(given.shape) == len(given.shape) - 1:
        return np.concatenate([each.channels for each in given.inputs]), Cut()
    return _merge(given)


def _merge(given: Given) -> tuple[Channels, Cut]:
    """Channel by channel; an input with one channel only is spread over all of them."""
    wide = [each for each in given.inputs if len(each.channels) == given.width]
    for each in given.inputs:
        if len(each.channels) not in (1, given.width):
            raise NotCoveredError("merges different numbers of channels")
        if len(each.channels) != given.width:
            given.ledger.keep(each.channels, described(given.layer, "reads it for every channel"))
    for each in wide[1:]:
        given.ledger.tie(wide[0].channels, each.channels)
    return wide[0].channels, Cut()


def _dimensions(*names: str) -> list[str]:
    return [f"{name}{count}D" for name in names for count in (1, 2, 3)]


_RULES: Mapping[Rule, list[str]] = {
    _same: [
        "ReLU",
        "LeakyReLU",
        "ELU",
        "Identity",
        "ActivityRegularization",
        "RepeatVector",
        "GaussianDropout",
        "GaussianNoise",
        "Resizing",
        "CenterCrop",
        *_dimensions(
            "SpatialDropout",
            "MaxPooling",
            "AveragePooling",
            "GlobalMaxPooling",
            "GlobalAveragePooling",
            "AdaptiveMaxPooling",
            "AdaptiveAveragePooling",
            "ZeroPadding",
            "Cropping",
            "UpSampling",
        ),
    ],
    _activation: ["Activation"],
    _softmax: ["Softmax"],
    _dropout: ["Dropout", "AlphaDropout"],
    _rescaling: ["Rescaling"],
    _permute: ["Permute"],
    _normalization: ["BatchNormalization"],
    _prelu: ["PReLU"],
    _dense: ["Dense"],
    _convolution: _dimensions("Conv"),
    _transposed: ["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"],
    _separable: ["SeparableConv1D", "SeparableConv2D"],
    _depthwise: ["DepthwiseConv1D", "DepthwiseConv2D"],
    _reshaped: ["Flatten", "Reshape"],
    _concatenate: ["Concatenate"],
    _merge: ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"],
}
_LAYERS = {name: rule for rule, names in _RULES.items() for name in names}
_OPERATIONS: Mapping[str, Rule] = dict.fromkeys(
    (
        "Add",
        "Subtract",
        "Multiply",
        "Divide",
        "TrueDivide",
        "Maximum",
        "Minimum",
        "Negative",
        "Absolute",
        "Square",
        "Sqrt",
        "Exp",
        "Relu",
        "Relu6",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Gelu",
        "Silu",
        "Sigmoid",
        "HardSigmoid",
        "HardSilu",
        "Tanh",
        "Softplus",
        "Softsign",
    ),
    _merge,
)
"""Operations of ``keras.ops``: plain numbers are broadcast, as in ``x + 3.0``."""
_MIXING = frozenset(
    {
        "LayerNormalization",
        "GroupNormalization",
        "RMSNormalization",
        "UnitNormalization",
        "Masking",
        "Dot",
        "Attention",
        "AdditiveAttention",
        "MultiHeadAttention",
        "GroupedQueryAttention",
    }
)


def rule_of(layer: Any) -> Rule:
    """The rule of a layer or operation, by its very type: a subclass may do anything.

    Raises NotCoveredError.
    """
    kind = type(layer)
    parts = kind.__module__.split(".")
    if parts[0] != "keras":
        raise NotCoveredError("is not one of Keras's own layers")
    found = (_OPERATIONS if "ops" in parts else _LAYERS).get(kind.__name__)
    if found is None:
        mixes = kind.__name__ in _MIXING
        raise NotCoveredError("mixes channels" if mixes else "is not covered")
    return found
