"""In which numbers a whole file computes, if those are not the int8 that its target takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo

_FLOATS = ("float32", "float16", "bfloat16", "float64")
_EIGHT_BITS = ("int8", "uint8", "int4", "int2")


@dataclass(frozen=True)
class NumberForm:
    """The numbers of a file that was never made int8."""

    name: str
    """With its article."""
    cause: str
    """How a file comes to them."""


FLOAT = NumberForm("a float file", "the file was converted without quantisation")
DYNAMIC_RANGE = NumberForm(
    "a dynamic-range quantised file (weights int8, activations float)",
    "only the weights were quantised, since the file was converted without calibration samples",
)
INT16 = NumberForm(
    "a file with int16 activations (16x8)", "the file was converted for int16 activations (16x8)"
)


def number_form(described: ModelDescription) -> NumberForm | None:
    """The numbers of a file without int8 activations; None for one that has some, which was
    quantised in part, and for one without any activations."""
    operators = described.beside_the_chip
    computing = [each for each in operators if not each.border]
    weighted = [each for each in computing if each.accumulates] or computing
    if weighted and all(any(map(_is_int16, _moving(each))) for each in weighted):
        return INT16
    moving = [tensor for each in computing for tensor in _moving(each)]
    floats = any(each.dtype in _FLOATS for each in moving)
    if not floats or any(each.scales for each in moving):
        return None
    rounded = any(map(_is_rounded_weight, _constants(operators)))
    return DYNAMIC_RANGE if rounded or described.by_range else FLOAT


def _moving(operator: OperatorInfo) -> Iterator[TensorInfo]:
    """The activations; a state may be wider than they are."""
    for each in (*operator.inputs, *operator.outputs):
        if each is not None and not each.constant and not each.state:
            yield each


def _constants(operators: tuple[OperatorInfo, ...]) -> Iterator[TensorInfo]:
    for operator in operators:
        yield from (each for each in operator.inputs if each is not None and each.constant)


def _is_int16(tensor: TensorInfo) -> bool:
    return tensor.dtype == "int16" and bool(tensor.scales)


def _is_rounded_weight(tensor: TensorInfo) -> bool:
    return tensor.dtype in _EIGHT_BITS and bool(tensor.scales)
