"""The tensors between operators, and their sizes."""

from __future__ import annotations

from math import prod

from pytest_edgegate.core.description import OperatorInfo, TensorInfo

_BYTES = {"int4": 0.5, "int16": 2, "float16": 2, "int32": 4, "float32": 4, "int64": 8}


def moving(operator: OperatorInfo) -> tuple[TensorInfo, ...]:
    """The tensors that are no constants."""
    given = (each for each in operator.inputs if each is not None and not each.constant)
    return (*given, *operator.outputs)


def size_in_bytes(tensor: TensorInfo) -> int:
    """Of the values; a size that is free counts as 1."""
    shape = tensor.allocated or tensor.shape
    return int(prod(max(size, 1) for size in shape) * _BYTES.get(tensor.dtype, 1))
