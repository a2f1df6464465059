"""The published schema of the JSON report, and the stricter form that this version has to keep."""

from __future__ import annotations

import functools
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest_edgegate

PATH = Path(pytest_edgegate.__file__).parent / "reports" / "report.schema.json"
OPEN = ("steps", "conditions", "packages")
"""Objects whose keys are not of the schema."""


def published() -> dict[str, Any]:
    found = json.loads(PATH.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def check_report(report: object) -> None:
    """Fails for a report that the schema refuses, or with a key that it does not describe.

    Without jsonschema nothing is checked; then the tests of the schema itself are told as skipped.
    """
    if find_spec("jsonschema") is not None:
        _validator().validate(report)


@functools.cache
def _validator() -> Any:
    import jsonschema

    return jsonschema.Draft202012Validator(_closed(published()))


def _closed(schema: Any, name: str = "") -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(value, key) for key, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema and name not in OPEN:
        found["additionalProperties"] = False
    return found
