"""Parses a table of a target file, or of a user's pyproject.toml, into a Target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pytest_edgegate.core.errors import nearest
from pytest_edgegate.core.target import Target
from pytest_edgegate.targets.figures import figures_from
from pytest_edgegate.targets.operators import operators_from, refusals_from
from pytest_edgegate.targets.values import Table

_STRINGS = ("title", "machine")
_LISTS = ("formats", "dtypes", "io_dtypes", "float_operators")
_MAY_BE_EMPTY = ("io_dtypes", "float_operators")
_FLAGS = ("complete_with_ptq", "static_shape", "per_channel_dense")
_DTYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
_ONE_DTYPE = {"default_io": _DTYPES, "activations": ("uint8", "int8")}
_TEXTS = ("preferred", "cautions", "sources")
_TABLES = ("runtimes", "latency", "tools", "operators", "refusals")
_KEYS = {*_STRINGS, *_LISTS, *_FLAGS, *_ONE_DTYPE, *_TEXTS, *_TABLES, "memory_bytes"}


def target_from_table(
    name: str,
    table: Mapping[str, Any],
    *,
    base: Target | None = None,
    origin: str = "",
    further: Collection[str] = (),
) -> Target:
    """The target that *table* describes; missing keys are taken from *base*.

    *further*: keys that the caller has read and taken out, which an error lists with the others.
    Raises ConfigurationError for an unknown key, a value of the wrong type or a missing key.
    """
    given = Table(f"target {name!r} ({origin})" if origin else f"target {name!r}", table)
    given.check_keys({*_KEYS, *further}, "a target")
    values = {"name": name, "origin": origin, **_plain(given), **figures_from(given, base)}
    if "operators" in given:
        known = {} if base is None else base.operators
        own = operators_from(given.table("operators"))
        values["operators"] = MappingProxyType({**known, **own})
    if "refusals" in given:
        values["refusals"] = MappingProxyType(refusals_from(given.table("refusals")))
    target = _from_scratch(given, values) if base is None else replace(base, **values)
    _check(given, target)
    return target


def _plain(table: Table) -> dict[str, Any]:
    """The fields that need only a type check."""
    found: dict[str, Any] = {key: table.text(key) for key in _STRINGS if key in table}
    found |= {key: table.flag(key) for key in _FLAGS if key in table}
    found |= {key: table.dtype(key, of) for key, of in _ONE_DTYPE.items() if key in table}
    found |= {key: _names(table, key) for key in _LISTS if key in table}
    found |= {key: MappingProxyType(table.table(key).texts()) for key in _TEXTS if key in table}
    if "memory_bytes" in table:
        found["memory_bytes"] = table.size("memory_bytes")
    if "runtimes" in table:
        runtimes = table.table("runtimes")
        lists = {form: runtimes.names(form) for form in runtimes.values}
        found["runtimes"] = MappingProxyType(lists)
    return found


def _names(table: Table, key: str) -> tuple[str, ...]:
    found = table.names(key, may_be_empty=key in _MAY_BE_EMPTY)
    for each in found if key.endswith("dtypes") else ():
        if each not in _DTYPES:
            raise table.wrong(
                f"{key} has {each!r}{nearest(each, _DTYPES)}", f"dtypes are {', '.join(_DTYPES)}"
            )
    return found


def _from_scratch(table: Table, values: dict[str, Any]) -> Target:
    wanted = {"formats", "dtypes", "runtimes"} - values.keys()
    if wanted:
        raise table.wrong(
            f"{', '.join(sorted(wanted))} missing",
            'give them, or start from a built-in target with: from = "coral"',
        )
    defaults: dict[str, Any] = {
        "title": values["name"],
        "machine": values["name"],
        "io_dtypes": (),
        "default_io": values["dtypes"][0],
        "complete_with_ptq": values["dtypes"] == ("int8",),
        "static_shape": True,
        "per_channel_dense": True,
    }
    return Target(**(defaults | values))


def _check(table: Table, target: Target) -> None:
    """Rejects inconsistent fields."""
    if set(target.runtimes) != set(target.formats):
        raise table.wrong(
            f"runtimes are given for {', '.join(target.runtimes)}, formats are "
            f"{', '.join(target.formats)}",
            "give every format its runtimes, the one that measures accuracy first",
        )
    strange = [form for form in target.preferred.values() if form not in target.formats]
    if strange:
        raise table.wrong(
            f"preferred names {strange[0]}, which is not one of its formats",
            f"its formats are {', '.join(target.formats)}",
        )
