"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import ErrorRecord, VerdictRecord
from pytest_edgegate.reports.table import HEADINGS, row, table

MANY = 60
"""Above this many verdicts, plain passes are hidden unless -v is given."""


def summary(
    verdicts: Sequence[VerdictRecord],
    *,
    verbose: bool,
    errors: Sequence[ErrorRecord] = (),
    lost: Sequence[str] = (),
    repeated: int = 0,
) -> tuple[str, list[str]]:
    """(title, lines) of a run's verdicts.

    *lost*: the tests whose worker has died. *repeated*: how many tests were run again.
    """
    red = sum(each.red for each in verdicts)
    allowed = sum(each.allowed for each in verdicts)
    title = f"edge gate: {_count(len(verdicts), 'verdict')}, {red} red"
    if allowed:
        title += f", {allowed} allowed"
    if errors:
        title += f", {_count(len(errors), 'error')}"
    shown = [each for each in verdicts if verbose or not _is_dull(each, len(verdicts))]
    lines = _grouped(verdicts, shown)
    hidden = len(verdicts) - len(shown)
    if hidden:
        lines.append(f"({_count(hidden, 'passing verdict')} not shown: -v shows all)")
    if repeated:
        lines.append(f"({_count(repeated, 'test')} run again: the last attempt counts)")
    lines += [f"lost with its worker, not judged: {test}" for test in lost]
    return title, lines


def _grouped(verdicts: Sequence[VerdictRecord], shown: Sequence[VerdictRecord]) -> list[str]:
    """One table with rows grouped by test, followed by the notes."""
    heading, *rows = table(HEADINGS, map(row, shown), "  ")
    by_verdict = {id(verdict): line for verdict, line in zip(shown, rows, strict=True)}
    lines = [heading] if rows else []
    for test, group in groupby(verdicts, key=lambda each: each.test):
        own = list(group)
        below = [by_verdict[id(each)] for each in own if id(each) in by_verdict]
        below += dict.fromkeys(note for each in own if (note := _note(each)))
        lines += [test, *below] if below else []
    return lines


def _is_dull(verdict: VerdictRecord, count: int) -> bool:
    if verdict.outcome is not Outcome.PASS or not verdict.proven or verdict.no_budgets:
        return False
    return verdict.budget.kind is CONTRACT or count > MANY


def _note(verdict: VerdictRecord) -> str:
    """The reason of an allowed verdict; for others the note, if any."""
    note = "" if verdict.red else verdict.note
    text = verdict.full_reason if verdict.allowed else note
    about = "" if verdict.budget.kind is CONTRACT else f"{verdict.budget.metric}: "
    return f"    {about}{text}" if text else ""


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
