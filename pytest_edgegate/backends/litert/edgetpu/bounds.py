"""Whether the parameters in a compiled file can be those of the file that it was compiled from.

The rules for the bytes are exact for most operators and not known for some, so that these bounds
are wide: what lies beyond them is another network, and what lies within is compared by the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from pytest_edgegate.backends.litert.edgetpu.package import CompiledFile
from pytest_edgegate.backends.litert.edgetpu.parameters import parameters, rules
from pytest_edgegate.core.description import OperatorInfo, TensorInfo

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators of which every compiled file that was seen holds each weight, in a byte at least."""
_MORE = 1.25
"""Times the bytes of the rules, which were right to the byte in 12 of 14 files; what they do not
know of the other two is allowed beside it."""
_ROUNDING = 4_096
"""Bytes for tables and alignment, of one operator that the rules do not know, and of a file."""
_OF_CONSTANTS = 8
"""Times the constants of an operator that the rules do not know: one with few output channels may
have them rounded up that much, and an LSTM was seen with 34,880 bytes that are not counted."""


def beyond(
    found: CompiledFile, source: Sequence[OperatorInfo], left: Iterable[OperatorInfo]
) -> str:
    """Why a file was not compiled from *source*, by its bytes; empty where it may have been.

    *left*: the operators that it leaves to the CPU.
    """
    left = tuple(left)
    held, most = _held(found), _most(_mapped(source, left))
    if held <= most:
        return lacking(found, source, left)
    return _told(held, f"{most:,} at most")


def lacking(
    found: CompiledFile, source: Sequence[OperatorInfo], left: Iterable[OperatorInfo]
) -> str:
    """The same by the weights alone, each of which takes a byte: which is sure of a file that the
    compiler has just made, whatever the rules do not know of its tables."""
    left = tuple(left)
    names = {each.name_of_output for each in left}
    renamed = {kind for kind, _ in names - {each.name_of_output for each in source}}
    held = _held(found)
    least = _least(each for each in _mapped(source, left) if each.kind not in renamed)
    return _told(held, f"at least {least:,}") if held < least else ""


def _mapped(source: Sequence[OperatorInfo], left: Sequence[OperatorInfo]) -> list[OperatorInfo]:
    names = {each.name_of_output for each in left}
    return [each for each in source if each.name_of_output not in names]


def _held(found: CompiledFile) -> int:
    return found.cached + found.streamed


def _told(held: int, limit: str) -> str:
    return f"holds {held:,} bytes of parameters, and a program of its source {limit}"


def _least(mapped: Iterable[OperatorInfo]) -> int:
    """Weights that several operators share are counted once."""
    weights: dict[int, TensorInfo] = {}
    for each in mapped:
        held = each.inputs[1] if each.kind in _WEIGHTED and len(each.inputs) > 1 else None
        if held is not None and held.constant:
            weights[id(held)] = held
    return sum(map(_values, weights.values()))


def _most(mapped: Sequence[OperatorInfo]) -> int:
    sizes = parameters(mapped)
    known = rules()
    guessed = (
        each for each in mapped if each.kind not in known.operators or each.kind in known.guesses
    )
    return int((sizes.cached + sizes.streamed) * _MORE) + _ROUNDING + sum(map(_allowed, guessed))


def _allowed(operator: OperatorInfo) -> int:
    """Bytes of an operator that the rules do not know: its constants, and the matrix of ones and
    zeros by which a chip that multiplies and adds may take channels apart or together."""
    given = [each for each in operator.inputs if each is not None]
    constants = sum(_values(each) for each in given if each.constant)
    moving = [each for each in (*given, *operator.outputs) if not each.constant]
    channels = [max(each.shape[-1], 1) if each.shape else 1 for each in moving]
    matrix = max(channels, default=1) ** 2
    return _OF_CONSTANTS * constants + matrix + _ROUNDING


def _values(tensor: TensorInfo) -> int:
    return prod(max(each, 0) for each in tensor.shape)
