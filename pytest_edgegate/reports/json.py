"""The JSON report, schema 1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.reports.writing import write_report

SCHEMA = 1


class JsonReporter:
    """Writes the whole report or nothing: a reader never sees half a file."""

    def write(
        self, path: Path, verdicts: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]
    ) -> None:
        content = {"schema": SCHEMA, "environment": environment, "verdicts": list(verdicts)}
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        write_report(path, text.encode(), "--edge-report-json")


REPORTER = JsonReporter()
