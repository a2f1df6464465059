"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_edgegate.reports.table import HEADINGS, table

MANY = 60
"""Above this many verdicts only those that are not plain passes are shown, unless -v is given."""


def summary(
    rows: Sequence[tuple[Mapping[str, Any], Sequence[str]]], *, verbose: bool
) -> tuple[str, list[str]]:
    """(title, lines) from (verdict of schema 1, its cells) pairs."""
    red = [each for each, _ in rows if is_red(each)]
    allowed = [each for each, _ in rows if each["allowed"]]
    title = f"edge gate: {_count(len(rows), 'verdict')}, {len(red)} red"
    if allowed:
        title += f", {len(allowed)} allowed"
    shown = [pair for pair in rows if verbose or not _is_dull(pair[0], len(rows))]
    cells = [[_short(each["test"]), each["target"], *line] for each, line in shown]
    lines = table(("test", "target", *HEADINGS), cells) if cells else []
    hidden = len(rows) - len(shown)
    if hidden:
        lines.append(f"({_count(hidden, 'passing verdict')} not shown: -v shows all)")
    lines += [
        f"{_short(each['test'])} [{each['target']}] {each['budget']['metric']}: {each['reason']}"
        for each, _ in shown
        if each["reason"] and _says_more(each)
    ]
    return title, lines


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


def _short(test: str) -> str:
    """The test's id without its last bracket, which is the target beside it."""
    return test.rsplit("[", 1)[0] if test.endswith("]") else test


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
