"""User-defined targets from ``[tool.edgegate.targets.NAME]`` in pyproject.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.core.target import Target
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.reading.regular import is_there, read_bytes
from pytest_edgegate.registry import Registry
from pytest_edgegate.targets.parse import target_from_table

_MOST_BYTES = 10_000_000
"""The largest size of a pyproject.toml in bytes."""


def known_targets(root: Path, registry: Registry) -> list[str]:
    """The names of all targets: built in, installed, registered and user-defined."""
    return sorted({*registry.names("target"), *own_targets(root)})


def find_target(name: str, root: Path, registry: Registry) -> Target:
    """The target of that name. Raises ConfigurationError, UnknownNameError."""
    return _find(name, root, registry, ())


def _find(name: str, root: Path, registry: Registry, below: tuple[str, ...]) -> Target:
    tables = own_targets(root)
    if name not in tables:
        known = known_targets(root, registry)
        if name not in known:
            where = f"target {below[-1]!r} (pyproject.toml)" if below else ""
            raise UnknownNameError("target", name, known, where)
        return _registered(name, registry)
    if name in below:
        raise ConfigurationError(
            f"targets start from each other: {' -> '.join((*below, name))}",
            'start one of them from a built-in target: from = "coral"',
        )
    table = dict(tables[name])
    start = table.pop("from", None)
    if start == name:
        base = _registered(name, registry) if name in registry.names("target") else None
    else:
        base = None if start is None else _find(str(start), root, registry, (*below, name))
    return target_from_table(name, table, base=base, origin="pyproject.toml")


def _registered(name: str, registry: Registry) -> Target:
    found = registry.get("target", name)
    if not isinstance(found, Target):
        raise ConfigurationError(
            f"the target {name!r} is a {type(found).__name__}, not a Target",
            "register a pytest_edgegate.core.target.Target",
        )
    return found


@cache
def own_targets(root: Path) -> Mapping[str, Mapping[str, Any]]:
    """The tables of the user's own targets, by name. Raises ConfigurationError."""
    path = root / "pyproject.toml"
    if not is_there(path) or path.is_dir():
        return {}
    import tomllib

    with foreign(f"{path} can't be read", "fix the file: your own targets are in it"):
        tables: Any = tomllib.loads(read_bytes(path, _MOST_BYTES).decode("utf-8"))
    for key in ("tool", "edgegate", "targets"):
        tables = tables.get(key, {}) if isinstance(tables, Mapping) else None
    if not isinstance(tables, Mapping) or not all(
        isinstance(each, Mapping) for each in tables.values()
    ):
        raise ConfigurationError(
            "tool.edgegate.targets in pyproject.toml is not a table of tables",
            'write [tool.edgegate.targets.my-board] and from = "coral"',
        )
    return tables
