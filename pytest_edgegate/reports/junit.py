"""Properties for JUnit XML, one per verdict."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.table import row


def properties(verdicts: Iterable[VerdictRecord]) -> list[tuple[str, str]]:
    """``edge.<metric>`` -> ``<measured> <limit> <verdict>``; ``edge.<metric>.values`` -> the metric
    of the model under test and of the artifact, of an accuracy; ``edge.<metric>.note`` -> its note
    if that holds a caution."""
    found = []
    for verdict in verdicts:
        metric, measured, _, limit, _, outcome = row(verdict)
        found.append((f"edge.{metric}", " ".join(filter(None, (measured, limit, outcome)))))
        values = _values(verdict)
        if values:
            found.append((f"edge.{metric}.values", values))
        if "caution" in verdict.note:
            found.append((f"edge.{metric}.note", verdict.note))
    return [(name, printable_line(text)) for name, text in found]


def _values(verdict: VerdictRecord) -> str:
    """``top1 0.941 -> 0.939``; empty for a figure that is no accuracy."""
    measured = verdict.measured
    if measured is None:
        return ""
    both = (measured.reference_value, measured.artifact_value)
    known = [f"{each:.4g}" for each in both if each is not None]
    return f"{measured.scored_by} {' -> '.join(known)}" if known else ""
