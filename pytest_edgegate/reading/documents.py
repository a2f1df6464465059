"""Parses third-party JSON with a bounded depth, as its consumers are recursive."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 200
"""The deepest nesting of objects and lists; triply nested models need about forty levels."""


def parse_json(content: bytes | str) -> Any:
    """The document. Raises ValueError for invalid JSON, or nesting deeper than DEEPEST."""
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_depth(document)
    return document


def _check_depth(document: Any) -> None:
    level, depth = [document], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
        level = [inner for each in level for inner in _inside(each)]
        depth += 1


def _inside(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    return part if isinstance(part, list) else []
