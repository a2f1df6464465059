"""Tools of the user's own: the tables of a target that have a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pytest_edgegate.core.target import Program, Target
from pytest_edgegate.targets.values import Table

COMMAND = "command"
"""The key by which a table is a tool by itself, in place of the options of an installed one."""
PROGRAM_KEYS = (COMMAND, "version", "seconds")
_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
_LONGEST_RUN = 86_400
_MOST_BYTES = 100_000
"""Linux starts no program with an argument of 128 KiB, to which the path of a file is added."""


def programs_from(tables: Table, base: Target | None) -> Mapping[str, Program]:
    """The commands by the name of the tool: those of *base*, with the tables' in their place.

    A table is a command's if it has one, or if *base* has one of that name: its keys then stand in
    the place of those there. Raises ConfigurationError.
    """
    found = {} if base is None else dict(base.programs)
    for name in tables.values:
        table = tables.table(name)
        if name in found or COMMAND in table:
            found[name] = _program(tables, name, found.get(name))
    return MappingProxyType(found)


def _program(tables: Table, name: str, base: Program | None) -> Program:
    if not _NAME.fullmatch(name):
        raise tables.wrong(
            f"tool.{name} is no name of a tool", "write it of letters, digits, '-', '_' and '.'"
        )
    table = tables.table(name)
    table.check_keys(PROGRAM_KEYS, f"tool.{name}")
    given: dict[str, Any] = {
        key: _arguments(table, key) for key in (COMMAND, "version") if key in table
    }
    if "seconds" in table:
        given["seconds"] = _seconds(table)
    return Program(**given) if base is None else replace(base, **given)


def _arguments(table: Table, key: str) -> tuple[str, ...]:
    """The arguments of a process that can be started."""
    found, said = table.names(key), f"{table.inside}{key}"
    if not found[0].strip():
        raise table.wrong(f"{said} names no program", f'write {key} = ["program"]')
    if any("\0" in each for each in found):
        raise table.wrong(f"{said} has a null byte", "take it out: no program can be given one")
    length = sum(len(each.encode("utf-8", "replace")) for each in found)
    if length > _MOST_BYTES:
        raise table.wrong(
            f"{said} has {length:,} bytes, too many to start a program with",
            f'write them into a file that it names: {key} = ["sh", "tools/bench.sh"]',
        )
    return found


def _seconds(table: Table) -> int:
    value = table.values["seconds"]
    if type(value) is not int or not 0 < value <= _LONGEST_RUN:
        raise table.wrong(
            f"{table.inside}seconds = {value!r} is no time limit",
            f"write whole seconds, at least 1 and at most {_LONGEST_RUN} (a day): seconds = 600",
        )
    return value
