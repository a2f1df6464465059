"""Rewrites an exported int8 program so that runtimes fuse it into integer operators.

torch's exporter writes int8 weights, and conversions around every tensor. A runtime also needs
biases in 32 bits, activations in a dtype that it has kernels for, and a single operator for the
mean over an image.
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


def in_integers(model: Any, activations: str) -> Any:
    """The ModelProto, changed in its place, with activations of the dtype ``uint8`` or ``int8``.

    What is computed stays what it was: a uint8 is the int8 plus 128, zero point and all.
    """
    graph = _Graph(model.graph)
    for node in list(model.graph.node):
        if node.op_type in _BIASED:
            graph.round_bias(node)
        if node.op_type == "ReduceMean":
            graph.pool(node)
        if activations == "uint8" and node.op_type in (_Q, _DQ):
            graph.shift(node)
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
