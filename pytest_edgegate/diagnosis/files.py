"""Explains sizes: by file, and by the parts that quantisation can't shrink."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.diagnosis.making import fewer_filters, in_int8
from pytest_edgegate.measures.providers import File

SMALL = 50_000
"""The size of a float export in bytes below which the graph outweighs the weights."""


_ELSEWHERE = "make the file smaller where it was made, or raise the budget knowingly"


def size(measured: Measurement, file: File) -> Diagnosis:
    """The sizes of the files, if several ship."""
    content = file.artifact.content if len(file.artifact.files) > 1 else ()
    details = tuple(f"{each.name}: {each.stat().st_size} bytes" for each in content)
    return Diagnosis(details, remedy=_remedy(file, in_int8(file)))


def counts(measured: Measurement, file: File) -> Diagnosis:
    """Parameters or MACs, which only the maker of a file can change."""
    return Diagnosis(remedy=_remedy(file))


def _remedy(file: File, *ways: str) -> str:
    """The remedy for too large a file, with the *ways* that are open to it besides its recipe."""
    if not file.artifact.made:
        return _ELSEWHERE
    found = list(filter(None, (*ways, fewer_filters(file.artifact.recipe))))
    return ", or ".join((*found, "raise the budget knowingly")) if found else ""


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
        _by_dtype(file),
    )


def _by_dtype(file: File) -> str:
    """Weights of int8 take a quarter of their bytes in float32, weights of float16 a half."""
    if not file.artifact.made:
        return "check where the file was made that its weights are int8, or raise the budget"
    quantised = in_int8(file)
    if not quantised:
        return ""
    return f"{file.artifact.dtype} weights shrink less than int8 ones: {quantised}"
