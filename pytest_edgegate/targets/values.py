"""Typed access to the values of a target's table, with errors that name the key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError, nearest

_MOST_BYTES = 1 << 63
_ENDS = 2


@dataclass(frozen=True)
class Table:
    """One table of a target, with its name in errors.

    Its methods raise ConfigurationError for an invalid value.
    """

    where: str
    """The start of an error: ``target 'camera' (pyproject.toml)``."""
    values: Mapping[str, Any]
    inside: str = ""
    """The prefix of keys in an error: ``latency.``."""

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def check_keys(self, known: Collection[str], owner: str) -> None:
        """Rejects every key that is not among the *known* keys of *owner*."""
        for key in self.values:
            self.check_key(key, known, owner)

    def check_key(self, key: str, known: Collection[str], owner: str) -> None:
        """Rejects a key that is not among the *known* keys of *owner*."""
        listed = sorted(known)
        if key not in listed:
            raise self.wrong(
                f"unknown key {self.inside + key!r}{nearest(key, listed)}",
                f"the keys of {owner} are {', '.join(listed)}",
            )

    def table(self, key: str) -> Table:
        """The table under *key*, or an empty one."""
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            raise self.wrong(
                f"{self.inside}{key} is not a table", f"write it as [... .{self.inside}{key}]"
            )
        return Table(self.where, value, f"{self.inside}{key}.")

    def text(self, key: str) -> str:
        return str(self._typed(key, str))

    def dtype(self, key: str, known: Collection[str]) -> str:
        """The name of a dtype, one of the *known*."""
        value = self.text(key)
        if value not in known:
            raise self.wrong(
                f"{key} = {value!r} is not a dtype of it", f"dtypes are {', '.join(known)}"
            )
        return value

    def texts(self) -> dict[str, str]:
        """The whole table, whose values have to be texts."""
        return {key: self.text(key) for key in self.values}

    def flag(self, key: str) -> bool:
        return bool(self._typed(key, bool))

    def size(self, key: str) -> int:
        """A number of bytes, above 0."""
        value = self._typed(key, int)
        if isinstance(value, bool):
            raise self._of_another_type(key, int)
        if not 0 < value < _MOST_BYTES:
            raise self.wrong(f"{key} is not a size of a memory", f"give {key} a number of bytes")
        return int(value)

    def number(self, key: str) -> float:
        """A number above 0."""
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._of_another_type(key, float)
        if not 0 < value < _MOST_BYTES:
            said = f"{self.inside}{key}"
            raise self.wrong(f"{said} = {value} is no number above 0", f"give {said} one")
        return float(value)

    def versions(self, key: str) -> tuple[int, int]:
        """A whole number, or a list of two that are in order."""
        said, value = f"{self.inside}{key}", self.values[key]
        found = value if isinstance(value, list) else [value, value]
        whole = all(type(each) is int and each >= 0 for each in found)
        if len(found) != _ENDS or not whole or found != sorted(found):
            raise self.wrong(
                f"{said} = {value!r} is no version, nor two of them",
                f"write {said} = 3, or {said} = [2, 3] where it is known of 2 and not of 4 only",
            )
        return found[0], found[1]

    def names(self, key: str, *, may_be_empty: bool = False) -> tuple[str, ...]:
        """A list of texts."""
        said, value = f"{self.inside}{key}", self.values[key]
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(
                f"{said} = {value!r} is not a list of names", f'write {said} = ["..."]'
            )
        if not value and not may_be_empty:
            raise self.wrong(f"{said} names nothing", f'write {said} = ["..."]')
        return tuple(value)

    def wrong(self, fault: str, remedy: str) -> ConfigurationError:
        """The error for a value of the table."""
        return ConfigurationError(f"{self.where}: {fault}", remedy)

    def _typed(self, key: str, kind: type) -> Any:
        value = self.values[key]
        if not isinstance(value, kind):
            raise self._of_another_type(key, kind)
        return value

    def _of_another_type(self, key: str, kind: type) -> ConfigurationError:
        said = f"{self.inside}{key}"
        return self.wrong(
            f"{said} = {self.values[key]!r} is not a {kind.__name__}",
            f"give {said} a value of type {kind.__name__}",
        )
