"""The operators that Vela leaves on the CPU, with its reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_edgegate.backends.fused_names import without_fused
from pytest_edgegate.backends.tools import one_line
from pytest_edgegate.core.description import ModelDescription, OperatorInfo

_REASON = re.compile(
    r"^Warning \(supported operators\) operator: (?P<kind>\w+), ofm: '(?P<name>.*)'\n"
    r"Reason: (?P<reason>(?:.+\n?)+)",
    re.M,
)


@dataclass(frozen=True)
class OnCpu:
    """One operator that the compiled file leaves to the CPU."""

    operator: OperatorInfo
    reason: str
    """In Vela's words; empty where it gives none."""

    def __str__(self) -> str:
        short = without_fused(_output(self.operator))
        reason = self.reason or "left to the CPU, without a reason"
        return f"{self.operator.kind} #{self.operator.index} ({short}): {reason}"


def on_cpu(source: ModelDescription, compiled: ModelDescription, printed: str = "") -> list[OnCpu]:
    """The operators of *compiled* that are not the chip's, as those of *source* that they were."""
    known = {_output(each): each for each in source.operators}
    reasons = _reasons(printed)
    return [
        OnCpu(known.get(_output(each), each), _reason(reasons, each))
        for each in compiled.beside_the_chip
    ]


def _output(operator: OperatorInfo) -> str:
    return operator.outputs[0].name if operator.outputs else ""


def _reasons(printed: str) -> Mapping[tuple[str, str], str]:
    """Vela's reasons by the kind and the output of the operator."""
    return {
        (found["kind"], found["name"]): one_line(found["reason"])
        for found in _REASON.finditer(printed)
    }


def _reason(reasons: Mapping[tuple[str, str], str], operator: OperatorInfo) -> str:
    """That of the operator; a fused activation is refused by itself, under the same output."""
    name = _output(operator)
    of_output = [reason for (_, other), reason in reasons.items() if other == name]
    return reasons.get((operator.kind, name)) or next(iter(of_output), "")


def share_on_chip(source: ModelDescription, left: Sequence[OnCpu]) -> float:
    """The share of the file's own operators that the chip runs."""
    count = len(source.operators)
    return max(count - len(left), 0) / count if count else 0.0
