"""Short properties for JUnit XML: one for each verdict."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.reports.table import row


def properties(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """``edge.<metric>`` -> ``<measured> <limit> <verdict>``."""
    found = []
    for verdict in verdicts:
        _, _, measured, _, limit, outcome, _ = row(verdict)
        name = f"edge.{verdict.budget.metric}"
        found.append((name, " ".join(filter(None, (measured, limit, outcome)))))
    return found
