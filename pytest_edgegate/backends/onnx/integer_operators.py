"""Rewrites an exported int8 program so that runtimes fuse it into integer operators.

torch's exporter writes int8 weights, and conversions around every tensor. A runtime also needs
activations in a dtype that it has kernels for, biases that go with them, and a single operator for
the mean over an image. ONNX Runtime's kernels take unsigned activations and biases in 32 bits;
TensorRT takes zero points of 0 only, and biases in float.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.onnx.model_file import import_onnx
from pytest_edgegate.data.splits import Array

_Q, _DQ = "QuantizeLinear", "DequantizeLinear"
_BIASED = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2}
"""The position of the bias among an operator's inputs."""
_WEIGHTED = (*_BIASED, "MatMul", "Transpose")
"""Operators with int8 weights, for any dtype of activations."""
_NEVER_NEGATIVE = ("Relu", "Sigmoid", "Softmax")
"""Operators whose results need no bound at 0."""


def in_integers(model: Any, activations: str) -> Any:
    """The ModelProto, changed in its place, with activations of the dtype ``uint8`` or ``int8``.

    ``uint8``: what is computed stays what it was, since a uint8 is the int8 plus 128, zero point
    and all. ``int8``: so it does where all zero points are 0 already, as after a training for such
    a target; any other tensor gets the scale with which a zero point of 0 holds its range.
    """
    graph = _Graph(model.graph)
    unsigned = activations == "uint8"
    for node in list(model.graph.node):
        if node.op_type in _BIASED and unsigned:
            graph.round_bias(node)
        if node.op_type == "ReduceMean":
            graph.pool(node)
        if node.op_type in (_Q, _DQ):
            (graph.shift if unsigned else graph.centre)(node)
            graph.own_zero_point(node)
    if not unsigned:
        graph.restore_floats()
    graph.drop_unused()
    return model


def output_steps(path: Path) -> list[float | None]:
    """The scale of each output of a file, where it comes from an integer."""
    model = import_onnx().load(path)
    graph = _Graph(model.graph)
    producers = [graph.producer.get(each.name) for each in model.graph.output]
    return [
        float(graph.value(node.input[1]).item())
        if node is not None and node.op_type == _DQ
        else None
        for node in producers
    ]


