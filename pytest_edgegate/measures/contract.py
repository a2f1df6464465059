"""What an artifact has to be, whatever its accuracy: the target's dtypes, I/O and operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from pytest_edgegate.core.description import (
    ExecutedOperator,
    ModelDescription,
    OperatorInfo,
    TensorInfo,
)
from pytest_edgegate.core.measurement import Finding, Measurement
from pytest_edgegate.core.target import OperatorRule, Target
from pytest_edgegate.measures.context import MeasureContext

_FLOATS = ("float32", "float16", "bfloat16", "float64")
_WEIGHTS = ("int8", "uint8", "int4", "int2")


def contract(context: MeasureContext) -> Finding:
    """Counts the offenders against the target's contract and names each."""
    described = context.description()
    expected = context.artifact.dtype or (
        context.target.dtypes[0] if len(context.target.dtypes) == 1 else None
    )
    offenders = [
        *offences(described, context.target, expected),
        *context.misplaced_outputs(),
    ]
    broken = context.probe()
    if not broken:
        offenders += execution_faults(context.executed(), expected, context.target)
    return Measurement(
        "contract",
        len(offenders),
        "file",
        nonfinite=broken,
        details=tuple(offenders),
        cause=_cause(offenders),
        remedy=_remedy(offenders, context.target, described),
    )


def offences(described: ModelDescription, target: Target, expected: str | None) -> Iterator[str]:
    """Each thing in the file that the target's contract does not allow."""
    yield from _io(described, target)
    if target.static_shape:
        for tensor in (*described.inputs, *described.outputs):
            if -1 in tensor.shape:
                yield f"{tensor.name}: dynamic shape {tensor.shape} on a target with static shapes"
    if expected == "int8":
        for operator in described.operators:
            if operator.kind in target.float_operators:
                continue
            if operator.accumulates or not described.mixed:
                yield from _float_island(operator)
    if target.operators:
        for operator in described.operators:
            yield from _operator(operator, target)


def execution_faults(
    executed: tuple[ExecutedOperator, ...] | None, expected: str | None, target: Target
) -> Iterator[str]:
    """What the runtime runs elsewhere, or otherwise, than the artifact is meant to be run."""
    for each in executed or ():
        if each.falls_back:
            yield f"{each.kind} {each.name}: fell back to {each.device}"
        elif each.runs_in_float and expected == "int8" and not _may_be_float(each, target):
            yield f"{each.kind} {each.name}: runs in float after the runtime's optimisation"


def _may_be_float(operator: ExecutedOperator, target: Target) -> bool:
    """Whether the target lists it, by its kind or by the kind that its name begins with."""
    return any(
        operator.kind == each or operator.name.startswith(each) for each in target.float_operators
    )


def _io(described: ModelDescription, target: Target) -> Iterator[str]:
    for side, tensors in (("input", described.inputs), ("output", described.outputs)):
        for tensor in tensors:
            if target.io_dtypes and tensor.dtype not in target.io_dtypes:
                allowed = " or ".join(target.io_dtypes)
                yield f"{side} {tensor.name}: {tensor.dtype}, where {target.name} takes {allowed}"


def _float_island(operator: OperatorInfo) -> Iterator[str]:
    if operator.border:
        return
    given = [each for each in operator.inputs if each is not None]
    moving = [*(each for each in given if not each.constant), *operator.outputs]
    wide = next((each.dtype for each in moving if each.dtype in (*_FLOATS, "int16")), None)
    if wide is not None:
        yield f"{operator.name}: runs in {'float' if wide in _FLOATS else wide}"
        return
    weights = None if operator.weights_at is None else operator.inputs[operator.weights_at]
    for tensor in given:
        own = tensor is weights and tensor.dtype not in _WEIGHTS
        if tensor.constant and (own or tensor.dtype in _FLOATS):
            yield f"{operator.name}: weights {tensor.name} are {tensor.dtype}"


def _operator(operator: OperatorInfo, target: Target) -> Iterator[str]:
    rule = target.operators.get(operator.kind)
    if rule is None:
        if operator.border and _touches_io(operator):
            return  # the input or output beside it is named already
        yield f"{operator.name}: not an operator of {target.name}; it would run on the CPU"
        return
    yield from _limits(operator, rule, target)


def _touches_io(operator: OperatorInfo) -> bool:
    tensors = (*operator.inputs, *operator.outputs)
    return any(each is not None and each.dtype in _FLOATS for each in tensors)


def _limits(operator: OperatorInfo, rule: OperatorRule, target: Target) -> Iterator[str]:
    for limit in rule.limits:
        fault = LIMITS[limit](operator)
        if fault:
            yield f"{operator.name}: {fault}, which {target.name} does not map"


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
"""Each limit of a target's operator rules: what is wrong with an operator, or nothing."""


def _cause(offenders: list[str]) -> str:
    if any("holds what the model" in each for each in offenders):
        return "outputs of one shape changed places when the file was made"
    if any(each.startswith(("input", "output")) for each in offenders):
        return "the inputs or outputs were left in another dtype when the file was converted"
    if any("after the runtime's" in each for each in offenders):
        return "the runtime found no integer kernel for how those layers are quantised"
    if any("runs in float" in each for each in offenders):
        return "part of the model was not quantised"
    if any("fell back" in each for each in offenders):
        return "the provider that was asked for does not run those operators"
    return ""


def _remedy(offenders: list[str], target: Target, described: ModelDescription) -> str:
    if any("fell back" in each for each in offenders):
        return "keep those operators out of the model, or list the runtime that it ran on instead"
    if any("holds what the model" in each for each in offenders):
        return "export the outputs in the order and under the names that the model has"
    if not described.mixed and any("after the runtime's" in each for each in offenders):
        return (
            "the file is integer: replace those layers by ones that the runtime has integer "
            "kernels for, or list another runtime first in the target"
        )
    if described.mixed and any("in float" in each or "weights" in each for each in offenders):
        return (
            "quantise what those layers take, multiply by and give (uint8 activations on x86, "
            "int8 weights); where the format has no integer form of a layer, replace it, write "
            f"Cast('float16'), or list it in float_operators of a target from {target.name}"
        )
    if any(each.startswith("output") and ": int64" in each for each in offenders):
        return "end the model in its scores, and take the class of the highest one on the CPU"
    if any(each.startswith(("input", "output")) for each in offenders):
        wanted = target.default_io
        return (
            f"convert with converter.inference_input_type = converter.inference_output_type = "
            f"tf.{wanted}, or let edge_ptq make the file"
        )
    if any("runs in float" in each or "weights" in each for each in offenders):
        return (
            "convert with a representative dataset and supported_ops = "
            "[tf.lite.OpsSet.TFLITE_BUILTINS_INT8], or let edge_ptq make the file"
        )
    return "replace those layers by ones that the target maps (--edge-list-targets names them)"
