"""pytest-edgegate: a red build when a compressed model is worse than its budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_edgegate.core.artifact import Artifact
    from pytest_edgegate.core.data import EdgeData
    from pytest_edgegate.core.errors import EdgeGateError, EdgeGateWarning
    from pytest_edgegate.core.exceeded import BudgetExceeded
    from pytest_edgegate.core.recipe import PTQ, QAT, Cast, Distill, Prune
    from pytest_edgegate.core.target import Target
    from pytest_edgegate.core.training import EdgeTraining
    from pytest_edgegate.core.verdict import Outcome, Verdict
    from pytest_edgegate.data.npz import NpzContent, read_npz
    from pytest_edgegate.gate import EdgeCompress, EdgeGate
    from pytest_edgegate.measures.metrics.own import Metric
    from pytest_edgegate.session.reference import Reference

__all__ = [
    "PTQ",
    "QAT",
    "Artifact",
    "BudgetExceeded",
    "Cast",
    "Distill",
    "EdgeCompress",
    "EdgeData",
    "EdgeGate",
    "EdgeGateError",
    "EdgeGateWarning",
    "EdgeTraining",
    "Metric",
    "NpzContent",
    "Outcome",
    "Prune",
    "Reference",
    "Target",
    "Verdict",
    "read_npz",
]

_HOMES = {
    "core.artifact": ("Artifact",),
    "core.data": ("EdgeData",),
    "core.errors": ("EdgeGateError", "EdgeGateWarning"),
    "core.exceeded": ("BudgetExceeded",),
    "core.recipe": ("PTQ", "QAT", "Cast", "Distill", "Prune"),
    "core.target": ("Target",),
    "core.training": ("EdgeTraining",),
    "core.verdict": ("Outcome", "Verdict"),
    "data.npz": ("NpzContent", "read_npz"),
    "gate": ("EdgeCompress", "EdgeGate"),
    "measures.metrics.own": ("Metric",),
    "session.reference": ("Reference",),
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are used: starting pytest needs none of them."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pytest_edgegate.core.errors import UnknownAttributeError

    raise UnknownAttributeError("name", name, __all__, __name__)
