"""Which function measures a budget, as the budget's row says."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.measurement import Finding, NotMeasured
from pytest_edgegate.measures.context import MeasureContext

Measure = Callable[[MeasureContext], Finding]


def measure_of(metric: str) -> Measure | None:
    """The function; None for a budget that nothing measures yet."""
    module, _, name = kind_of(metric).measure.partition(":")
    if not module:
        return None
    found: Measure = getattr(import_module(f"pytest_edgegate.measures.{module}"), name)
    return found


def measure(metric: str, context: MeasureContext) -> Finding:
    """The figure, or that nothing measures this budget here."""
    found = measure_of(metric)
    if found is None:
        return NotMeasured(
            metric,
            f"nothing installed measures {metric} on {context.target.name}",
            "take the budget out, or run with "
            f"--edge-allow-unmeasured={context.target.name}:{metric}",
        )
    return found(context)
