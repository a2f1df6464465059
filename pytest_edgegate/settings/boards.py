"""User-defined targets from ``[tool.edgegate.targets.NAME]`` in pyproject.toml."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EdgeGateError,
    UnknownNameError,
    nearest,
)
from pytest_edgegate.core.near_names import is_misspelt
from pytest_edgegate.core.target import Target
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.reading.regular import is_there, read_bytes
from pytest_edgegate.registry import Registry
from pytest_edgegate.targets.parse import target_from_table
from pytest_edgegate.targets.programs import COMMAND, PROGRAM_KEYS

_FILE = "pyproject.toml"
_MOST_BYTES = 10_000_000
"""The largest size of a pyproject.toml in bytes."""
_NAME = re.compile(r"[\w.-]+", re.ASCII)
_START = "from"
"""The key of the target that a user's own one starts from."""
_WRITE_A_TABLE = 'write [tool.edgegate.targets.my-board] and from = "coral"'


def known_targets(root: Path, registry: Registry) -> list[str]:
    """The names of all targets: built in, installed, registered and user-defined."""
    return sorted({*registry.names("target"), *own_targets(root)})


def find_target(name: str, root: Path, registry: Registry) -> Target:
    """The target of that name. Raises ConfigurationError, UnknownNameError."""
    return _find(name, root, registry, ())


def check_own(root: Path, registry: Registry, selected: Collection[str]) -> None:
    """Tells every broken target of the user at once, whether or not it is *selected*.

    One that needs a package that is not installed is whole, and an error only where it is
    selected. Raises ConfigurationError.
    """
    faults: dict[str, str] = {}
    for name in own_targets(root):
        try:
            find_target(name, root, registry)
        except (ConfigurationError, BackendUnavailableError) as error:
            if name in selected or not _may_be_missing(error):
                faults.setdefault(error.message, error.remedy)
    if len(faults) == 1:
        raise ConfigurationError(*next(iter(faults.items())))
    if faults:
        told = "".join(f"\n{message}: {remedy}" for message, remedy in faults.items())
        raise ConfigurationError(
            f"{len(faults)} targets in {_FILE} can't be read:{told}", "fix or remove them"
        )


def _may_be_missing(error: EdgeGateError) -> bool:
    """Whether a package that is not installed may be the cause: it may have the target that
    another one starts from. A name close to a known one is misspelt."""
    if isinstance(error, UnknownNameError):
        return not is_misspelt(error.given, error.known)
    return isinstance(error, BackendUnavailableError)


def _find(name: str, root: Path, registry: Registry, below: tuple[str, ...]) -> Target:
    tables = own_targets(root)
    if name not in tables:
        known = known_targets(root, registry)
        if name not in known:
            where = _where(below[-1]) if below else ""
            raise UnknownNameError("target", name, known, where)
        return _registered(name, registry)
    if name in below:
        raise ConfigurationError(
            f"{_where(name)}: targets start from each other: {' -> '.join((*below, name))}",
            'start one of them from a built-in target: from = "coral"',
        )
    table = dict(tables[name])
    start = table.pop(_START, None)
    if start is not None and not isinstance(start, str):
        raise ConfigurationError(
            f"{_where(name)}: from = {start!r} is not a str", 'name one target: from = "coral"'
        )
    if start == name:
        base = _registered(name, registry) if name in registry.names("target") else None
    else:
        base = None if start is None else _find(start, root, registry, (*below, name))
    made = target_from_table(name, table, base=base, origin=_FILE, further=(_START,))
    _check_names(name, made, table, registry)
    _check_tools(name, made, table, registry)
    return replace(made, folder=root)


def _check_names(name: str, target: Target, table: Mapping[str, Any], registry: Registry) -> None:
    """Raises UnknownNameError for a runtime or format that is almost a known one; of others some
    package that is not installed may know."""
    runtimes = [each for every in target.runtimes.values() for each in every]
    used = {
        "runtime": runtimes if "runtimes" in table else [],
        "format": target.formats if "formats" in table else (),
    }
    for kind, names in used.items():
        if not names:
            continue
        known = registry.names("runtime") if kind == "runtime" else _formats(registry)
        for each in names:
            if each not in known and is_misspelt(each, known):
                raise UnknownNameError(kind, each, known, _where(name))
    if used["runtime"]:
        _check_forms(name, target, registry)


