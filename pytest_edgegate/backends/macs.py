"""Multiplications and accumulations of one sample, by the shapes that a file shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from pytest_edgegate.core.description import OperatorInfo

Macs = Mapping[str, Callable[[OperatorInfo], int]]
"""By the kind of an operator."""


def total(operators: Sequence[OperatorInfo], macs: Macs) -> int:
    """The sum over the operators of the kinds that *macs* knows."""
    return sum(macs[each.kind](each) for each in operators if each.kind in macs)


def elements(shape: Sequence[int]) -> int:
    """Elements of one sample: a free dimension counts once."""
    return math.prod(max(size, 1) for size in shape)


def shape_at(operator: OperatorInfo, position: int) -> tuple[int, ...]:
    """The shape of an input; empty where the operator has none there."""
    tensor = operator.inputs[position]
    return () if tensor is None else tensor.shape


def each_output(operator: OperatorInfo, factors: Sequence[int]) -> int:
    """Elements of the first output times all *factors*."""
    return elements(operator.outputs[0].shape) * math.prod(factors)


def each_input(operator: OperatorInfo, factors: Sequence[int], position: int = 0) -> int:
    """Elements of an input times all *factors*."""
    return elements(shape_at(operator, position)) * math.prod(factors)


def all_in_integers(
    operators: Sequence[OperatorInfo], in_float: Callable[[OperatorInfo], bool]
) -> bool:
    """Whether there is something that accumulates, and none of it is *in_float*."""
    accumulating = [each for each in operators if each.accumulates]
    return bool(accumulating) and not any(map(in_float, accumulating))
