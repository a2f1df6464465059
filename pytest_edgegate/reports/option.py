"""The option for a report's path, on the command line or as an ini key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_edgegate.settings.options import GROUP, writable

if TYPE_CHECKING:
    import pytest


class ReportOption(NamedTuple):
    """An option for a file, with an ini key of the same name with underscores."""

    flag: str
    """The option as typed: ``--edge-report-json``."""
    help: str

    @property
    def ini_key(self) -> str:
        return self.flag.removeprefix("--").replace("-", "_")

    def add_to(self, parser: pytest.Parser) -> None:
        parser.getgroup(GROUP).addoption(self.flag, metavar="FILE", help=self.help)
        parser.addini(self.ini_key, self.help)

    def path(self, config: pytest.Config) -> Path | None:
        """The requested file. Raises ConfigurationError for an invalid path."""
        return writable(config, self.ini_key)
