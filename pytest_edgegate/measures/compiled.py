"""What a file that was compiled for a chip hides: nothing here runs it or sees its operators."""

from __future__ import annotations

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.measures.providers import File

_SUFFIX = "_edgetpu.tflite"
"""What Coral's compiler appends to the name of a file."""


def hidden(metric: str, file: File) -> NotMeasured | None:
    """Not measured, for a figure that a compiled file does not show; else None."""
    if kind_of(metric).of_compiled_files:
        return None
    compiled = file.description().compiled
    if compiled is None:
        return None
    name = file.artifact.path.name
    source = f"{name.removesuffix(_SUFFIX)}.tflite?" if name.endswith(_SUFFIX) else ""
    return NotMeasured(
        f"{name} is compiled for {compiled.chip}, which hides its operators, and no CPU runs it",
        f"gate this budget on the file that it was compiled from{f' ({source})' if source else ''},"
        " and size on this one",
    )
