"""Explains sizes: by file, and by the parts that quantisation can't shrink."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.measures.providers import File

SMALL = 50_000
"""The size of a float export in bytes below which the graph outweighs the weights."""


def size(measured: Measurement, file: File) -> Diagnosis:
    """The sizes of the files, if several ship."""
    if len(file.artifact.files) < 2:
        return Diagnosis()
    content = file.artifact.content
    return Diagnosis(tuple(f"{each.name}: {each.stat().st_size} bytes" for each in content))


def compression(measured: Measurement, file: File) -> Diagnosis:
    """Both sizes."""
    export = file.float_export()
    if isinstance(export, NotMeasured):
        return Diagnosis()
    own = file.artifact.size_bytes
    return Diagnosis(
        (f"float export {export.size_bytes} bytes, artifact {own} bytes",),
        "a small model is mostly graph, which no quantisation shrinks"
        if export.size_bytes < SMALL
        else "",
    )
