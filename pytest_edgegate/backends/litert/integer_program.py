"""Prepares int8 torch programs so that litert-torch converts them to integer operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_edgegate.backends.litert.inputs_outputs import operator_code
from pytest_edgegate.backends.litert.schema import import_schema

_SPACE = "quantized_decomposed::"
_MARK = 0.987654
"""The slope of what holds the place of a rescaling until the file is written."""


class IntegerProgram:
    """A quantised program as litert-torch makes integer operators of it.

    It takes no integers that are stored, only real values behind a rounding: weights are rounded to
    the same integers again. What is concatenated has one scale in a .tflite file: where it has
    several, the converter gives the wider one to the operators before, which loses the activations
    that end where their own scale does. So those tensors are rescaled by themselves. A rescaling of
    nothing but integers the converter drops, as if both scales were one: it is given a leaky ReLU
    in its place, which ``with_rescalings`` makes a QUANTIZE of.
    Has what is needed of an exported program: ``graph`` and ``module``.
    """

    def __init__(self, program: Any) -> None:
        self._module = program.module(check_guards=False)
        self.graph = self._module.graph
        for node in list(self.graph.nodes):
            if _is(node, "dequantize_") and node.args[0].op == "get_attr":
                self._round_again(node)
            elif getattr(getattr(node.target, "_schema", None), "name", "") == "aten::cat":
                self._rescale(node)
        for node in list(self.graph.nodes):
            if _is(node, "quantize_") and _is(node.args[0], "dequantize_"):
                self._mark(node)
        self.graph.lint()
        self._module.recompile()

    def module(self) -> Any:
        """The graph as a module."""
        return self._module

    def _round_again(self, dequantise: Any) -> None:
        import torch

        operators = torch.ops.quantized_decomposed
        name = dequantise.target._schema.name.partition("::de")[2]
        quantise = getattr(operators, name).default
        values = [
            self._attribute(each.target) if hasattr(each, "op") else each
            for each in dequantise.args
        ]
        self._module.register_buffer(f"real_{dequantise.name}", dequantise.target(*values))
        with self.graph.inserting_before(dequantise):
            real = self.graph.get_attr(f"real_{dequantise.name}")
            rounded = self.graph.call_function(quantise, (real, *dequantise.args[1:]))
        dequantise.args = (rounded, *dequantise.args[1:])

    def _rescale(self, cat: Any) -> None:
        after = next((each for each in cat.users if _is(each, "quantize_")), None)
        if after is None:
            return
        with self.graph.inserting_before(cat):
            parts = [self._at_scale_of(after, part) for part in cat.args[0]]
        cat.args = (parts, *cat.args[1:])

    def _at_scale_of(self, quantise: Any, part: Any) -> Any:
        if not _is(part, "dequantize_") or part.args[1:3] == quantise.args[1:3]:
            return part
        rounded = self.graph.call_function(quantise.target, (part, *quantise.args[1:]))
        return self.graph.call_function(part.target, (rounded, *quantise.args[1:]))

    def _mark(self, quantise: Any) -> None:
        import torch

        real = quantise.args[0]
        if real.args[1:3] != quantise.args[1:3]:
            with self.graph.inserting_before(quantise):
                marked = self.graph.call_function(torch.ops.aten.leaky_relu.default, (real, _MARK))
            quantise.args = (marked, *quantise.args[1:])

    def _attribute(self, path: str) -> Any:
        found = self._module
        for part in path.split("."):
            found = getattr(found, part)
        return found


def in_integers() -> Mapping[str, Any]:
    """The options of litert-torch that make integer operators of rounded ones."""
    from litert_torch.quantize.pt2e_quantizer import (
        PT2EQuantizer,
        get_symmetric_quantization_config,
    )
    from litert_torch.quantize.quant_config import QuantConfig

    static = get_symmetric_quantization_config(is_per_channel=True, is_qat=True)
    return {"quant_config": QuantConfig(pt2e_quantizer=PT2EQuantizer().set_global(static))}


def with_rescalings(model: Any) -> None:
    """Puts a QUANTIZE where one was marked, in a ModelT in its place."""
    schema = import_schema()
    for graph in model.subgraphs:
        for operator in graph.operators:
            slope = getattr(operator.builtinOptions, "alpha", None)
            if slope is not None and abs(slope - _MARK) < 1e-6:
                operator.opcodeIndex = operator_code(model, "QUANTIZE")
                operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
                operator.builtinOptions = schema.QuantizeOptionsT()


def _is(node: Any, conversion: str) -> bool:
    """Whether a node is a conversion to (``quantize_``) or from (``dequantize_``) integers."""
    name = getattr(getattr(node.target, "_schema", None), "name", "")
    return node.op == "call_function" and str(name).startswith(_SPACE + conversion)
