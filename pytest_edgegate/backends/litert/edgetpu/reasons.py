"""Why the compiler leaves each operator to the CPU, of the statuses that its log counts by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pytest_edgegate.backends.litert.edgetpu.log import CompilerLog, printed_kind
from pytest_edgegate.core.description import ModelDescription, OperatorInfo

_BEHIND = "More than one subgraph is not supported"
"""Of an operator that the chip would run, behind one at which the part of the chip has ended."""


def reasons(log: CompilerLog, found: ModelDescription) -> Mapping[int, str]:
    """By the index of an operator that stays on the CPU: its reason, in the compiler's words.

    *found*: the compiled file, or the source where nothing of it is compiled. Where the log has
    several statuses for a kind, and the counts leave open which operators have which, an operator
    has all that it may have.
    """
    left = found.beside_the_chip
    behind = _behind(found)
    counts = Counter(printed_kind(each.kind) for each in left)
    waiting = Counter(printed_kind(each.kind) for each in left if each.index in behind)
    told = {}
    for each in left:
        kind, statuses = printed_kind(each.kind), log.unmapped(each.kind)
        may = tuple(statuses)
        if sum(statuses.values()) == counts[kind]:
            may = _possible(statuses, waiting[kind], waits=each.index in behind)
        told[each.index] = "; ".join(may)
    return told


def _possible(statuses: Mapping[str, int], waiting: int, *, waits: bool) -> tuple[str, ...]:
    """The statuses that an operator may have. *waiting*: how many of its kind are behind another
    one on the CPU; *waits*: whether it is one of them.

    One that is not behind another can't have that status; and all that are have it, unless some
    have a reason of their own as well.
    """
    count = statuses.get(_BEHIND, 0)
    others = tuple(each for each in statuses if each != _BEHIND)
    if count > waiting or not (count and others):
        return tuple(statuses)
    if not waits:
        return others
    return (_BEHIND,) if count == waiting else tuple(statuses)


def _behind(found: ModelDescription) -> frozenset[int]:
    """The indices of the operators on the CPU behind another one of which the chip's part ends."""
    hidden = None if found.compiled is None else found.compiled.operator
    of_chip: set[int] = set()
    """The identities of the tensors that the program of the chip gives."""
    after: set[int] = set()
    """Of those that an operator on the CPU gives, and that depend on it."""
    behind = set()
    for each in found.operators:
        taken = {id(tensor) for tensor in each.inputs if tensor is not None}
        if each.kind == hidden:
            of_chip |= _given_by(each)
            continue
        if taken & after:
            behind.add(each.index)
        if taken & (after | of_chip):
            after |= _given_by(each)
    return frozenset(behind)


def _given_by(operator: OperatorInfo) -> set[int]:
    return {id(each) for each in operator.outputs}
