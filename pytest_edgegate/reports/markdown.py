"""The Markdown report: a comment on a pull request, or the summary of a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.reports.option import ReportOption

if TYPE_CHECKING:
    import pytest

    from pytest_edgegate.core.record import RunRecord
    from pytest_edgegate.registry import Registry

OPTION = ReportOption("--edge-report-md", "write the verdicts as Markdown, for a comment")


class MarkdownReporter:
    """Writes the report, short enough for a comment on GitHub."""

    def write(self, path: Path, run: RunRecord) -> None:
        from pytest_edgegate.reports.markdown_page import drawn
        from pytest_edgegate.reports.writing import write_report

        write_report(path, drawn(run).encode(), OPTION.flag)


def pytest_addoption(parser: pytest.Parser) -> None:
    OPTION.add_to(parser)


def pytest_edgegate_register(registry: Registry, config: pytest.Config) -> None:
    registry.reporter("md", MarkdownReporter(), OPTION.path(config))
