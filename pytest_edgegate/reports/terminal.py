"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_edgegate.reports.table import HEADINGS, table

Rows = Sequence[tuple[Mapping[str, Any], Sequence[str]]]

MANY = 60
"""Above this many verdicts only those that are not plain passes are shown, unless -v is given."""


def summary(rows: Rows, *, verbose: bool) -> tuple[str, list[str]]:
    """(title, lines) from (verdict of schema 1, its cells) pairs."""
    red = [each for each, _ in rows if is_red(each)]
    allowed = [each for each, _ in rows if each["allowed"]]
    title = f"edge gate: {_count(len(rows), 'verdict')}, {len(red)} red"
    if allowed:
        title += f", {len(allowed)} allowed"
    shown = [pair for pair in rows if verbose or not _is_dull(pair[0], len(rows))]
    lines = _grouped(shown)
    hidden = len(rows) - len(shown)
    if hidden:
        lines.append(f"({_count(hidden, 'passing verdict')} not shown: -v shows all)")
    return title, lines


def _grouped(shown: Rows) -> list[str]:
    """One table, its rows under the tests that they are of, notes under their rows."""
    heading, *cells = table(HEADINGS, [line for _, line in shown], "  ") or [""]
    lines = [heading] if cells else []
    last = ""
    for (verdict, _), cell in zip(shown, cells, strict=True):
        if verdict["test"] != last:
            last = verdict["test"]
            lines.append(last)
        lines.append(cell)
        if _says_more(verdict):
            lines.append(f"    {verdict['reason']}")
    return lines


def is_red(verdict: Mapping[str, Any]) -> bool:
    return verdict["outcome"] != "pass" and not verdict["allowed"]


def _is_dull(verdict: Mapping[str, Any], count: int) -> bool:
    if verdict["outcome"] != "pass" or not verdict["proven"]:
        return False
    noteworthy = "no budgets" in verdict["reason"]
    return (verdict["budget"]["metric"] == "contract" and not noteworthy) or count > MANY


def _says_more(verdict: Mapping[str, Any]) -> bool:
    """Notes under the table: what is allowed, unproven, unbudgeted or completed for the user."""
    return bool(
        verdict["allowed"]
        or (verdict["outcome"] == "pass" and not verdict["proven"])
        or (verdict["budget"]["metric"] == "contract" and "no budgets" in verdict["reason"])
    )


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
