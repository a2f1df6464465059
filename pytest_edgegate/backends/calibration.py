"""Calibration methods of tools."""

from __future__ import annotations

from pytest_edgegate.core.recipe import PTQ, Step


def minmax_only(step: Step | None, tool: str) -> tuple[str, str] | None:
    """(reason, remedy) if a step calibrates by another method than minmax, else None."""
    if isinstance(step, PTQ) and step.method != "minmax":
        return (
            f"{tool} calibrates by minmax only, not by {step.method!r}",
            f"write PTQ({step.samples})",
        )
    return None
