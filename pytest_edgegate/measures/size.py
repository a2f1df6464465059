"""Bytes, parameters and multiply-accumulates: what is read off the file."""

from __future__ import annotations

from fractions import Fraction

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.measures.context import MeasureContext


def size(context: MeasureContext) -> Finding:
    """Bytes of every file that ships."""
    artifact = context.artifact
    several = len(artifact.files) > 1
    details = tuple(f"{each.name}: {each.stat().st_size} bytes" for each in artifact.content)
    return Measurement(
        "size", artifact.size_bytes, "file", details=details if several else (),
    )  # fmt: skip


def compression(context: MeasureContext) -> Finding:
    """Bytes of the float export in the same format, divided by the artifact's."""
    export = context.float_export()
    if isinstance(export, NotMeasured):
        return export
    exact = Fraction(export.size_bytes, context.artifact.size_bytes)
    return Measurement(
        "compression", float(exact), "file", exact=exact,
        details=(
            f"float export {export.size_bytes} bytes, artifact {context.artifact.size_bytes} bytes",
        ),
        cause="a small model is mostly graph, which no quantisation shrinks"
        if export.size_bytes < 50_000 else "",
    )  # fmt: skip


def parameters(context: MeasureContext) -> Finding:
    """Weights and biases in the file."""
    return Measurement("parameters", context.description().parameters, "file")


def macs(context: MeasureContext) -> Finding:
    """Multiply-accumulates of one inference."""
    described = context.description()
    if described.uncounted:
        names = ", ".join(described.uncounted[:3])
        return NotMeasured(
            "macs",
            f"the file does not show how often these multiply: {names}",
            "gate parameters or size instead",
        )
    return Measurement("macs", described.macs, "file")
