"""The options of a target's tools, which each tool checks by itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pytest_edgegate.core.target import Program, Target
from pytest_edgegate.targets.values import Table

_VALUES = (str, bool, int, float)


def tool_options_from(
    tools: Table, base: Target | None, programs: Mapping[str, Program]
) -> Mapping[str, Mapping[str, object]]:
    """The options by the name of the tool: those of *base*, with the table's in their place.

    *programs*: the tools that are commands, which have no options. Raises ConfigurationError.
    """
    known = {} if base is None else base.tool_options
    found = {name: options for name, options in known.items() if name not in programs}
    for name in tools.values:
        options = tools.table(name)
        if name in programs:
            continue
        for key, value in options.values.items():
            if not _is_option(value):
                raise options.wrong(
                    f"{options.inside}{key} = {value!r} is no option",
                    "write a text, a number, true, false, or a list of texts",
                )
        found[name] = MappingProxyType({**found.get(name, {}), **options.values})
    return MappingProxyType(found)


def _is_option(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return isinstance(value, _VALUES)
