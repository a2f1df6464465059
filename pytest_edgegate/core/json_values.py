"""Conversion to JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_edgegate.core.errors import presentable


def plain_number(value: float | None) -> float | int | None:
    """The number as a JSON number. JSON has no NaN or Inf: such a number becomes null."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int) else float(value)


def plain(value: object) -> Any:
    """The value in JSON types: tuples become lists, NaN and Inf null, other objects strings."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return plain_number(value)
    if isinstance(value, Mapping):
        return {presentable(str(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return presentable(str(value))


def where_given(**optional: Any) -> dict[str, Any]:
    """The optional keys that have a value."""
    return {key: value for key, value in optional.items() if value}


def where_known(**optional: Any) -> dict[str, Any]:
    """The optional keys that have a value, which may be 0."""
    return {key: value for key, value in optional.items() if value is not None}
