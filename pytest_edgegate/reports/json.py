"""The JSON report, schema 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.reports.option import ReportOption

if TYPE_CHECKING:
    import pytest

    from pytest_edgegate.core.record import RunRecord
    from pytest_edgegate.registry import Registry

OPTION = ReportOption("--edge-report-json", "write the verdicts as JSON")


class JsonReporter:
    """Writes the report atomically: a reader never sees a partial file."""

    def write(self, path: Path, run: RunRecord) -> None:
        from pytest_edgegate.reports.writing import write_report

        text = json.dumps(run.to_json(), indent=2, allow_nan=False) + "\n"
        write_report(path, text.encode(), OPTION.flag)


def pytest_addoption(parser: pytest.Parser) -> None:
    OPTION.add_to(parser)


def pytest_edgegate_register(registry: Registry, config: pytest.Config) -> None:
    registry.reporter("json", JsonReporter(), OPTION.path(config))
