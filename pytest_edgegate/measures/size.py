"""Bytes, parameters and multiply-accumulates, as read from the file."""

from __future__ import annotations

from fractions import Fraction

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.measures.providers import File


def size(file: File) -> Finding:
    """Bytes of every file that ships."""
    return Measurement(file.artifact.size_bytes, "file")


def compression(file: File) -> Finding:
    """Bytes of the float export in the same format, divided by the artifact's."""
    export = file.float_export()
    if isinstance(export, NotMeasured):
        return export
    exact = Fraction(export.size_bytes, file.artifact.size_bytes)
    return Measurement(float(exact), "file", exact=exact, remark=_twice(file, export))


def _twice(file: File, export: Artifact) -> str:
    """The remark on shared weights, which count as often as the export holds them."""
    found = file.held_twice(export)
    if not found.names:
        return ""
    listed = ", ".join(found.names[:3]) + (" ..." if len(found.names) > 3 else "")
    return (
        f"caution: the float export holds {found.size_bytes:,} bytes twice, of weights that layers "
        f"share ({listed}): to hold them once is no compression"
    )


def parameters(file: File) -> Finding:
    """Weights and biases in the file."""
    return Measurement(file.description().parameters, "file")


def macs(file: File) -> Finding:
    """Multiply-accumulates of one inference."""
    described = file.description()
    if described.uncounted:
        names = ", ".join(described.uncounted[:3])
        return NotMeasured(
            f"the multiply-accumulates of these operators are not known: {names}",
            "gate parameters or size instead",
        )
    return Measurement(described.macs, "file")
