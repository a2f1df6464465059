"""Verdicts as rows of text, aligned."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from pytest_edgegate.core.artifact_record import ArtifactRecord
from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import MeasuredRecord, VerdictRecord
from pytest_edgegate.reports.wrapping import joined
from pytest_edgegate.spelling import spell_bytes, spell_interval, spell_pair, spell_value

HEADINGS = ("budget", "measured", "interval", "limit", "accepted", "verdict")
_INTERVAL = HEADINGS.index("interval")
_RELATIVE = ("bytes", "s", "count")
"""Units whose changes are told in percent."""


def row(verdict: VerdictRecord) -> list[str]:
    """The cells of a verdict, in the order of HEADINGS."""
    measured, metric = verdict.measured, verdict.budget.metric
    value, limit = _figures(verdict)
    return [
        metric,
        value,
        "" if measured is None else spell_interval(metric, measured.low, measured.high),
        limit,
        accepted(verdict),
        _outcome(verdict),
    ]


def accepted(verdict: VerdictRecord) -> str:
    """What was accepted of the figure, and how it has changed since; empty without an entry."""
    known, metric = verdict.accepted, verdict.budget.metric
    if known is None:
        return ""
    if verdict.budget.kind.of_accepted:  # the measured figure is the change itself
        if metric == "size_regression":
            return spell_bytes(known.size_bytes)
        return "" if known.value is None else f"{known.value:.4g}"
    if known.value is None:
        return "-"
    before, now = known.value, None if verdict.measured is None else verdict.measured.value
    text = spell_value(metric, before)
    if now is None or now == before or spell_value(metric, now) == text:
        return text
    if verdict.budget.unit in _RELATIVE and before:
        return f"{text} ({(now - before) / before:+.1%})"
    sign = "-" if now < before else "+"
    return f"{text} ({sign}{spell_value(metric, abs(now - before))})"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Lines of aligned columns; an empty column is left out."""
    cells = [list(headings), *(list(each) for each in rows)]
    kept = [at for at in range(len(headings)) if any(line[at] for line in cells[1:])]
    widths = {at: max(len(line[at]) for line in cells) for at in kept}
    return [
        indent + "  ".join(line[at].ljust(widths[at]) for at in kept).rstrip() for line in cells
    ]


def fitted(verdicts: Sequence[VerdictRecord], width: int, indent: str) -> list[list[str]]:
    """The headings, and each verdict as a line, or as two or more where *width* is too small.

    An interval then stands below its row, and what is still too wide is broken between cells.
    """
    rows = [row(each) for each in verdicts]
    lines = table(HEADINGS, rows, indent)
    if max(map(len, lines)) <= width:
        return [[line] for line in lines]
    short = [[*cells[:_INTERVAL], *cells[_INTERVAL + 1 :]] for cells in (list(HEADINGS), *rows)]
    headings, *lines = table(short[0], short[1:], indent)
    below = [f"{indent}  {cells[_INTERVAL]}" if cells[_INTERVAL] else "" for cells in rows]
    drawn = [
        [*([line] if len(line) <= width else joined(cells, width, indent)), *filter(None, [more])]
        for line, cells, more in zip(lines, short[1:], below, strict=True)
    ]
    return [[headings] if len(headings) <= width else [], *drawn]


def sources(verdicts: Sequence[VerdictRecord]) -> str:
    """What the figures are from, each source once, with its budgets unless it has all of them.

    Empty if all are read from the file itself, which is not named.
    """
    by_source: dict[str, list[str]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.measured is not None:
            by_source[source(verdict.measured)].append(verdict.budget.metric)
    by_source.pop("file", None)
    named = [
        each if len(found) == len(verdicts) else f"{each}: {', '.join(found)}"
        for each, found in by_source.items()
    ]
    return f"by {'; '.join(named)}" if named else ""


def artifact_of(verdict: VerdictRecord) -> str:
    """The name of its artifact; empty without one."""
    return "" if verdict.artifact is None else name_of(verdict.artifact)


def name_of(artifact: ArtifactRecord) -> str:
    """The recipe as a user types it, or the name of a third-party file."""
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
    if verdict.xfailed and verdict.outcome is not Outcome.PASS:
        return f"{name} (xfailed)"
    proven = verdict.proven and verdict.budget.kind.rule != "exact"
    unproven = verdict.outcome in (Outcome.PASS, Outcome.FAIL) and not verdict.proven
    return f"{name}, proven" if proven else f"{name}, not proven" if unproven else name


def source(measured: MeasuredRecord) -> str:
    """What a figure was measured by, and on how many samples."""
    samples = "" if measured.n is None else f", n {measured.n:,}"
    return f"{measured.source}{samples}{' (cached)' if measured.cached else ''}"
