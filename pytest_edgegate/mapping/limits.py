"""Limits that targets set on single operators: each check returns the fault, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod

from pytest_edgegate.core.description import OperatorInfo, TensorInfo
from pytest_edgegate.core.target import LimitRule

_NO_RULE = LimitRule()
_WITHOUT_BATCH = 3
"""The most dimensions of a tensor whose first one is not a batch."""


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
    tensor = _input(operator, 0)
    if tensor is None or not tensor.shape:
        return ""
    if _rows(tensor.shape) > 1 or tensor.shape[-1] > 16_000:
        return f"takes shape {tensor.shape} (1-D of at most 16,000 elements)"
    return ""


def _strides(operator: OperatorInfo) -> str:
    strides = operator.option("strides")
    if isinstance(strides, tuple) and any(stride != 1 for stride in strides):
        return f"has strides {strides}"
    masks = (operator.option("ellipsis_mask", 0), operator.option("new_axis_mask", 0))
    return "has an ellipsis or a new axis" if any(masks) else ""


def _batch_packing(operator: OperatorInfo) -> str:
    rank = len(operator.outputs[0].shape) if operator.outputs else 0
    packed = rank > _WITHOUT_BATCH and operator.option("axis") in (0, -rank)
    return "packs the batch dimension" if packed else ""


def _batch_splitting(operator: OperatorInfo) -> str:
    axes, tensor = operator.option("axes"), _input(operator, 1)
    rank = len(tensor.shape) if tensor is not None else 0
    split = (
        rank > _WITHOUT_BATCH
        and isinstance(axes, tuple)
        and any(axis in (0, -rank) for axis in axes)
    )
    return "splits the batch dimension" if split else ""


def _zero_constants(operator: OperatorInfo) -> str:
    """A constant is taken as a padding with zeros, of one other input."""
    constant = any(each is not None and each.constant for each in operator.inputs)
    if not constant:
        return ""
    if len(operator.inputs) != 2:
        return f"has a constant among {len(operator.inputs)} inputs"
    return "" if operator.option("zero_constants") else "joins a constant that is not all zeros"


def _fours(operator: OperatorInfo) -> str:
    """A reduction over the channels, which are the last dimension."""
    axes, tensor = operator.option("axes"), _input(operator, 0)
    if tensor is None or not isinstance(axes, tuple) or not tensor.shape:
        return ""
    over_channels = any(axis in (-1, len(tensor.shape) - 1) for axis in axes)
    if not over_channels or tensor.shape[-1] % 4 == 0:
        return ""
    return f"reduces {tensor.shape[-1]} channels, no multiple of 4"


def _one_row(operator: OperatorInfo) -> str:
    shape = operator.outputs[0].shape if operator.outputs else ()
    return f"gives shape {shape}, more than one row" if _rows(shape) > 1 else ""


def _flat_alpha(operator: OperatorInfo) -> str:
    alpha = _input(operator, 1)
    if alpha is None or _rows(alpha.shape) <= 1:
        return ""
    return f"has an alpha of shape {alpha.shape}, not one value for each channel"


def _factor(operator: OperatorInfo) -> float:
    """By how much a resized picture grows, in the direction in which it grows more."""
    tensor = _input(operator, 0)
    if tensor is None or not operator.outputs:
        return 0
    before, after = tensor.shape[1:3], operator.outputs[0].shape[1:3]
    pairs = zip(before, after, strict=False)
    return max((new / old for old, new in pairs if old > 0), default=0)


def _resized(operator: OperatorInfo, most: float) -> str:
    factor = _factor(operator)
    return f"resizes {factor:.3g} times, above {most:g}" if factor > most else ""


def _side(operator: OperatorInfo) -> float:
    """The longer side of a resized picture."""
    return max(operator.outputs[0].shape[1:3], default=0) if operator.outputs else 0


def _large(operator: OperatorInfo, most: float) -> str:
    side = _side(operator)
    return f"makes a picture of {side:g}, above {most:g}" if side > most else ""


def _made(operator: OperatorInfo) -> float:
    """The number of values of the output."""
    return prod(max(size, 1) for size in operator.outputs[0].shape) if operator.outputs else 0


def _many_made(operator: OperatorInfo, most: float) -> str:
    count = _made(operator)
    return f"makes {count:,} values, above {most:,.0f}" if count > most else ""


def _groups(operator: OperatorInfo) -> float:
    """In how many groups the channels are convolved; the weights have those of one of them."""
    tensor, weights = _input(operator, 0), _input(operator, 1)
    if tensor is None or weights is None or not (tensor.shape and weights.shape):
        return 1
    return tensor.shape[-1] / max(weights.shape[-1], 1)


def _many_groups(operator: OperatorInfo, most: float) -> str:
    count = _groups(operator)
    return f"convolves {count:,.0f} groups, above {most:,.0f}" if count > most else ""


def _reduced(operator: OperatorInfo) -> float:
    """The number of values that are reduced to one."""
    axes, tensor = operator.option("axes"), _input(operator, 0)
    if tensor is None or not isinstance(axes, tuple):
        return 0
    return prod(
        tensor.shape[axis] for axis in axes if -len(tensor.shape) <= axis < len(tensor.shape)
    )


def _many_reduced(operator: OperatorInfo, most: float) -> str:
    count = _reduced(operator)
    return f"reduces {count:,} values to one, above {most:,.0f}" if count > most else ""


def _input(operator: OperatorInfo, at: int) -> TensorInfo | None:
    return operator.inputs[at] if len(operator.inputs) > at else None


def _rows(shape: tuple[int, ...]) -> int:
    return prod(max(size, 1) for size in shape[:-1])


LIMITS: dict[str, Callable[[OperatorInfo], str]] = {
    "default_weights_format": _weights_format,
    "flat_alpha": _flat_alpha,
    "fours": _fours,
    "no_batch_packing": _batch_packing,
    "no_batch_padding": _batch_padding,
    "no_batch_reduction": _batch_reduction,
    "no_batch_splitting": _batch_splitting,
    "no_fused_activation": _fused,
    "one_row": _one_row,
    "per_tensor_weights": _per_tensor,
    "same_dilation": _dilation,
    "softmax_size": _softmax,
    "unit_strides": _strides,
    "zero_constants": _zero_constants,
}
"""The checks by the name of the limit: each returns the fault of an operator, or nothing."""

OF_NUMBERS: dict[str, tuple[Callable[[OperatorInfo], float], Callable[[OperatorInfo, float], str]]]
OF_NUMBERS = {
    "deconvolved_values": (_made, _many_made),
    "groups": (_groups, _many_groups),
    "reshaped_values": (_made, _many_made),
    "reduced_values": (_reduced, _many_reduced),
    "resize_factor": (_factor, _resized),
    "resized_side": (_side, _large),
}
"""Limits on a number, of which a target has the largest (``LimitRule.most``): the number of an
operator, and the check."""


def faults(
    operator: OperatorInfo, limits: tuple[str, ...], known: Mapping[str, LimitRule]
) -> Iterator[tuple[str, str]]:
    """The name of each limit that an operator breaks, and the fault."""
    for name in limits:
        rule = known.get(name, _NO_RULE)
        if name not in OF_NUMBERS:
            fault = LIMITS[name](operator)
        else:
            fault = "" if rule.most is None else OF_NUMBERS[name][1](operator, rule.most)
        if fault:
            yield name, fault


def doubt(operator: OperatorInfo, name: str, rule: LimitRule, *, broken: bool) -> str:
    """Why it is not certain that an operator keeps a limit, or that it breaks it.

    A limit on a number is certain up to what was seen taken, and from what was seen refused on.
    """
    if name not in OF_NUMBERS:
        return rule.guess if broken else ""
    number = OF_NUMBERS[name][0](operator)
    seen_taken = rule.taken is not None and number <= rule.taken
    seen_refused = rule.refused is not None and number >= rule.refused
    return "" if seen_taken or seen_refused else rule.guess
