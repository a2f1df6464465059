"""JSON that others wrote, no deeper than the code that walks it can go."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 200
"""Nested objects and lists; models inside models inside models come to some forty."""


def parse_json(content: bytes | str) -> Any:
    """The document. Raises ValueError for what is none, or is nested more than DEEPEST deep."""
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
