"""How a run judges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_edgegate.core.budget import BUDGETS


@dataclass(frozen=True)
class Rules:
    """How strictly a run judges, and what it lets go unmeasured."""

    policy: str = "point"
    allowed: frozenset[tuple[str | None, str]] = frozenset()
    """(target or None for all, metric)."""

    def allows(self, target: str, metric: str) -> bool:
        return (target, metric) in self.allowed or (None, metric) in self.allowed


def may_end_early(policy: str, metrics: Iterable[str]) -> bool:
    """Whether a drop in accuracy may be decided before all samples are seen, by what is asked.

    Other policies judge the population, not the set; other budgets need every sample. (What the
    data and its metric allow comes on top.)
    """
    return policy == "point" and not any(BUDGETS[each].every_sample for each in metrics)
