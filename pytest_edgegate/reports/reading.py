"""Reads JSON reports, which may be of others and hold anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.record import RunRecord
from pytest_edgegate.reading.documents import parse_json
from pytest_edgegate.reading.regular import read_bytes

_MOST = 256_000_000
"""The most bytes: a report of 10,000 verdicts has about 20 MB."""
_LARGEST = 2**63
"""No figure of a report is larger; formulas could not work with it."""


def read_report(path: Path) -> RunRecord:
    """The record of a run from its JSON report.

    Raises UnreadableFileError for a file that can't be read, and ConfigurationError for one that is
    no report, or one of another schema.
    """
    content = read_bytes(path, _MOST)
    try:
        document = parse_json(content)
    except (ValueError, MemoryError) as error:
        raise _no_report(path, f"it is not JSON: {error}") from error
    if number := _impossible(document):
        raise _no_report(path, f"a number in it is {number}")
    try:
        return RunRecord.from_json(document)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.message}", error.remedy) from error


def _no_report(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is no report: {reason}",
        "give a file that --edge-report-json has written, unchanged",
    )


def _impossible(document: Any) -> str:
    """What is wrong with a number that no report has: JSON has no NaN or Inf, but Python reads
    them."""
    waiting = [document]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, float) and not math.isfinite(part):
            return "NaN or Inf"
        elif isinstance(part, int | float) and abs(part) > _LARGEST:
            return "larger than any figure"
    return ""
