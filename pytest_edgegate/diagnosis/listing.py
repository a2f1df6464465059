"""Offences as a list in which those that are alike share a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.offences import Offence, OffenceKind

_LONGEST = 60
"""The number of characters of a name in a line for several operators."""
_SUBSTITUTES = {
    "HARD_SWISH": "RELU6",
    "HardSwish": "RELU6",
    "GELU": "RELU6",
    "Gelu": "RELU6",
    "ELU": "RELU",
    "Elu": "RELU",
    "LEAKY_RELU": "RELU",
    "LeakyRelu": "RELU",
    "PRELU": "RELU",
    "PRelu": "RELU",
}
"""Activations, and the mapped one that networks for such chips are rebuilt with."""
_OTHER_WAYS = {
    "PADV2": "a max pooling with a margin is padded by it: pad with zeros before it instead (in "
    "torch nn.ZeroPad2d(1), and padding=0), which behind a ReLU is the same",
}
"""What gives the same without an operator that is not mapped."""
_NEWER = {
    "CONV_2D": "a convolution in groups is written so: make one convolution of each group, or a "
    "depthwise and a pointwise one",
    "EXP": "the exponential of 8-bit numbers is written so: take it on the CPU, behind the model",
    "LOG": "the logarithm of 8-bit numbers is written so: take it on the CPU, behind the model",
    "TRANSPOSE_CONV": "one with an activation that the converter has fused into it is written so: "
    "put the activation elsewhere, or use UpSampling2D and a convolution",
}
"""What makes converters of today write a newer version of an operator, and what to do."""
_REBUILT = (OffenceKind.UNMAPPED, OffenceKind.TOO_NEW)
"""The kinds of offences of an operator that another one could stand for."""
_WORDS = {"RELU6": "ReLU6", "RELU": "ReLU"}


def listed(found: Iterable[Offence], target: Target) -> tuple[str, ...]:
    """A line for each offence, or for several of one kind of operator with the same fault; what
    depends on one operator shares a line, whatever its kind."""
    groups: dict[object, list[Offence]] = {}
    for at, each in enumerate(found):
        spot = each.spot
        kind = "" if spot is None or each.kind is OffenceKind.DOWNSTREAM else spot.operator
        key = (at,) if spot is None else (each.kind, kind, spot.fault)
        groups.setdefault(key, []).append(each)
    return tuple(_line(each, target) for each in groups.values())


def _line(alike: list[Offence], target: Target) -> str:
    first = alike[0]
    if first.spot is None:
        return str(first)
    if first.kind is OffenceKind.DOWNSTREAM and len(alike) > 1:
        kinds = Counter(each.spot.operator for each in alike if each.spot)
        named = ", ".join(
            kind if count == 1 else f"{count} x {kind}" for kind, count in kinds.items()
        )
        return f"{len(alike)} operators ({named}): {first.spot.fault}"
    advice = rebuilt(alike, target) or _other_way(first)
    end = f"; {advice}" if advice else ""
    kind, place, fault = first.spot.operator, _short(first.spot.place), first.spot.fault
    if len(alike) > 1:
        return f"{len(alike)} x {kind} (first: {place}): {fault}{end}"
    return f"{first}{end}" if place == first.spot.place else f"{kind} {place}: {fault}{end}"


def _other_way(offence: Offence) -> str:
    ways = {OffenceKind.UNMAPPED: _OTHER_WAYS, OffenceKind.TOO_NEW: _NEWER}.get(offence.kind, {})
    return ways.get(offence.spot.operator, "") if offence.spot else ""


def rebuilt(found: Iterable[Offence], target: Target) -> str:
    """What to rebuild activations with that the target does not map; empty if any has nothing."""
    substitutes = dict.fromkeys(_substitute(each, target) for each in found)
    if "" in substitutes or not substitutes:
        return ""
    return f"rebuild with {' and '.join(_WORDS[each] for each in substitutes)}"


def _substitute(offence: Offence, target: Target) -> str:
    if offence.kind not in _REBUILT or offence.spot is None:
        return ""
    found = _SUBSTITUTES.get(offence.spot.operator, "")
    return found if found in target.operators else ""


def _short(place: str) -> str:
    """The name without the other layers that a converter fused into it."""
    name, fused, _ = place.partition(";")
    if len(name) > _LONGEST:
        return f"{name[: _LONGEST - 3]}..."
    closing = ")" if place.endswith(")") else ""
    return f"{name};...{closing}" if fused else place
