"""Counts the multiply-accumulates of a Keras model from its graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from pytest_edgegate.backends.keras.pruning.graph import Call, Shape, calls, graph_of


@dataclass(frozen=True)
class Macs:
    """``total``: of one sample. ``uncounted``: layers with matrices of a kind that has no count."""

    total: int
    uncounted: tuple[str, ...] = ()


def count_macs(model: Any) -> Macs:
    """Multiply-accumulates of convolutions and dense layers, each as often as it is called.

    Biases and normalisation cost none. A size that is not fixed counts as 1.
    """
    total = 0
    uncounted: dict[str, None] = {}
    for call in _all_calls(graph_of(model)):
        count = _COUNTS.get(type(call.layer).__name__)
        if count is not None:
            total += count(call)
        elif any(len(each.shape) > 1 for each in getattr(call.layer, "weights", ())):
            uncounted[call.layer.name] = None
    return Macs(total, tuple(uncounted))


def _all_calls(graph: Any) -> Iterator[Call]:
    for call in calls(graph):
        inner = graph_of(call.layer)
        yield from [call] if inner is None else _all_calls(inner)


def _positions(call: Call, shape: Shape) -> int:
    """Elements of a tensor in one channel of one sample."""
    first = getattr(call.layer, "data_format", None) == "channels_first"
    return prod(size or 1 for size in (shape[2:] if first else shape[1:-1]))


def _at_outputs(call: Call) -> int:
    """Every weight of a kernel is used once for each position of the output."""
    kernels = [each for each in call.layer.weights if each.name.endswith("kernel")]
    weights: int = sum(prod(each.shape) for each in kernels)
    return _positions(call, call.outputs[0].shape) * weights


def _at_inputs(call: Call) -> int:
    """In a transposed convolution, once for each position of the input."""
    weights: int = prod(call.layer.kernel.shape)
    return _positions(call, call.inputs[0].shape) * weights


_COUNTS: Mapping[str, Callable[[Call], int]] = {
    **dict.fromkeys(
        (
            "Dense",
            "Conv1D",
            "Conv2D",
            "Conv3D",
            "DepthwiseConv1D",
            "DepthwiseConv2D",
            "SeparableConv1D",
            "SeparableConv2D",
        ),
        _at_outputs,
    ),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _at_inputs),
}
