"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pytest_edgegate.reports.table import HEADINGS, table

Row = tuple[Mapping[str, Any], Sequence[str], str]
"""A verdict of schema 1, its cells, and its note."""

MANY = 60
"""Above this many verdicts only those that are not plain passes are shown, unless -v is given."""


def summary(rows: Sequence[Row], *, verbose: bool) -> tuple[str, list[str]]:
    """(title, lines) of a run's verdicts."""
    red = [row for row in rows if is_red(row[0])]
    allowed = [row for row in rows if row[0]["allowed"]]
    title = f"edge gate: {_count(len(rows), 'verdict')}, {len(red)} red"
    if allowed:
        title += f", {len(allowed)} allowed"
    shown = [row for row in rows if verbose or not _is_dull(row, len(rows))]
    lines = _grouped(rows, shown)
    hidden = len(rows) - len(shown)
    if hidden:
        lines.append(f"({_count(hidden, 'passing verdict')} not shown: -v shows all)")
    return title, lines


def _grouped(rows: Sequence[Row], shown: Sequence[Row]) -> list[str]:
    """One table, its rows under the tests that they are of, then what is to be noted of each."""
    heading, *cells = table(HEADINGS, [row[1] for row in shown], "  ")
    by_row = {id(row): cell for row, cell in zip(shown, cells, strict=True)}
    lines = [heading] if cells else []
    for test, own in groupby(rows, key=lambda row: str(row[0]["test"])):
        told = list(own)
        told_lines = [by_row[id(row)] for row in told if id(row) in by_row]
        told_lines += dict.fromkeys(note for row in told if (note := _note(row)))
        lines += [test, *told_lines] if told_lines else []
    return lines


def is_red(verdict: Mapping[str, Any]) -> bool:
    return verdict["outcome"] != "pass" and not verdict["allowed"]


def _is_dull(row: Row, count: int) -> bool:
    verdict, _, note = row
    if verdict["outcome"] != "pass" or not verdict["proven"] or "no budgets" in note:
        return False
    return verdict["budget"]["metric"] == "contract" or count > MANY


def _note(row: Row) -> str:
    """What is allowed is always listed with its reason; of the others what is worth a note."""
    verdict, _, note = row
    text = verdict["reason"] if verdict["allowed"] else "" if is_red(verdict) else note
    metric = verdict["budget"]["metric"]
    about = "" if metric == "contract" else f"{metric}: "
    return f"    {about}{text}" if text else ""


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
