"""Bytes, parameters and multiply-accumulates, as read from the file."""

from __future__ import annotations

from fractions import Fraction

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
    return Measurement(float(exact), "file", exact=exact)


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
