"""Kinds of quantisation in ONNX files that a vendor's own tool refuses.

Each rule recognises one of them in an operator and returns what is wrong with it, or nothing. A
target lists the rules that hold for it, with the words of the tool (``Target.refusals``). The rules
follow TensorRT's ONNX parser, whose int8 is symmetric: zero points of 0, and biases in float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pytest_edgegate.core.description import OperatorInfo, TensorInfo

_WIDE = ("int32", "uint32", "int16", "uint16")
_INTEGER_OPERATORS = ("MatMulNBits", "QAttention", "QEmbedLayerNormalization", "QGemm")
_INTEGER_PREFIXES = ("DynamicQuantize", "QLinear", "QOrdered")
_CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")


def _wide_integers(operator: OperatorInfo) -> str:
    wide = next((each for each in _integers(operator) if each.dtype in _WIDE), None)
    if wide is None:
        return ""
    if wide.dtype == "int32" and wide.constant:
        return f"takes the quantised bias {wide.name} (int32)"
    return f"quantises to {wide.dtype} ({wide.name})"


def _zero_points(operator: OperatorInfo) -> str:
    points = (point for each in _integers(operator) for point in each.zero_points)
    point = next((point for point in points if point), 0)
    return f"has the zero point {point}" if point else ""


def _unsigned(operator: OperatorInfo) -> str:
    unsigned = next((each for each in _integers(operator) if each.dtype == "uint8"), None)
    return "" if unsigned is None else f"quantises to uint8 ({unsigned.name})"


def _integer_operators(operator: OperatorInfo) -> str:
    kind = operator.kind
    named = kind.startswith(_INTEGER_PREFIXES) or kind in _INTEGER_OPERATORS
    if named or "Integer" in kind:  # ConvInteger, MatMulIntegerToFloat
        return "is quantised otherwise than by QuantizeLinear and DequantizeLinear"
    return ""


def _integers(operator: OperatorInfo) -> Iterator[TensorInfo]:
    """The integer tensor that an operator converts from or to."""
    if operator.kind in _CONVERSIONS:
        sides = operator.outputs if operator.kind == "QuantizeLinear" else operator.inputs
        yield from (each for each in sides[:1] if each is not None)


REFUSALS: dict[str, Callable[[OperatorInfo], str]] = {
    "integer_operators": _integer_operators,
    "unsigned_integers": _unsigned,
    "wide_integers": _wide_integers,
    "zero_points": _zero_points,
}
"""The checks by the name of the rule: each returns the fault of an operator, or nothing."""
