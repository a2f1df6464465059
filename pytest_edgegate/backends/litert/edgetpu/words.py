"""How what is known of the Edge TPU is told: details of a red figure, and notes of any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from pytest_edgegate.backends.litert.edgetpu.package import CompiledFile
from pytest_edgegate.backends.litert.edgetpu.parameters import Parameters
from pytest_edgegate.core.description import OperatorInfo
from pytest_edgegate.core.tools import Placed
from pytest_edgegate.mapping.prediction import Placement, Prediction, Why

_SHOWN = 3
_LONGEST = 60
AGREED = "the rules predict the same"
Names = Collection[tuple[str, str]]


def joined(*texts: str) -> str:
    return "; ".join(filter(None, texts))


def counted(found: Prediction) -> str:
    """How many operators are mapped, and where the part of the chip ends."""
    ends = ", ".join(_short(each.operator) for each in found.splits[:_SHOWN])
    more = f" and {len(found.splits) - _SHOWN} more" if len(found.splits) > _SHOWN else ""
    parts = "no subgraph" if not found.subgraphs else f"{found.subgraphs} subgraph"
    end = f", which ends before {ends}{more}" if ends else ""
    return f"{len(found.mapped)} of {len(found.placements)} operators in {parts}{end}"


def placed(found: Prediction) -> tuple[str, ...]:
    """A line for the operators on the CPU of one kind and one reason, in the compiler's words; what
    depends on one operator shares a line, whatever its kind."""
    groups: dict[tuple[str, str, str], list[Placement]] = {}
    for each in found.left:
        why, fault = each.reasons[0].why, each.reasons[0].fault
        kind = "" if why in (Why.DOWNSTREAM, Why.FILE) else each.operator.kind
        groups.setdefault((kind, each.words, fault), []).append(each)
    return tuple(
        _line([each.operator for each in alike], f'"{said}", {fault}' if said != fault else said)
        for (_, said, fault), alike in groups.items()
    )


def left(operators: Iterable[OperatorInfo]) -> tuple[str, ...]:
    """A line for each kind of operator that a compiled file leaves to the CPU."""
    groups: dict[str, list[OperatorInfo]] = {}
    for each in operators:
        groups.setdefault(each.kind, []).append(each)
    return tuple(_line(alike, "left to the CPU") for alike in groups.values())


def left_by(found: Placed) -> tuple[str, ...]:
    """The same of what a compiler was asked for, with its reasons."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in found.left:
        groups.setdefault((each.kind, each.reason), []).append(each.output)
    lines = []
    for (kind, reason), names in groups.items():
        said = f'"{reason}"' if reason else "left to the CPU"
        count = f"{len(names)} x " if len(names) > 1 else ""
        lines.append(f"{count}{kind} ({_cut(names[0])}): {said}")
    return tuple(lines)


def sized(cached_bytes: int, streamed: int) -> tuple[str, ...]:
    return (f"{cached_bytes:,} bytes of parameters stay on the chip, {streamed:,} do not",)


def cached(size: int) -> str:
    return f"{size:,} bytes of parameters cached on the chip"


def guessed(guesses: Sequence[str]) -> str:
    """What rests on rules that are not certain."""
    told = "; ".join(guesses[:_SHOWN])
    more = f"; and {len(guesses) - _SHOWN} more" if len(guesses) > _SHOWN else ""
    return f"a guess where {told}{more}" if guesses else ""


def agreement(
    ours: Prediction,
    left_out: Names,
    sizes: Parameters,
    found: CompiledFile,
    *,
    of_source: bool = False,
) -> tuple[str, ...]:
    """Whether the rules predict what the compiler did; both where they differ. *of_source*: whether
    they predict it of another file than the one that is gated."""
    of = " of its source" if of_source else ""
    expected = {each.operator.name_of_output for each in ours.left}
    differing = [
        *(f"{kind} ({_cut(name)}) on the CPU" for kind, name in sorted(expected - {*left_out})),
        *(f"{kind} ({_cut(name)}) mapped" for kind, name in sorted({*left_out} - expected)),
    ]
    if (sizes.cached, sizes.streamed) != (found.cached, found.streamed):
        differing.append(f"{sizes.cached:,} bytes cached and {sizes.streamed:,} streamed")
    if not differing:
        return (f"{AGREED}{of}",)
    told = ", ".join(differing[:_SHOWN])
    more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    guesses = guessed((*ours.guesses, *sizes.guesses))
    return (joined(f"caution: the rules predict otherwise{of}: {told}{more}", guesses),)


def _line(alike: Sequence[OperatorInfo], said: str) -> str:
    first = _short(alike[0])
    kinds = Counter(each.kind for each in alike)
    if len(alike) == 1:
        return f"{first}: {said}"
    if len(kinds) > 1:
        named = ", ".join(
            kind if count == 1 else f"{count} x {kind}" for kind, count in kinds.items()
        )
        return f"{len(alike)} operators ({named}): {said}"
    return f"{len(alike)} x {alike[0].kind} (first: {first}): {said}"


def _short(operator: OperatorInfo) -> str:
    name = operator.outputs[0].name if operator.outputs else ""
    return f"{operator.kind} #{operator.index} ({_cut(name)})"


def _cut(name: str) -> str:
    """The first of the names that a converter has joined."""
    first = name.partition(";")[0]
    return first if len(first) <= _LONGEST else f"{first[: _LONGEST - 3]}..."
