"""Which operators of a file take the arena and the flash."""

from __future__ import annotations

import math
from collections.abc import Callable

from pytest_edgegate.backends.fused_names import without_fused
from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo

_BITS = {
    "float64": 64,
    "int64": 64,
    "float32": 32,
    "int32": 32,
    "uint32": 32,
    "float16": 16,
    "int16": 16,
    "int4": 4,
    "int2": 2,
}
"""Of the dtypes that do not have 8."""
_SHOWN = 3


def size_of(tensor: TensorInfo) -> int:
    """Bytes; a free size counts as 1."""
    shape = tensor.allocated or tensor.shape
    count = math.prod(max(size, 1) for size in shape)
    return -(-count * _BITS.get(tensor.dtype, 8) // 8)


def largest_in_arena(described: ModelDescription) -> tuple[str, ...]:
    """The operators with the largest inputs and outputs, which lie in the arena together."""
    return _largest(described, _alive, "inputs and outputs")


def largest_in_flash(described: ModelDescription) -> tuple[str, ...]:
    """The operators with the largest weights and other constants."""
    return _largest(described, _constant, "weights and other constants")


def _largest(
    described: ModelDescription, bytes_of: Callable[[OperatorInfo], int], what: str
) -> tuple[str, ...]:
    ranked = sorted(described.operators, key=lambda each: -bytes_of(each))[:_SHOWN]
    return tuple(
        f"{_spelt(each)}: {bytes_of(each):,} bytes of {what}" for each in ranked if bytes_of(each)
    )


def _alive(operator: OperatorInfo) -> int:
    moving = (each for each in operator.inputs if each is not None and not each.constant)
    return sum(map(size_of, (*moving, *operator.outputs)))


def _constant(operator: OperatorInfo) -> int:
    return sum(size_of(each) for each in operator.inputs if each is not None and each.constant)


def _spelt(operator: OperatorInfo) -> str:
    name = operator.outputs[0].name if operator.outputs else ""
    return f"{operator.kind} #{operator.index} ({without_fused(name)})"
