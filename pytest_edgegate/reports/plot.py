"""A picture of a run: size against accuracy, one point per artifact, budgets as lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.reports.option import ReportOption

if TYPE_CHECKING:
    import pytest

    from pytest_edgegate.core.record import RunRecord
    from pytest_edgegate.registry import Registry

PICTURES = (".svg", ".png", ".pdf")
OPTION = ReportOption("--edge-report-plot", "draw size against accuracy (.svg, .png or .pdf)")


class PlotReporter:
    """Writes the picture in the format of the file's extension."""

    def write(self, path: Path, run: RunRecord) -> None:
        from pytest_edgegate.reports.drawing import drawn
        from pytest_edgegate.reports.panels import panels_of
        from pytest_edgegate.reports.writing import write_report

        _check_that_it_can_be_drawn(path)
        picture = drawn(panels_of(run.verdicts), path.suffix.removeprefix("."))
        write_report(path, picture, OPTION.flag)


def pytest_addoption(parser: pytest.Parser) -> None:
    OPTION.add_to(parser)


def pytest_edgegate_register(registry: Registry, config: pytest.Config) -> None:
    path = OPTION.path(config)
    if path is not None:
        _check_that_it_can_be_drawn(path)
    registry.reporter("plot", PlotReporter(), path)


def _check_that_it_can_be_drawn(path: Path) -> None:
    """Raises ConfigurationError, before any work, if the picture can't be drawn."""
    from importlib.util import find_spec

    if path.suffix not in PICTURES:
        raise ConfigurationError(
            f"{OPTION.flag}: {path.name} does not end in {', '.join(PICTURES)}",
            f"choose the format by the file's extension: {OPTION.flag}=report.svg",
        )
    if find_spec("matplotlib") is None:
        raise ConfigurationError(
            f"{OPTION.flag} needs the package matplotlib, which is not installed",
            "pip install 'pytest-edgegate[report]'",
        )
