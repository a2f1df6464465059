"""Properties for JUnit XML, one per verdict."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.table import row


def properties(verdicts: Iterable[VerdictRecord]) -> list[tuple[str, str]]:
    """``edge.<metric>`` -> ``<measured> <limit> <verdict>``, and ``edge.<metric>.note`` -> its note
    if that holds a caution."""
    found = []
    for verdict in verdicts:
        metric, measured, _, limit, outcome = row(verdict)
        found.append((f"edge.{metric}", " ".join(filter(None, (measured, limit, outcome)))))
        if "caution" in verdict.note:
            found.append((f"edge.{metric}.note", verdict.note))
    return found
