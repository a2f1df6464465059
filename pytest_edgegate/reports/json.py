"""The JSON report, schema 1."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import StorageError

SCHEMA = 1


class JsonReporter:
    """Writes the whole report or nothing: a reader never sees half a file."""

    def write(
        self, path: Path, verdicts: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]
    ) -> None:
        content = {"schema": SCHEMA, "environment": environment, "verdicts": list(verdicts)}
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(text, "utf-8")
            os.replace(scratch, path)
        except OSError as error:
            with contextlib.suppress(OSError):  # its folder may be what is wrong
                scratch.unlink()
            raise StorageError(
                f"the report {path} can't be written: {error}",
                "give another path: --edge-report-json=FILE",
            ) from error


REPORTER = JsonReporter()
