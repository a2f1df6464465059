"""Mistakes in the markers of a test file: gathered, and told together with their lines.

pytest reports one error for each file or class. The further ones become reports of their own, so
that each mistake has a line in the short summary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgegate.core.errors import ConfigurationError, presentable
from pytest_edgegate.core.printable import printable
from pytest_edgegate.state import FAULTS_KEY

if TYPE_CHECKING:
    from pytest_edgegate.core.record import ErrorRecord

_TOLD = pytest.StashKey[set[str]]()
"""The mistakes of a file that were told; a marker of a module is read for each of its tests."""


def note(collector: pytest.Collector, test: str, place: str, error: ConfigurationError) -> None:
    """Keeps a mistake in the markers of a *test* until the collector reports."""
    from pytest_edgegate.core.record import ErrorRecord  # not loaded where nothing is wrong

    # the reason comes first: pytest cuts the lines of its short summary
    text = printable(f"edgegate error: {error.message} ({place})\n{error.remedy}")
    record = ErrorRecord(presentable(test), None, error.message, error.remedy, place=place)
    collector.stash.setdefault(FAULTS_KEY, {}).setdefault(text, record)


def reported(collector: pytest.Collector, report: pytest.CollectReport) -> pytest.CollectReport:
    """The report of a collector, failed if mistakes were found in it; tells all but one itself."""
    faults = collector.stash[FAULTS_KEY]
    if not report.passed:
        return report
    for child in report.result or ():
        if isinstance(child, pytest.Class):  # pytest leaves the classes of a failed file alone
            below = child.ihook.pytest_make_collect_report(collector=child)
            if below.failed:
                child.ihook.pytest_collectreport(report=below)
    told = (collector.getparent(pytest.Module) or collector).stash.setdefault(_TOLD, set())
    texts = [each for each in faults if each not in told]
    told.update(texts)
    reports = [_failed(report.nodeid, each, faults[each]) for each in texts]
    for each in reports[:-1]:
        collector.ihook.pytest_collectreport(report=each)
    return reports[-1] if reports else pytest.CollectReport(report.nodeid, "passed", None, [])


def _failed(nodeid: str, text: str, error: ErrorRecord) -> pytest.CollectReport:
    report = pytest.CollectReport(nodeid, "failed", text, [])
    report.edge_errors = [error.to_json()]  # type: ignore[attr-defined]
    return report
