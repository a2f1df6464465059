"""Verdicts: what a measurement means against its budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement


class Outcome(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not_measured"


@dataclass(frozen=True)
class Verdict:
    """One budget, judged. ``proven`` says that the interval, not only the point, decided."""

    budget: Budget
    outcome: Outcome
    reason: str
    remedy: str = ""
    proven: bool = False
    allowed: bool = False
    measured: Measurement | None = None
    artifact: Artifact | None = None
    test: str = ""
    target: str = ""
    note: str = ""
    details: tuple[str, ...] = ()
    cause: str = ""

    @property
    def red(self) -> bool:
        return self.outcome is not Outcome.PASS and not self.allowed

    def as_dict(self) -> dict[str, Any]:
        """The verdict in the form of the JSON report, schema 1."""
        return {
            "test": self.test,
            "target": self.target,
            "artifact": None if self.artifact is None else self.artifact.as_dict(),
            "budget": {
                "metric": self.budget.metric,
                "limit": self.budget.limit,
                "unit": self.budget.kind.unit,
            },
            "measured": None if self.measured is None else _measured(self.measured),
            "outcome": str(self.outcome),
            "allowed": self.allowed,
            "proven": self.proven,
            "reason": "; ".join(filter(None, (self.reason, self.note))),
            "remedy": self.remedy,
        }


def _measured(measured: Measurement) -> dict[str, Any]:
    return {
        "value": _number(measured.value),
        "low": _number(measured.low),
        "high": _number(measured.high),
        "level": measured.level,
        "n": measured.n,
        "n_total": measured.n_total,
        "decided_early": measured.decided_early,
        "source": measured.source,
        "cached": measured.cached,
        **({"conditions": dict(measured.conditions)} if measured.conditions else {}),
    }


def _number(value: float | int | None) -> float | int | None:
    """JSON has no NaN or Inf: a figure that is not finite is null, and its outcome is fail."""
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    return value
