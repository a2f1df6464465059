"""Finds tensors whose range a mask has stretched, so that few steps are left for the other values.

Of 256 steps a mask of -3.4e38 leaves none, and one of -1e4 beside scores of 10 leaves none either.
"""

from __future__ import annotations

from pytest_edgegate.core.description import OperatorInfo, TensorInfo
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.data.feeding import real_range
from pytest_edgegate.measures.fed_inputs import is_quantised
from pytest_edgegate.measures.providers import File

_MASKING = frozenset(
    {"ADD", "SUB", "SUBTRACT", "MAXIMUM", "MINIMUM", "MAX", "MIN", "WHERE", "SELECT", "SELECT_V2"}
)
"""Operators that hold a constant and other values in one tensor, as formats name them."""
_WIDER = 64.0
"""So many times as wide as the values beside it, a constant leaves them four steps."""
_WIDE = 1e6
"""Wider ranges are those of masks that the model computes, not of what layers give."""


def by_masks(measured: Measurement, file: File) -> Diagnosis:
    """The first operator that holds a mask and other values in one quantised tensor."""
    for operator in file.description().operators:
        found = _of_constant(operator) or _of_output(operator)
        if found is not None:
            return found
    return Diagnosis()


def _of_constant(operator: OperatorInfo) -> Diagnosis | None:
    if operator.kind.upper() not in _MASKING:
        return None
    known = [each for each in operator.inputs if each is not None and is_quantised(each)]
    constant = max((each for each in known if each.constant), key=_width, default=None)
    beside = max((_width(each) for each in known if not each.constant), default=0.0)
    if constant is None or not beside or _width(constant) < _WIDER * beside:
        return None
    reached = _extreme(constant)
    return _stretched(
        f"the constant {constant.name} of {operator.name} reaches {reached:.2g} beside values in a "
        f"range of {beside:.2g}",
        max(constant, *operator.outputs[:1], key=_step),
        reached,
    )


def _of_output(operator: OperatorInfo) -> Diagnosis | None:
    """A wide output of narrow inputs; the samples that are quantised may be wide by themselves."""
    made = [each for each in operator.outputs if is_quantised(each) and _width(each) > _WIDE]
    fed = [each for each in operator.inputs if each is not None and not each.constant]
    if operator.border or not made or any(_width(each) > _WIDE for each in fed):
        return None
    low, high = real_range(made[0])
    return _stretched(
        f"the output of {operator.name} goes from {low:.2g} to {high:.2g}",
        made[0],
        _extreme(made[0]),
    )


def _stretched(what: str, tensor: TensorInfo, reached: float) -> Diagnosis:
    return Diagnosis(
        cause=f"{what}, as a mask does: in steps of {_step(tensor):.2g} the other values are lost",
        remedy=f"mask with a constant close to the values beside it where the model is built, "
        f"-20 in place of {reached:.2g} or of -inf: of what lies 20 lower a softmax leaves 2e-9",
    )


def _width(tensor: TensorInfo) -> float:
    if not is_quantised(tensor):
        return 0.0
    low, high = real_range(tensor)
    return high - low


def _step(tensor: TensorInfo) -> float:
    return tensor.scales[0] if tensor.scales else 0.0


def _extreme(tensor: TensorInfo) -> float:
    """The end that lies farther from 0; masks lie below it where both do."""
    low, high = real_range(tensor)
    return high if high > 1.1 * -low else low
