"""The rules by which a run judges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytest_edgegate.core.budget import BUDGETS


@dataclass(frozen=True)
class Rules:
    """The policy of a run, and the metrics that may stay unmeasured."""

    policy: str = "point"
    allowed: frozenset[tuple[str | None, str]] = frozenset()
    """(target or None for all targets, metric)."""

    def allows(self, target: str, metric: str) -> bool:
        return (target, metric) in self.allowed or (None, metric) in self.allowed


def may_end_early(policy: str, metrics: Iterable[str]) -> bool:
    """Whether these budgets allow an accuracy drop to be decided before all samples are seen.

    Other policies judge the population instead of the set, and some budgets need every sample.
    The data and its metric are checked elsewhere.
    """
    return policy == "point" and not any(BUDGETS[each].every_sample for each in metrics)


EMULATED, EMULATED_SECONDS = 200, 300.0
"""The largest number of samples that an emulator is given for a figure, and the time for them: a
sample of MobileNet takes seconds there."""