def _check_forms(name: str, target: Target, registry: Registry) -> None:
    """Raises ConfigurationError for a runtime that is listed for a format that it does not take."""
    known = registry.names("runtime")
    for form, runtimes in target.runtimes.items():
        for each in (every for every in runtimes if every in known):
            with suppress(BackendUnavailableError):  # what it takes is not known then
                taken = tuple(getattr(registry.get("runtime", each), "formats", (form,)))
                if form not in taken:
                    raise ConfigurationError(
                        f"{_where(name)}: runtimes lists {each} for {form}, and {each} runs "
                        f"{' and '.join(taken)} files only",
                        f"list it for {taken[0]}, or take it out" if taken else "take it out",
                    )


def _check_tools(name: str, target: Target, table: Mapping[str, Any], registry: Registry) -> None:
    """Raises ConfigurationError for a table that is meant as a command's, and has none; another
    one may have the options of a tool whose package is not installed."""
    known = registry.names("tool")
    for tool, options in table.get("tool", {}).items():
        if tool in known or tool in target.programs:
            continue
        for key in options:
            if key in PROGRAM_KEYS or is_misspelt(key, PROGRAM_KEYS):
                raise ConfigurationError(
                    f"{_where(name)}: tool.{tool} has {key!r} and no command"
                    f"{nearest(key, [COMMAND])}, and nothing installed brings a tool of that name"
                    f"{nearest(tool, known)}",
                    f'write command = ["python3", "tools/{tool}.py", "{{model}}"] into the table, '
                    f"or install the package that brings {tool}",
                )


def _formats(registry: Registry) -> list[str]:
    """The formats of the registered targets."""
    found: set[str] = set()
    for each in registry.names("target"):
        with suppress(BackendUnavailableError):
            found |= {*_registered(each, registry).formats}
    return sorted(found)


def _where(name: str) -> str:
    """The beginning of an error about a table."""
    return f"target {name!r} ({_FILE})"


def _registered(name: str, registry: Registry) -> Target:
    found = registry.get("target", name)
    if not isinstance(found, Target):
        raise ConfigurationError(
            f"the target {name!r} is a {type(found).__name__}, not a Target",
            "register a pytest_edgegate.core.target.Target",
        )
    return found


def _check_tables(tables: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for a table that is almost that of the targets."""
    near = next((each for each in tables if is_misspelt(each, ("targets",))), None)
    if near is not None and isinstance(tables[near], str | list):
        raise ConfigurationError(
            f"tool.edgegate.{near} in {_FILE} chooses no target: tool.edgegate has tables only",
            f"write edge_target = {tables[near]!r} into the table of pytest's own keys, or "
            "--edge-target on the command line",
        )
    if near is not None:
        raise ConfigurationError(
            f"tool.edgegate.{near} in {_FILE} is no table of edgegate: did you mean "
            "tool.edgegate.targets?",
            _WRITE_A_TABLE,
        )


@cache
def own_targets(root: Path) -> Mapping[str, Mapping[str, Any]]:
    """The tables of the user's own targets, by name. Raises ConfigurationError."""
    path = root / _FILE
    if not is_there(path) or path.is_dir():
        return {}
    import tomllib

    with foreign(f"{path} can't be read", "fix the file: your own targets are in it"):
        tables: Any = tomllib.loads(read_bytes(path, _MOST_BYTES).decode("utf-8"))
    for key in ("tool", "edgegate", "targets"):
        if key == "targets" and isinstance(tables, Mapping):
            _check_tables(tables)
        tables = tables.get(key, {}) if isinstance(tables, Mapping) else None
    if not isinstance(tables, Mapping):
        raise ConfigurationError(
            f"tool.edgegate.targets in {_FILE} is not a table of tables", _WRITE_A_TABLE
        )
    named = next((each for each in tables if not _NAME.fullmatch(each)), None)
    if named is not None:
        raise ConfigurationError(
            f"target {named!r} ({_FILE}): --edge-target can't name it",
            "call it by letters, digits, dots, dashes and underscores",
        )
    strange = next((name for name, each in tables.items() if not isinstance(each, Mapping)), None)
    if strange is not None:
        raise ConfigurationError(
            f"tool.edgegate.targets in {_FILE} is not a table of tables: {strange} is a "
            f"{type(tables[strange]).__name__}",
            _WRITE_A_TABLE,
        )
    return tables
