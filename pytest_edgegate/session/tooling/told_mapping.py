"""What a contract says where nobody has said which operators of a file run on the chip."""

from __future__ import annotations

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.providers import File
from pytest_edgegate.session.tooling.tooling import Tooling, Unplaced


def decided(found: Finding, file: File, tooling: Tooling) -> Finding:
    """The *found* contract, which nothing breaks only if the operators were looked at: where the
    tool for that has failed, and nothing else decides about them, it is not measured."""
    keeps = isinstance(found, Measurement) and not found.value and not found.nonfinite
    unplaced = _unplaced(file, tooling) if keeps and _rests_on_tool(file) else None
    if unplaced is None or unplaced.because != "failed":
        return found
    return NotMeasured(
        f"which operators run on the chip is not known: {unplaced.reason}", unplaced.remedy
    )


def caution(file: File, tooling: Tooling) -> str:
    """That operators on the CPU go unnoticed, or who decides about them in the tool's place."""
    unplaced, ruled = _unplaced(file, tooling), _has_rules(file.target)
    if unplaced is None:
        return ""
    if unplaced.because == "silent" and (ruled or file.gates_mapping):
        return ""
    known = "predicted by the rules of the target alone" if ruled else "not looked at"
    return (
        f"caution: which operators run on the chip is {known}: {unplaced.reason}; {unplaced.remedy}"
    )


def _unplaced(file: File, tooling: Tooling) -> Unplaced | None:
    if file.description().compiled is not None:
        return None  # the file itself shows what was left to the CPU
    return tooling.unplaced(file.artifact, file.target)


def _rests_on_tool(file: File) -> bool:
    """Whether the contract knows of operators on the CPU by the tool only. A budget on mapped_ops
    decides in its place, where it has a figure."""
    return not file.gates_mapping and not _has_rules(file.target)


def _has_rules(target: Target) -> bool:
    return bool(target.operators or target.mapping)
