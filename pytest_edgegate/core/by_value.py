"""Conversion of frozen dataclasses to JSON values, and back by the types of their fields."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def as_plain(value: Any) -> Any:
    """The JSON values of a dataclass, mapping, sequence or path, or of a Python or numpy number."""
    if is_dataclass(value):
        return {each.name: as_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") else value


def from_plain(kind: type[T], plain: Any) -> T:
    """The inverse of ``as_plain``, for the dataclass *kind*."""
    made: T = _read(kind, plain)
    return made


def _read(kind: Any, plain: Any) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _read(hints[name], value) for name, value in plain.items()})
    if kind is Path:
        return Path(plain)
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (other,) = (each for each in inside if each is not type(None))
        return None if plain is None else _read(other, plain)
    if origin is tuple:
        return tuple(_read(inside[0], each) for each in plain)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return MappingProxyType({key: _read(inside[1], each) for key, each in plain.items()})
    return plain


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