class _Graph:
    """A GraphProto with its constants and its nodes by the names of tensors."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._helper: Any = import_onnx().numpy_helper
        self._constants = {each.name: each for each in graph.initializer}
        self.producer = {name: node for node in graph.node for name in node.output}

    def value(self, name: str) -> Array:
        found: Array = self._helper.to_array(self._constants[name])
        return found

    def round_bias(self, node: Any) -> None:
        """Stores a bias as the integers that it stands for, with the scale of the products."""
        at = _BIASED[node.op_type]
        given, weights = (self.producer.get(name) for name in node.input[:2])
        if len(node.input) <= at or node.input[at] not in self._constants:
            return
        if given is None or weights is None or {given.op_type, weights.op_type} != {_DQ}:
            return
        scale = np.atleast_1d(self.value(given.input[1]) * self.value(weights.input[1]))
        bias = np.rint(self.value(node.input[at]).astype(np.float64) / scale)
        if node.op_type == "Gemm" or len(scale) == len(bias) or len(scale) == 1:
            scale = np.broadcast_to(scale, bias.shape)
        name = f"{node.input[at]}_int32_{node.output[0]}"
        stored = self._add(name, bias.astype(np.int32))
        self._insert(
            node,
            _DQ,
            [stored, self._add(f"{name}_scale", scale.astype(np.float32))],
            f"{name}_real",
            axis=0,
        )
        node.input[at] = f"{name}_real"

    def pool(self, node: Any) -> None:
        """The mean over height and width is the global average pool, which has integer kernels."""
        options = {each.name: each.i for each in node.attribute}
        axes = self._constants.get(node.input[1]) if len(node.input) > 1 else None
        if axes is None or not options.get("keepdims", 1):
            return
        if sorted(int(axis) % 4 for axis in self.value(node.input[1])) == [2, 3]:
            node.op_type = "GlobalAveragePool"
            del node.input[1:], node.attribute[:]

    def shift(self, node: Any) -> None:
        """Makes the integers of an activation, or of a constant beside one, unsigned."""
        if len(node.input) < 3 or self._is_of_weights(node):
            return
        zero = self.value(node.input[2])
        if zero.dtype != np.int8:
            return
        node.input[2] = self._unsigned(f"zero_point_{int(zero) + 128}", zero)
        if node.input[0] in self._constants:
            name = node.input[0]
            node.input[0] = self._unsigned(f"{name}_uint8", self.value(name))

    def centre(self, node: Any) -> None:
        """Gives a conversion a zero point of 0, and the scale that holds the same range then.

        Integers q with scale s and zero point z stand for (q - z) * s. The largest of these
        magnitudes becomes 127 steps: of all that an activation may have, of those that a constant
        has. What an activation had no integers for, as a ReLU leaves no negative ones, stays cut
        off.
        """
        zero = self.value(node.input[2]) if len(node.input) > 2 else np.zeros((), np.int8)
        signed = zero.dtype == np.int8
        if zero.size > 1 or (signed and not zero.any()) or not (signed or zero.dtype == np.uint8):
            return
        name, limits = node.input[0], np.iinfo(zero.dtype)
        stored = self.value(name).astype(np.int64) if name in self._constants else None
        steps = (np.array([limits.min, limits.max]) if stored is None else stored) - int(
            zero.item()
        )
        wider = max(int(np.abs(steps).max(initial=0)), 1) / 127
        scale = self.value(node.input[1])
        if stored is not None:
            node.input[0] = self._add(f"{name}_centred", np.rint(steps / wider).astype(np.int8))
        elif node.op_type == _Q:
            self._cut_off(node, steps * scale.item())
        node.input[1] = self._add(
            f"{node.input[1]}_times_{wider:.9g}", np.asarray(scale * wider, np.float32)
        )
        node.input[2] = self._add(f"zero_points_{zero.ndim}", np.zeros_like(zero, np.int8))

    def own_zero_point(self, node: Any) -> None:
        """Gives weights a zero point that no others share: to add up exactly on x86 without VNNI,
        ONNX Runtime shifts weights with their zero points, and fails at one that it has shifted."""
        if len(node.input) > 2 and self._is_of_weights(node):
            name = f"{node.input[0]}_zero_point"
            node.input[2] = self._add(name, self.value(node.input[2]))

    def _cut_off(self, node: Any, bounds: Array) -> None:
        """Clips what is rounded to *bounds*, unless it can't be lower already."""
        low, high = (np.float32(each) for each in bounds)
        before = self.producer.get(node.input[0])
        if low == 0 and before is not None and before.op_type in _NEVER_NEGATIVE:
            return
        names = [self._add(f"bound_{each!r}", np.asarray(each)) for each in (low, high)]
        clipped = f"{node.output[0]}_cut_off"
        self._insert(node, "Clip", [node.input[0], *names], clipped)
        node.input[0] = clipped

    def restore_floats(self) -> None:
        """Stores as floats what TensorRT takes no integers for, the same numbers: biases in 32
        bits, and constants without a dimension, which its builder refuses."""
        for node in list(self._graph.node):
            stored = node.op_type == _DQ and node.input[0] in self._constants
            integers = self.value(node.input[0]) if stored else None
            if integers is None or (integers.dtype != np.int32 and integers.ndim):
                continue
            scale = self.value(node.input[1]).astype(np.float64)  # one, or one a channel of a bias
            self._add(node.output[0], np.asarray(integers * scale, np.float32))
            self._graph.node.remove(node)

    def _unsigned(self, name: str, integers: Array) -> str:
        return self._add(name, (integers.astype(np.int16) + 128).astype(np.uint8))

    def _is_of_weights(self, node: Any) -> bool:
        readers = [each for each in self._graph.node if node.output[0] in each.input]
        constant = node.input[0] in self._constants
        return constant and any(each.op_type in _WEIGHTED for each in readers)

    def drop_unused(self) -> None:
        read = {name for node in self._graph.node for name in node.input}
        read |= {each.name for each in self._graph.output}
        kept = [each for each in self._graph.initializer if each.name in read]
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del self._graph.initializer[:]
        self._graph.initializer.extend(copies)

    def _add(self, name: str, value: Array) -> str:
        if name not in self._constants:
            tensor = self._helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)
            self._graph.initializer.append(tensor)
            self._constants[name] = self._graph.initializer[-1]
        return name

    def _insert(
        self, before: Any, kind: str, inputs: Sequence[str], output: str, **options: int
    ) -> None:
        made = import_onnx().helper.make_node(kind, inputs, [output], name=output, **options)
        at = next(
            at for at, each in enumerate(self._graph.node) if each is before or each == before
        )
        self._graph.node.insert(at, made)
        self.producer[output] = made
