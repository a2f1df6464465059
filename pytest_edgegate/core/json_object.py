"""Typed access to the keys of one object in a JSON document."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeGuard, TypeVar

from pytest_edgegate.core.errors import ConfigurationError

_Value = TypeVar("_Value")
_LONGEST = 60
"""The number of characters of an invalid value that an error shows."""
_REQUIRED: Any = object()


class JsonObject:
    """Returns the values of keys; an error names the place of a missing or mistyped value.

    Every method raises ``ConfigurationError``; a *default* makes the key optional.
    """

    def __init__(self, value: object, place: str) -> None:
        if not _is_mapping(value):
            raise _misshapen(place, value, "an object")
        self._values = value
        self._place = place

    def text(self, key: str, default: str = _REQUIRED) -> str:
        return self._take(key, "a string", _is_text, default)

    def text_before(self, end: str, key: str) -> str:
        """The string without its required suffix *end*."""
        text = self.text(key)
        if not text.endswith(end):
            raise _misshapen(f"{self._place}.{key}", text, f"a string that ends in {end!r}")
        return text.removesuffix(end)

    def choice(self, key: str, choices: Iterable[str], default: str = _REQUIRED) -> str:
        text, known = self.text(key, default), tuple(choices)
        if text not in known and text is not default:
            raise _misshapen(f"{self._place}.{key}", text, f"one of {', '.join(known)}")
        return text

    def optional_text(self, key: str) -> str | None:
        return None if self._found(key) is None else self.text(key)

    def texts(self, key: str, default: Iterable[str] = _REQUIRED) -> tuple[str, ...]:
        return tuple(self._take(key, "a list of strings", _are_texts, default))

    def flag(self, key: str, default: bool = _REQUIRED) -> bool:
        return self._take(key, "true or false", _is_flag, default)

    def count(self, key: str, default: int = _REQUIRED) -> int:
        return self._take(key, "a whole number", _is_count, default)

    def optional_count(self, key: str) -> int | None:
        return None if self._found(key) is None else self.count(key)

    def number(self, key: str) -> float | int:
        return self._take(key, "a number", _is_number)

    def optional_number(self, key: str) -> float | int | None:
        return None if self._found(key) is None else self.number(key)

    def number_if_given(self, key: str) -> float | int | None:
        """None for a missing key, too."""
        return self.optional_number(key) if key in self._values else None

    def numbers(self, key: str, default: Iterable[float] = _REQUIRED) -> tuple[float, ...]:
        return tuple(self._take(key, "a list of numbers", _are_numbers, default))

    def items(self, key: str, default: list[Any] = _REQUIRED) -> list[Any]:
        return self._take(key, "a list", _is_list, default)

    def mapping(self, key: str, default: Mapping[str, Any] = _REQUIRED) -> Mapping[str, Any]:
        return self._take(key, "an object", _is_mapping, default)

    def inner(self, key: str) -> JsonObject:
        return JsonObject(self._found(key), f"{self._place}.{key}")

    def optional_inner(self, key: str) -> JsonObject | None:
        return None if self._found(key) is None else self.inner(key)

    def inner_if_given(self, key: str) -> JsonObject | None:
        """None for a missing key, too."""
        return self.optional_inner(key) if key in self._values else None

    def _found(self, key: str) -> object:
        if key not in self._values:
            raise _unreadable(f"{self._place} has no key {key!r}")
        return self._values[key]

    def _take(
        self,
        key: str,
        wanted: str,
        fits: Callable[[object], TypeGuard[_Value]],
        default: _Value = _REQUIRED,
    ) -> _Value:
        if default is not _REQUIRED and key not in self._values:
            return default
        found = self._found(key)
        if not fits(found):
            raise _misshapen(f"{self._place}.{key}", found, wanted)
        return found


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def _are_texts(value: object) -> TypeGuard[Iterable[str]]:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_flag(value: object) -> TypeGuard[bool]:
    return isinstance(value, bool)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> TypeGuard[float | int]:
    return _is_count(value) or (isinstance(value, float) and math.isfinite(value))


def _are_numbers(value: object) -> TypeGuard[Iterable[float]]:
    return isinstance(value, list) and all(map(_is_number, value))


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _misshapen(place: str, value: object, wanted: str) -> ConfigurationError:
    shown = repr(value)
    if len(shown) > _LONGEST:
        shown = f"{shown[:_LONGEST]}..."
    return _unreadable(f"{place} is {shown}, not {wanted}")


def _unreadable(fault: str) -> ConfigurationError:
    return ConfigurationError(
        f"this JSON can't be read as a report: {fault}",
        "give a file that --edge-report-json has written, unchanged",
    )
