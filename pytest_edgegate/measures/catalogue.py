"""Looks up the function that measures a budget, as named in the table of budgets."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from typing import Any

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.measurement import Finding, NotMeasured
from pytest_edgegate.measures.providers import Providers

Measure = Callable[..., Finding]


def measure_of(metric: str) -> Measure | None:
    """The function, or None for a budget that cannot be measured yet."""
    module, _, name = kind_of(metric).measure.partition(":")
    if not module:
        return None
    found: Measure = getattr(import_module(f"pytest_edgegate.measures.{module}"), name)
    return found


def measure(metric: str, providers: Providers) -> Finding:
    """The figure, or not measured where nothing installed can measure this budget."""
    found = measure_of(metric)
    if found is not None:
        return found(**asked_by(found, providers))
    return by_nothing(metric, providers.file.target.name)


def by_nothing(metric: str, target: str) -> NotMeasured:
    """The finding for a budget that nothing measures on the target of this name."""
    return NotMeasured(
        f"nothing installed measures {metric} on {target}",
        f"take the budget out, or run with --edge-allow-unmeasured={target}:{metric}",
    )


def asked_by(function: Callable[..., object], providers: Providers) -> dict[str, Any]:
    """The providers that a function needs, by the names of its parameters."""
    return {
        name: getattr(providers, name)
        for name in signature(function).parameters
        if hasattr(providers, name)
    }
