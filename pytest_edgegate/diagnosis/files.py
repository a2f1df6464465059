"""Explains sizes: by file, and by the parts that quantisation can't shrink."""

from __future__ import annotations

from math import prod

from pytest_edgegate.core.budget import doubtful_bytes
from pytest_edgegate.core.description import OperatorInfo
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.diagnosis.making import fewer_filters, in_int8
from pytest_edgegate.measures.contract import expected_dtype
from pytest_edgegate.measures.providers import File

SMALL = 50_000
"""The size of a float export in bytes below which the graph outweighs the weights."""


_SHARE = 0.1
"""The share of a file from which weights in float are the cause of its size."""
_ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_ELSEWHERE = "make the file smaller where it was made, or raise the budget knowingly"


def in_kilobytes(measured: Measurement, limit: float) -> Diagnosis:
    """A limit that was meant in another unit."""
    return Diagnosis(remedy=doubtful_bytes("size", limit))


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
    sizes = Diagnosis((f"float export {export.size_bytes} bytes, artifact {own} bytes",))
    return sizes.then(_in_float(file)).then(_by_size(export.size_bytes, file))


def _in_float(file: File) -> Diagnosis:
    """Layers of an int8 file whose weights stayed in float: most of the graph does not matter."""
    if expected_dtype(file.artifact, file.target) != "int8":
        return Diagnosis()
    sizes = {each.name: _float_bytes(each) for each in file.description().operators}
    wide = sorted(filter(sizes.get, sizes), key=lambda name: -sizes[name])
    if sum(sizes.values()) < _SHARE * file.artifact.size_bytes or not wide:
        return Diagnosis()
    shown = ", ".join(wide[:3])
    more = f" and {len(wide) - 3} more" if len(wide) > 3 else ""
    return Diagnosis(
        cause=f"{sum(sizes.values())} bytes of weights were left in float: {shown}{more}",
        remedy="replace those layers by ones that are quantised; the contract of an int8 target "
        "says why they were not",
    )


def _float_bytes(operator: OperatorInfo) -> int:
    """Of the constants of more than one axis; biases may stay in float."""
    constants = [each for each in operator.inputs if each is not None and each.constant]
    return sum(
        prod(each.shape) * _ITEM_BYTES[each.dtype]
        for each in constants
        if each.dtype in _ITEM_BYTES and len(each.shape) > 1
    )


def _by_size(exported: int, file: File) -> Diagnosis:
    small = "a small model is mostly graph, which no quantisation shrinks"
    return Diagnosis(cause=small if exported < SMALL else "", remedy=_by_dtype(file))


def _by_dtype(file: File) -> str:
    """Weights of int8 take a quarter of their bytes in float32, weights of float16 a half."""
    if not file.artifact.made:
        return "check where the file was made that its weights are int8, or lower the budget"
    quantised = in_int8(file)
    if not quantised:
        return ""
    return f"{file.artifact.dtype} weights shrink less than int8 ones: {quantised}"
