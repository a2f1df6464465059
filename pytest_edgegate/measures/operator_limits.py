"""Limits that targets set on single operators: each check returns the fault, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from pytest_edgegate.core.description import OperatorInfo, TensorInfo


def _fused(operator: OperatorInfo) -> str:
    return "has a fused activation" if operator.option("fused_activation", 0) else ""


def _dilation(operator: OperatorInfo) -> str:
    across, down = operator.option("dilation_w", 1), operator.option("dilation_h", 1)
    return f"is dilated by {across} across and {down} down" if across != down else ""


def _weights_format(operator: OperatorInfo) -> str:
    return "has shuffled weights" if operator.option("weights_format", 0) else ""


def _per_tensor(operator: OperatorInfo) -> str:
    weights = operator.inputs[1] if len(operator.inputs) > 1 else None
    return "has per-channel weights" if weights is not None and weights.per_channel else ""


def _batch_reduction(operator: OperatorInfo) -> str:
    axes = operator.option("axes")
    rank = len(operator.inputs[0].shape) if operator.inputs and operator.inputs[0] else 0
    if isinstance(axes, tuple) and any(axis in (0, -rank) for axis in axes):
        return "reduces the batch dimension"
    return ""


def _batch_padding(operator: OperatorInfo) -> str:
    paddings = operator.option("paddings")
    return "pads the batch" if isinstance(paddings, tuple) and any(paddings[:2]) else ""


def _softmax(operator: OperatorInfo) -> str:
    tensor: TensorInfo | None = operator.inputs[0]
    if tensor is None:
        return ""
    rows, last = prod(max(size, 1) for size in tensor.shape[:-1]), tensor.shape[-1]
    if rows > 1 or last > 16_000:
        return f"takes shape {tensor.shape} (1-D of at most 16,000 elements)"
    return ""


def _strides(operator: OperatorInfo) -> str:
    strides = operator.option("strides")
    if isinstance(strides, tuple) and any(stride != 1 for stride in strides):
        return f"has strides {strides}"
    masks = (operator.option("ellipsis_mask", 0), operator.option("new_axis_mask", 0))
    return "has an ellipsis or a new axis" if any(masks) else ""


LIMITS: dict[str, Callable[[OperatorInfo], str]] = {
    "default_weights_format": _weights_format,
    "no_batch_padding": _batch_padding,
    "no_batch_reduction": _batch_reduction,
    "no_fused_activation": _fused,
    "per_tensor_weights": _per_tensor,
    "same_dilation": _dilation,
    "softmax_size": _softmax,
    "unit_strides": _strides,
}
"""The checks by the name of the limit: each returns the fault of an operator, or nothing."""
