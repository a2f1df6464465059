"""Operators that stay on the CPU: by a vendor's compiler where it was asked, else by rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_edgegate.core.description import ModelDescription, OperatorInfo
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import LeftOut, Placed
from pytest_edgegate.mapping.prediction import Placement, Prediction, Reason, Why, predicted
from pytest_edgegate.measures.offences import Offence, OffenceKind, offence_of
from pytest_edgegate.measures.providers import File

_FLOATS = ("float32", "float16", "bfloat16", "float64")
LEFT_TO_THE_CPU = frozenset({OffenceKind.UNMAPPED, OffenceKind.LIMIT, OffenceKind.DOWNSTREAM})
"""The kinds that a budget on mapped_ops decides, where a test has one."""
_BY_REASON = {
    Why.LIMIT: OffenceKind.LIMIT,
    Why.DOWNSTREAM: OffenceKind.DOWNSTREAM,
    Why.VERSION: OffenceKind.TOO_NEW,
}
ELSEWHERE = Placed("the compiled file")
"""Stands for what a vendor's compiler has said in a compiled file that is judged beside its
source: which operators run on the chip is judged there alone."""
_OF_NUMBERS = frozenset({OffenceKind.UNQUANTISED, OffenceKind.WIDE, OffenceKind.WIDE_WEIGHTS})
"""The kinds that say that an operator is not int8."""


def unmapped(
    described: ModelDescription,
    target: Target,
    placed: Placed | None,
    numbers: Sequence[Offence],
) -> Iterator[Offence]:
    """Operators that stay on the CPU: by the vendor's compiler where it was asked, or by rules.

    *numbers*: the offences of operators that are not int8, which are not told again as such that
    work on another dtype.
    """
    found = predicted(described, target)
    if placed is ELSEWHERE:
        return
    if placed is not None and placed.refusal:
        yield Offence(OffenceKind.NOT_COMPILED, placed.refusal)
        return
    if placed is not None and placed.not_loaded:
        yield Offence(OffenceKind.NOT_LOADED, placed.not_loaded)
    if placed is not None and described.compiled is None:
        yield from _left_by(placed, found, ruled=bool(target.operators or target.mapping))
        return
    known = {id(each.part) for each in numbers if each.kind in _OF_NUMBERS}
    for each in found.left:
        if not each.allowed:
            yield from _by_rules(each, told=id(each.operator) in known)


def by_rules_alone(file: File) -> str:
    """The name of the rules by which the operators of a file run on a chip or on the CPU; empty
    where a compiler was asked, or has made the file."""
    rules = file.target.mapping
    if rules is None or file.description().compiled is not None or file.placed() is not None:
        return ""
    return rules.name


def guesses(file: File) -> tuple[str, ...]:
    """What is not certain about the operators that those map; an offence tells its own guess."""
    if not by_rules_alone(file):
        return ()
    found = predicted(file.description(), file.target)
    return replace(found, placements=found.mapped).guesses


def _by_rules(placement: Placement, *, told: bool) -> Iterator[Offence]:
    """By what the table says of it, or else by its first reason. *told*: whether its dtype is."""
    operator, reasons = placement.operator, placement.reasons
    if reasons[0].why is Why.FILE:
        return  # the operator by which the file is refused is told
    of_table = [each for each in reasons if each.why in (Why.OPERATOR, Why.LIMIT)]
    first, *more = of_table or reasons[:1]
    if first.why in (Why.OPERATOR, Why.DTYPE) and operator.border and _touches_io(operator):
        return  # the adjacent input or output is reported already
    if not (told and first.why is Why.DTYPE):
        yield _of_reasons(operator, first, more)


def _of_reasons(operator: OperatorInfo, first: Reason, more: Sequence[Reason]) -> Offence:
    """One offence of the operator, however many limits it breaks."""
    fault = "; ".join(map(_told, (first, *more)))
    kind = _BY_REASON.get(first.why, OffenceKind.UNMAPPED)
    return offence_of(
        kind, operator, fault, origin=operator.origin, limit=first.limit, part=operator
    )


def _told(reason: Reason) -> str:
    fault = f'{reason.fault} ("{reason.words}")' if reason.words else reason.fault
    return f"{fault}; a guess: {reason.guess}" if reason.guess else fault


def _left_by(placed: Placed, found: Prediction, *, ruled: bool) -> Iterator[Offence]:
    """What a compiler has left to the CPU, in its words; where our rules said otherwise, they are
    told, too. *ruled*: whether the target has rules."""
    by_name = {each.operator.name_of_output: each for each in found.placements}
    for left in placed.left:
        ours = by_name.get((left.kind, left.output))
        if ours is None or not ours.allowed:
            yield _by_compiler(left, placed.by, ours, ruled=ruled)


def _by_compiler(left: LeftOut, by: str, ours: Placement | None, *, ruled: bool) -> Offence:
    words = f' ("{left.reason}")' if left.reason else ""
    fault = f"left to the CPU by {by}{words}"
    if ours is None:
        return Offence(OffenceKind.UNMAPPED, f"{left.kind} ({left.output}): {fault}")
    reason = ours.reasons[0] if ours.reasons else None
    if ruled:
        fault += "; the rules predict it mapped" if reason is None else f"; {reason.fault}"
    known = None if reason is None else _BY_REASON.get(reason.why)
    kind, operator = known or OffenceKind.UNMAPPED, ours.operator
    return offence_of(kind, operator, fault, origin=operator.origin, part=operator)


def _touches_io(operator: OperatorInfo) -> bool:
    tensors = (*operator.inputs, *operator.outputs)
    return any(each is not None and each.dtype in _FLOATS for each in tensors)
