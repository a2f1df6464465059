"""The sources of a target's figures: its tools, and the device that times its files."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.errors import nearest
from pytest_edgegate.core.target import LatencySource, Target
from pytest_edgegate.core.tools import may_report
from pytest_edgegate.targets.programs import programs_from
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
    programs = programs_from(table.table("tool"), base)
    _check_named(table.table("tool"), tools)
    return found | {"tools": MappingProxyType(tools), "programs": programs}


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
    kind = BUDGETS[metric]
    if not may_report(kind):
        more = kind.needs or kind.on_host_only or kind.of_accepted
        why = (
            f"a tool is given one file and no samples, and {metric} takes more"
            if more
            else f"the gate reads {metric} off the file itself"
        )
        allowed = sorted(each.name for each in BUDGETS.values() if may_report(each))
        raise tools.wrong(
            f"tools.{metric}: {why}", f"take it out; a tool may report {', '.join(allowed)}"
        )


def _check_named(tables: Table, tools: Mapping[str, str]) -> None:
    """Raises ConfigurationError for a table of a tool that no metric names."""
    for name in tables.values:
        if name not in tools.values():
            raise tables.wrong(
                f"tool.{name} reports no metric{nearest(name, sorted({*tools.values()}))}",
                f'name it for one: tools = {{ latency_p50 = "{name}" }}; or take the table out',
            )
