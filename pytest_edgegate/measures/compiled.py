"""What a file that was compiled for a chip hides: nothing here runs it or sees its operators.

A target without that chip can't run it either, whatever the rest of the file is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.description import (
    UNKNOWN_SIZE,
    CompiledFor,
    ModelDescription,
    TensorInfo,
)
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.providers import File

_ENDINGS = ("_edgetpu.tflite", "_vela.tflite")
"""What compilers put in place of the ending of a file's name."""


def hidden(metric: str, file: File) -> NotMeasured | None:
    """Not measured, for a figure that a compiled file does not show; else None."""
    if kind_of(metric).of_compiled_files:
        return None
    compiled = file.description().compiled
    if compiled is None:
        return None
    name = file.artifact.path.name
    source = _name_before(name) or "model.tflite"
    call = (
        f'"{name}", source="{source}", {metric}=...'
        if has_chip(file.target, compiled)
        else f'"{source}", {metric}=...'
    )
    return NotMeasured(
        f"{name} is compiled for {compiled.chip}, which hides its operators, and no CPU runs it",
        "give the file that it was compiled from, on which this budget is then judged: "
        f"edge_gate.check({call})",
    )


def source_beside(path: Path) -> Path | None:
    """The file that a compiled one is named after, if it lies beside it."""
    name = _name_before(path.name)
    if not name:
        return None
    found = path.with_name(name)
    return found if found.is_file() else None


def _name_before(name: str) -> str:
    """The name of a file before it was compiled; empty for a name that no compiler gives."""
    ending = next((each for each in _ENDINGS if name.endswith(each)), "")
    return f"{name.removesuffix(ending)}.tflite" if ending else ""


def has_chip(target: Target, compiled: CompiledFor) -> bool:
    """Whether the target says by its ``machine`` that it has the chip, of whatever size."""
    return compiled.machine in _plain(target.machine)


def other_size(target: Target, compiled: CompiledFor) -> str:
    """The size of the chip that the target has, where the file was compiled for another one.

    That is the one which its tools compile for, and else what its ``machine`` says of it, which may
    be the family alone.
    """
    if not compiled.size or not has_chip(target, compiled):
        return ""
    options = (each.get("accelerator", "") for each in target.tool_options.values())
    named = [str(each) for each in options if compiled.machine in _plain(str(each))]
    wanted = named[0] if named else target.machine
    if compiled.size == UNKNOWN_SIZE:
        return wanted
    known, given = (_plain(each).partition(compiled.machine)[2] for each in (wanted, compiled.size))
    if named:
        return "" if given == known else wanted
    return wanted if known.isdecimal() and not given.startswith(known) else ""


def lacking(name: str, target: Target, compiled: CompiledFor) -> str:
    """Why nothing of the target runs the file; empty if the target has the chip."""
    if not has_chip(target, compiled):
        return (
            f"{name} is compiled for {compiled.chip}: no CPU runs it, and {target.name} does not "
            "have that chip"
        )
    other = other_size(target, compiled)
    if not other:
        return ""
    where = other if other == target.name else f"{other} ({target.name})"
    if compiled.size == UNKNOWN_SIZE:
        return (
            f"{name} is compiled for {compiled.chip}, and names none that is known: the driver of "
            f"{where} refuses it"
        )
    return (
        f"{name} is compiled for {compiled.chip}, and the driver of {where} refuses what is made "
        "for another chip"
    )


def elsewhere(compiled: CompiledFor) -> str:
    """Where a compiled file can be gated, as the end of a remedy."""
    if compiled.board:
        return f"gate it for a target with that chip ({compiled.board})"
    known = compiled.size not in ("", UNKNOWN_SIZE)
    machine = compiled.size if known else f"{compiled.machine}..."
    return f"gate it for a target whose machine is that chip ({machine})"


def _plain(machine: str) -> str:
    """A name without its punctuation."""
    return re.sub(r"[\W_]", "", machine.lower())


def differing_ends(before: ModelDescription, after: ModelDescription) -> str:
    """How the inputs and outputs differ of a file and of a compiled one; empty if they agree."""
    sides = (("inputs", before.inputs, after.inputs), ("outputs", before.outputs, after.outputs))
    for side, given, kept in sides:
        if len(given) != len(kept):
            return f"their {side} differ: {len(given)}, and {len(kept)} where it is compiled"
        for one, other in zip(given, kept, strict=True):
            differing = [
                each for each in _PROPERTIES if _PROPERTIES[each](one) != _PROPERTIES[each](other)
            ]
            if differing:
                told = (_spelt(each, differing) for each in (one, other))
                return f"their {side} differ: {', and '.join(told)} where it is compiled"
    return ""


_PROPERTIES: Mapping[str, Callable[[TensorInfo], object]] = {
    "shape": lambda tensor: tensor.shape,
    "dtype": lambda tensor: tensor.dtype,
    "scale": lambda tensor: tensor.scales,
    "zero point": lambda tensor: tensor.zero_points,
}
"""What a compiler keeps of an input or output."""


def _spelt(tensor: TensorInfo, properties: Sequence[str]) -> str:
    told = (_of_property(each, _PROPERTIES[each](tensor)) for each in properties)
    return f"{tensor.name} has {' and '.join(told)}"


def _of_property(name: str, value: object) -> str:
    """A scale or zero point, of which an input has one, is told without the brackets of a list."""
    if value == ():
        return f"no {name}"
    if isinstance(value, tuple) and len(value) == 1 and name != "shape":
        value = value[0]
    return f"{name} {value}"
