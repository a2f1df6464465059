"""Verdicts as rows of text, aligned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import MeasuredRecord, VerdictRecord
from pytest_edgegate.spelling import spell_interval, spell_pair, spell_value

HEADINGS = ("artifact", "budget", "measured", "interval", "limit", "verdict", "by")


def row(verdict: VerdictRecord) -> list[str]:
    """The cells of a verdict, in the order of HEADINGS."""
    measured, metric = verdict.measured, verdict.budget.metric
    value, limit = _figures(verdict)
    return [
        _artifact(verdict),
        metric,
        value,
        "" if measured is None else spell_interval(metric, measured.low, measured.high),
        limit,
        _outcome(verdict),
        _source(measured),
    ]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Lines of aligned columns; an empty column is left out."""
    cells = [list(headings), *(list(each) for each in rows)]
    kept = [at for at in range(len(headings)) if any(line[at] for line in cells[1:])]
    widths = {at: max(len(line[at]) for line in cells) for at in kept}
    return [
        indent + "  ".join(line[at].ljust(widths[at]) for at in kept).rstrip() for line in cells
    ]


def _artifact(verdict: VerdictRecord) -> str:
    """The recipe as a user types it, or the name of a third-party file."""
    artifact = verdict.artifact
    if artifact is None:
        return ""
    return ", ".join(artifact.recipe) or PurePath(artifact.path).name


def _figures(verdict: VerdictRecord) -> tuple[str, str]:
    """(measured, limit), the limit with its comparison sign."""
    budget, measured = verdict.budget, verdict.measured
    if measured is None:
        value, limit = "-", spell_value(budget.metric, budget.limit)
    else:
        figure = math.nan if measured.value is None else measured.value
        value, limit = spell_pair(budget.metric, figure, budget.limit)
    if budget.kind is CONTRACT:
        return value, ""
    direction = (measured and measured.direction) or budget.kind.direction
    return value, f"{'<=' if direction == 'at most' else '>='} {limit}"


def _outcome(verdict: VerdictRecord) -> str:
    name = str(verdict.outcome).replace("_", " ")
    if verdict.red:
        name = name.upper()
    if verdict.allowed:
        return f"{name} (allowed)"
    proven = verdict.proven and verdict.budget.kind.rule != "exact"
    unproven = verdict.outcome in (Outcome.PASS, Outcome.FAIL) and not verdict.proven
    return f"{name}, proven" if proven else f"{name}, not proven" if unproven else name


def _source(measured: MeasuredRecord | None) -> str:
    if measured is None:
        return ""
    samples = "" if measured.n is None else f", n {measured.n:,}"
    return f"{measured.source}{samples}{' (cached)' if measured.cached else ''}"
