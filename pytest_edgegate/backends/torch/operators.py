"""Quantisation properties of torch's operators, by the names of their schemas."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

WEIGHTED: dict[str, int | None] = {"conv1d": 0, "conv2d": 0, "conv3d": 0, "linear": None}
"""Operators that multiply by weights and accumulate in 32 bits, with their output channel axis.

None: one scale for all weights, as boards require for fully connected layers.
"""
KEEPING = frozenset(
    {
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "permute",
        "transpose",
        "t",
        "squeeze",
        "unsqueeze",
        "slice",
        "select",
        "narrow",
        "split",
        "split_with_sizes",
        "chunk",
        "unbind",
        "expand",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "amax",
        "pad",
        "constant_pad_nd",
        "upsample_nearest1d",
        "upsample_nearest2d",
        "upsample_nearest3d",
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "flip",
    }
)
"""Operators that move, select or average integers: the scale stays the same."""
RESCALING = frozenset(
    {
        "add",
        "sub",
        "mul",
        "mean",
        "cat",
        "hardswish",
        "leaky_relu",
        "upsample_bilinear2d",
    }
)
"""Operators whose results have another range, and so their own scale."""
FIXED = {"sigmoid": (1 / 256, -128), "softmax": (1 / 256, -128), "tanh": (1 / 128, 0)}
"""Operators with a known range, with the scale and the int8 zero point that LiteRT requires.

https://ai.google.dev/edge/litert/models/quantization_spec
"""
TRANSPARENT = frozenset({"dropout", "feature_dropout", "alpha_dropout"})
"""Operators that have no effect in the deployed model."""

Bounds = tuple[float, float]
FREE: Bounds = (-math.inf, math.inf)
_CLAMPS: dict[str, Callable[[list[Any]], Bounds]] = {
    "relu": lambda _: (0.0, math.inf),
    "relu6": lambda _: (0.0, 6.0),
    "hardtanh": lambda given: (_number(given, 0, -1.0), _number(given, 1, 1.0)),
    "clamp": lambda given: (_number(given, 0, -math.inf), _number(given, 1, math.inf)),
    "clamp_min": lambda given: (_number(given, 0, -math.inf), math.inf),
    "clamp_max": lambda given: (-math.inf, _number(given, 0, math.inf)),
}


def name_of(node: Any) -> str:
    """``conv2d`` for a call of ``aten.conv2d.default``; "" for what is no operator of torch's."""
    schema = getattr(node.target, "_schema", None)
    if node.op != "call_function" or schema is None:
        return ""
    space, _, name = schema.name.partition("::")
    return str(name) if space == "aten" else f"{space}.{name}"


def clamp_bounds(node: Any) -> Bounds | None:
    """The bounds to which a node clamps its input, or None for other nodes."""
    rule = _CLAMPS.get(name_of(node))
    if rule is None:
        return None
    names = [each.name for each in node.target._schema.arguments[1:]]
    given = [*node.args[1:], *(node.kwargs.get(name) for name in names[len(node.args) - 1 :])]
    return rule(given)


def is_float(node: Any) -> bool:
    """Whether a node gives one tensor of floats."""
    dtype = getattr(node.meta.get("val"), "dtype", None)
    return bool(dtype is not None and dtype.is_floating_point)


def tensors_of(node: Any) -> Iterator[Any]:
    """The nodes that a node takes tensors of floats from."""
    for each in node.all_input_nodes:
        if is_float(each):
            yield each


def _number(given: list[Any], at: int, otherwise: float) -> float:
    value = given[at] if at < len(given) else None
    return otherwise if value is None else float(value)
