"""The sources of a target's figures: its tools, and the device that times its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.errors import nearest
from pytest_edgegate.core.target import LatencySource, Program, Target
from pytest_edgegate.core.tools import may_report
from pytest_edgegate.targets.values import Table

TIMED = tuple(each.name for each in BUDGETS.values() if each.rule == "latency" and may_report(each))
"""The latencies that a tool may report: those of a single file."""
_LATENCY_KEYS = ("source", "remedy")
_SOURCES = (
    'write source = "host", "device:URL" or "vendor:NAME", the last for [tools] of all latencies'
)


def figures_from(table: Table, base: Target | None) -> dict[str, Any]:
    """The fields of a target from its tables ``latency``, ``tools`` and ``tool``.

    Raises ConfigurationError.
    """
    latency = table.table("latency")
    latency.check_keys(_LATENCY_KEYS, "latency")
    found: dict[str, Any] = {}
    tools = {} if base is None else dict(base.tools)
    if "remedy" in latency:
        found["latency_remedy"] = latency.text("remedy")
    if "source" in latency:
        found["latency_source"], vendor = _source(latency)
        tools = {metric: name for metric, name in tools.items() if metric not in TIMED} | vendor
    tools |= _tools(table.table("tools"))
    own = _programs(table.table("tool"), tools)
    programs = own if base is None else {**base.programs, **own}
    return found | {"tools": MappingProxyType(tools), "programs": MappingProxyType(programs)}


def _source(latency: Table) -> tuple[LatencySource, dict[str, str]]:
    """The source of latencies, and the tool for each of them."""
    text = latency.text("source")
    kind, _, rest = text.partition(":")
    if text == "host":
        return LatencySource(), {}
    if kind == "device" and rest:
        return LatencySource(rest), {}
    if kind == "vendor" and rest:
        return LatencySource(), dict.fromkeys(TIMED, rest)
    raise latency.wrong(f"latency.source = {text!r} is not a source of a latency", _SOURCES)


def _tools(tools: Table) -> dict[str, str]:
    """The tool of each metric."""
    found = tools.texts()
    for metric, name in found.items():
        _check_metric(tools, metric)
        if not name:
            raise tools.wrong(f"tools.{metric} names nothing", "write the name of a tool")
    return found


def _check_metric(tools: Table, metric: str) -> None:
    if metric not in BUDGETS:
        known = sorted(BUDGETS)
        raise tools.wrong(
            f"tools.{metric}: there is no budget {metric!r}{nearest(metric, known)}",
            f"budgets are {', '.join(known)}",
        )
    if not may_report(BUDGETS[metric]):
        allowed = sorted(each.name for each in BUDGETS.values() if may_report(each))
        raise tools.wrong(
            f"tools.{metric}: a tool is given one file and no samples, and {metric} takes more",
            f"take it out; a tool may report {', '.join(allowed)}",
        )


COMMAND = "command"
"""The key by which a table is a tool by itself, in place of the options of an installed one."""
_PROGRAM_KEYS = (COMMAND, "version", "seconds")
_PROGRAM_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
_LONGEST_RUN = 86_400


def _programs(tables: Table, tools: Mapping[str, str]) -> dict[str, Program]:
    """The commands of the user's own, each of which a metric has to name."""
    names = [name for name in tables.values if COMMAND in tables.table(name)]
    return {name: _program(tables, name, tools) for name in names}


def _program(tables: Table, name: str, tools: Mapping[str, str]) -> Program:
    if not _PROGRAM_NAME.fullmatch(name):
        raise tables.wrong(
            f"tool.{name} is no name of a tool", "write it of letters, digits, '-', '_' and '.'"
        )
    table = tables.table(name)
    table.check_keys(_PROGRAM_KEYS, f"tool.{name}")
    command = table.names(COMMAND)
    if not command[0]:
        raise table.wrong(f"tool.{name}.command names no program", 'write command = ["program"]')
    version = table.names("version") if "version" in table else ()
    if name not in tools.values():
        raise table.wrong(
            f"tool.{name} reports no metric",
            f'name it for one: tools = {{ latency_p50 = "{name}" }}',
        )
    return Program(command, version, _seconds(table) if "seconds" in table else Program.seconds)


def _seconds(table: Table) -> int:
    seconds = table.size("seconds")
    if seconds > _LONGEST_RUN:
        raise table.wrong(
            f"{table.inside}seconds is longer than a day", f"write at most {_LONGEST_RUN}"
        )
    return seconds
