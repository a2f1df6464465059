"""Verdicts: measurements judged against their budgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_edgegate.core.accepted_record import AcceptedRecord
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.artifact_record import ArtifactRecord
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import presentable
from pytest_edgegate.core.json_values import plain, plain_number
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import BudgetRecord, MeasuredRecord, VerdictRecord
from pytest_edgegate.core.shown_record import PartRecord

__all__ = ["Outcome", "Verdict"]


@dataclass(frozen=True, repr=False)
class Verdict:
    """One judged budget. ``proven``: the interval decided, not only the point estimate."""

    budget: Budget
    outcome: Outcome
    reason: str
    """Why it is so, to be read after the metric, which it does not repeat."""
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
    """The probable cause, if the verdict is red."""
    no_budgets: bool = False
    """Whether only the contract of the artifact was judged."""
    about_file: tuple[str, ...] = ()
    """The parts of the note that say what a runtime made of the file."""
    agreement: float | None = None
    """The share of equal answers of the target's runtimes, if no budget is about it."""
    accepted: AcceptedRecord | None = None
    """What was accepted of the figure before, if anything was."""
    parts: tuple[PartRecord, ...] = ()
    """Layers and outputs by their error, the worst first, where a diagnosis has compared them."""
    unproven: bool = False
    """Whether it is red only because its samples can't prove it: nothing has lost anything."""

    def __repr__(self) -> str:
        name = f"{self.budget.metric} on {self.target}" if self.target else self.budget.metric
        return f"<Verdict {name}: {self.outcome}, {self.reason}>"

    @property
    def red(self) -> bool:
        return self.outcome is not Outcome.PASS and not self.allowed

    @property
    def undecided(self) -> bool:
        """Whether more time would decide it: for the timing, or for the bootstrap."""
        estimated = self.measured is not None and self.measured.estimated
        is_time = self.budget.kind.rule == "latency" and not (self.proven or estimated)
        return is_time or self.outcome is Outcome.INCONCLUSIVE

    @property
    def record(self) -> VerdictRecord:
        """The verdict as a record for reports."""
        budget = self.budget
        return VerdictRecord(
            test=self.test,
            target=self.target,
            artifact=None if self.artifact is None else recorded_artifact(self.artifact),
            budget=BudgetRecord(budget.metric, budget.limit, budget.kind.unit),
            measured=None if self.measured is None else _recorded_figure(self.measured),
            outcome=self.outcome,
            allowed=self.allowed,
            proven=self.proven,
            reason=self.reason,
            remedy=self.remedy,
            details=self.details,
            cause=self.cause,
            note=self.note,
            no_budgets=self.no_budgets,
            about_file=self.about_file,
            agreement=self.agreement,
            accepted=self.accepted,
            parts=self.parts,
        )

    def as_dict(self) -> dict[str, Any]:
        """The verdict as in the JSON report, schema 1."""
        return self.record.to_json()


def recorded_artifact(artifact: Artifact) -> ArtifactRecord:
    """The artifact as a record for reports."""
    return ArtifactRecord(
        format=artifact.format,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
        recipe=tuple(map(str, artifact.recipe)),
        cached=artifact.cached,
        compiled=None if artifact.compiled is None else presentable(str(artifact.compiled)),
        path=presentable(str(artifact.path)),
        exported="" if artifact.exported is None else presentable(str(artifact.exported)),
        steps=plain(artifact.provenance.get("facts") or {}),
    )


def _recorded_figure(measured: Measurement) -> MeasuredRecord:
    return MeasuredRecord(
        value=plain_number(measured.value),
        source=measured.source,
        low=plain_number(measured.low),
        high=plain_number(measured.high),
        level=measured.level,
        n=measured.n,
        n_total=measured.n_total,
        decided_early=measured.decided_early,
        cached=measured.cached,
        conditions=plain(measured.conditions),
        method=measured.method,
        direction=measured.direction,
        groups=measured.groups,
        scored_by=measured.scored_by,
        reference_value=plain_number(measured.reference_value),
        artifact_value=plain_number(measured.artifact_value),
        times=measured.times,
    )
