"""What a target has no figures of, and why: for the list of targets and their documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import may_report

_OF_TOOLS = ("memory", "flash", "mapped_ops", "streamed_bytes")
"""The budgets that nothing but a tool has figures of."""
_TIMES = tuple(
    each.name for each in BUDGETS.values() if each.rule == "latency" and may_report(each)
)
_OF_HOSTS = tuple(
    each.name for each in BUDGETS.values() if each.rule == "latency" and each.on_host_only
)
_MACHINES = ("x86_64", "aarch64")
"""Targets of these machines are timed where pytest runs on one."""


def unmeasurable(target: Target) -> Mapping[str, tuple[str, ...]]:
    """The budgets that the target has no figures of, not on every host or not of every file, by
    the reason."""
    found: dict[str, list[str]] = {}
    for metric, reason in _reasons(target):
        found.setdefault(reason, []).append(metric)
    return {reason: tuple(metrics) for reason, metrics in found.items()}


def _reasons(target: Target) -> Iterator[tuple[str, str]]:
    for metric in (*_TIMES, *_OF_HOSTS):
        reason = "" if metric in target.tools else _of_time(target, metric in _OF_HOSTS)
        if reason:
            yield metric, reason
    for metric in _OF_TOOLS:
        if metric not in target.tools:
            yield metric, "no tool of the target reports it"
    alone = [form for form, runtimes in target.runtimes.items() if not runtimes[1:]]
    for each in BUDGETS.values():
        if each.in_every_runtime and alone:
            yield each.name, f"there is one runtime for {' and '.join(alone)} files"


def _of_time(target: Target, on_host_only: bool) -> str:
    if target.machine == "any":
        return ""
    if target.latency_source.device and not on_host_only:
        return ""
    if target.machine in _MACHINES:
        return f"measured only where pytest runs on {target.machine}"
    return "pytest runs on no such device, and no tool of the target reports it"
