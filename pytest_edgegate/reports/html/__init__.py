"""The HTML report: one file without a network, a library or a template.

It is drawn from the record of a run alone (``page.html_of``), in plain Python: every element is a
value, and the one function that writes them escapes every text, so that there is no page without
escaping, and nothing to install for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.reports.option import ReportOption

if TYPE_CHECKING:
    import pytest

    from pytest_edgegate.core.record import RunRecord
    from pytest_edgegate.registry import Registry

OPTION = ReportOption("--edge-report-html", "write the verdicts as one HTML file")


class HtmlReporter:
    """Writes the page; the same record gives the same bytes."""

    def write(self, path: Path, run: RunRecord) -> None:
        from pytest_edgegate.reports.html.page import html_of
        from pytest_edgegate.reports.writing import write_report

        write_report(path, html_of(run), OPTION.flag)


def pytest_addoption(parser: pytest.Parser) -> None:
    OPTION.add_to(parser)


def pytest_edgegate_register(registry: Registry, config: pytest.Config) -> None:
    registry.reporter("html", HtmlReporter(), OPTION.path(config))
