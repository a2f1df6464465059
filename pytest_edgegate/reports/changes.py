"""Whether a run has found something other than what was accepted before."""

from __future__ import annotations

from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.record import RunRecord, VerdictRecord

REGRESSION = "_regression"
"""The end of the names of budgets against what was accepted."""


def is_to_accept(run: RunRecord) -> bool:
    """Whether a regression is red, or an entry would change.

    It would where the size, the metric or a figure differs; other bytes alone do not count.
    """
    return any(_is_red_regression(each) or _has_changed(each) for each in run.verdicts) or any(
        _has_another_size_or_score(each) for each in run.artifacts
    )


def _is_red_regression(verdict: VerdictRecord) -> bool:
    return verdict.red and verdict.budget.metric.endswith(REGRESSION)


def _has_changed(verdict: VerdictRecord) -> bool:
    accepted, measured, artifact = verdict.accepted, verdict.measured, verdict.artifact
    if accepted is None or artifact is None or verdict.budget.kind.rule == "latency":
        return False
    if accepted.size_bytes != artifact.size_bytes:
        return True
    if accepted.value is None or measured is None or measured.decided_early:
        return False
    if verdict.budget.metric == f"size{REGRESSION}":
        return accepted.value != artifact.size_bytes
    value = measured.value
    if verdict.budget.metric == f"accuracy{REGRESSION}":
        value = measured.artifact_value
    return value is not None and value != accepted.value


def _has_another_size_or_score(found: SeenRecord) -> bool:
    accepted, score = found.accepted, found.score
    if accepted is None:
        return False
    if accepted.size_bytes != found.artifact.size_bytes:
        return True
    if score is None or accepted.value is None or score.of_a_part:
        return False
    same = score.scored_by == accepted.scored_by
    return same and score.artifact_value not in (None, accepted.value)
