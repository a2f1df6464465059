"""Parses a table of a target file, or of a user's pyproject.toml, into a Target."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from pytest_edgegate.core.errors import ConfigurationError, nearest
from pytest_edgegate.core.target import Target
from pytest_edgegate.targets.figures import figures_from
from pytest_edgegate.targets.mapping import mapping_from
from pytest_edgegate.targets.operators import limits_from, operators_from, refusals_from
from pytest_edgegate.targets.tool_options import tool_options_from
from pytest_edgegate.targets.values import Table

_STRINGS = ("title", "machine")
_LISTS = ("formats", "dtypes", "io_dtypes", "float_operators")
_MAY_BE_EMPTY = ("io_dtypes", "float_operators")
_FLAGS = ("complete_with_ptq", "static_shape", "per_channel_dense")
_DTYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
_ONE_DTYPE = {"default_io": _DTYPES, "activations": ("uint8", "int8")}
_TEXTS = ("preferred", "cautions", "sources")
_TABLES = ("runtimes", "latency", "tools", "tool", "operators", "limits", "mapping", "refusals")
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
    Raises ConfigurationError for an unknown key, a value of the wrong type or a missing key: for
    all that is wrong with the table together.
    """
    given = Table(f"target {name!r} ({origin})" if origin else f"target {name!r}", table)
    faults: list[ConfigurationError] = []
    values: dict[str, Any] = {"name": name, "origin": origin}
    for key in table:
        with _noted(faults):
            given.check_key(key, {*_KEYS, *further}, "a target")
            values |= _plain(given, key)
    with _noted(faults):
        values |= figures_from(given, base)
    with _noted(faults):
        programs = values.get("programs", {})
        values["tool_options"] = tool_options_from(given.table("tool"), base, programs)
    with _noted(faults):
        if "operators" in given:
            known = {} if base is None else base.operators
            own = operators_from(given.table("operators"))
            values["operators"] = MappingProxyType({**known, **own})
    with _noted(faults):
        if "limits" in given:
            known_limits = {} if base is None else base.limits
            limits = {**known_limits, **limits_from(given.table("limits"))}
            values["limits"] = MappingProxyType(limits)
    with _noted(faults):
        if "mapping" in given:
            rules = None if base is None else base.mapping
            values["mapping"] = mapping_from(given.table("mapping"), rules)
    with _noted(faults):
        if "refusals" in given:
            values["refusals"] = MappingProxyType(refusals_from(given.table("refusals")))
    if faults:
        raise _together(given, faults)
    target = _from_scratch(given, values) if base is None else replace(base, **values)
    _check(given, target)
    return target


@contextmanager
def _noted(faults: list[ConfigurationError]) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        faults.append(error)


def _together(table: Table, faults: Sequence[ConfigurationError]) -> ConfigurationError:
    """One error for all that is wrong with a table."""
    told = "; ".join(each.message.removeprefix(f"{table.where}: ") for each in faults)
    return table.wrong(told, "; ".join(dict.fromkeys(each.remedy for each in faults)))


def _plain(table: Table, key: str) -> dict[str, Any]:
    """The field of a key, if it needs only a type check."""
    readers: dict[str, Callable[[str], object]] = {
        **dict.fromkeys(_STRINGS, table.text),
        **dict.fromkeys(_FLAGS, table.flag),
        **{each: partial(table.dtype, known=of) for each, of in _ONE_DTYPE.items()},
        **dict.fromkeys(_LISTS, partial(_names, table)),
        **dict.fromkeys(_TEXTS, lambda key: MappingProxyType(table.table(key).texts())),
        "memory_bytes": table.size,
        "runtimes": lambda key: _runtimes(table.table(key)),
    }
    return {key: readers[key](key)} if key in readers else {}


def _runtimes(table: Table) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({form: table.names(form) for form in table.values})


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
