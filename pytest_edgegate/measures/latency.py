"""Latency. A host's figure is never given for a device's."""

from __future__ import annotations

from pytest_edgegate.core.measurement import Finding, NotMeasured
from pytest_edgegate.measures.context import MeasureContext


def latency(metric: str, context: MeasureContext) -> Finding:
    """Not measured: no board of the target is attached, and no host engine is installed."""
    target = context.target
    allow = f"--edge-allow-unmeasured={target.name}:{metric}"
    if not target.is_host(context.machine):
        remedy = target.latency_remedy.format(metric=metric)
        return NotMeasured(
            metric,
            f"no {target.title} is attached, and this host's latency says nothing about it",
            remedy or f"measure it on the board, or run with {allow}",
        )
    return NotMeasured(
        metric,
        "this version does not measure latency on the host",
        f"take the latency budget out, or run with {allow}",
    )
