"""Makes one record of several reports, of one machine or target each, and says where two differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_edgegate.core.record import MergedReport, RunRecord, VerdictRecord
from pytest_edgegate.reports.table import artifact_of
from pytest_edgegate.spelling import spell_value

Named = tuple[str, RunRecord]
"""A report, with its name."""
_Key = tuple[str, str, str, str, float]


def merged(reports: Sequence[Named]) -> RunRecord:
    """All of the *reports* in one, in their order; a single one as it is."""
    if len(reports) == 1:
        return reports[0][1]
    runs = [run for _, run in reports]
    parts = tuple(part for name, run in reports for part in _parts(name, run))
    earlier = [each for run in runs for each in run.disagreements]
    return RunRecord(
        environment=_common([each.environment for each in parts]),
        verdicts=tuple(each for run in runs for each in run.verdicts),
        errors=tuple(each for run in runs for each in run.errors),
        superseded_verdicts=tuple(each for run in runs for each in run.superseded_verdicts),
        superseded_errors=tuple(each for run in runs for each in run.superseded_errors),
        artifacts=tuple(each for run in runs for each in run.artifacts),
        merged_from=parts,
        disagreements=(*earlier, *_disagreements(reports)),
    )


def _parts(name: str, run: RunRecord) -> tuple[MergedReport, ...]:
    return run.merged_from or (MergedReport(name, run.environment),)


def _common(environments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is the same in all of them."""
    first, *others = environments
    return {
        key: value
        for key, value in first.items()
        if all(key in each and each[key] == value for each in others)
    }


def _disagreements(reports: Sequence[Named]) -> Iterator[str]:
    """A line for each budget of a test and an artifact that two reports judge differently."""
    found: dict[_Key, list[tuple[str, VerdictRecord]]] = {}
    for name, run in reports:
        for each in run.verdicts:
            found.setdefault(_key(each), []).append((name, each))
    for (test, _, artifact, metric, _), told in found.items():
        by_report = {name: _said(each) for name, each in told}
        if len(by_report) > 1 and len({_compared(each) for _, each in told}) > 1:
            about = ", ".join(filter(None, (test, artifact, metric)))
            yield f"{about}: {', '.join(f'{name}: {text}' for name, text in by_report.items())}"
    yield from _errors_beside_verdicts(reports)


def _errors_beside_verdicts(reports: Sequence[Named]) -> Iterator[str]:
    """Tests that one report has judged, and that ended in an error in another."""
    judged: dict[str, str] = {}
    for name, run in reports:
        for each in run.verdicts:
            judged.setdefault(each.test, name)
    for name, run in reports:
        own = {each.test for each in run.verdicts}
        for test in dict.fromkeys(each.test for each in run.errors):
            if test in judged and test not in own:
                yield f"{test}: {name}: an error, {judged[test]}: judged"


def _key(verdict: VerdictRecord) -> _Key:
    budget = verdict.budget
    return verdict.test, verdict.target, artifact_of(verdict), budget.metric, budget.limit


def _compared(verdict: VerdictRecord) -> tuple[object, ...]:
    """What has to be the same. Times never are: of them the outcome alone."""
    outcome = verdict.outcome, verdict.red
    if verdict.measured is None or verdict.budget.kind.rule == "latency":
        return outcome
    return *outcome, verdict.measured.value


def _said(verdict: VerdictRecord) -> str:
    outcome, measured = str(verdict.outcome).replace("_", " "), verdict.measured
    if measured is None:
        return outcome
    if measured.value is None:
        return f"{outcome} (NaN or Inf)"
    spelt = spell_value(verdict.budget.metric, measured.value)
    return f"{outcome} ({spelt})"
