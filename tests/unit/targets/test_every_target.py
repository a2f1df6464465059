"""Every built-in target is sane: its runtimes, its tools and their extras, its sources, and what it
has no figures of."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import may_report
from pytest_edgegate.listing import lines_of
from pytest_edgegate.registry import Registry
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.unmeasurable import unmeasurable

REGISTRY = Registry()
PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
TABLES = {"tool", "tools", "mapping", "latency"}
"""Tables of a target file that are fields of other names."""
NAMES = sorted(built_in())
each_target = pytest.mark.parametrize("target", [built_in()[each] for each in NAMES], ids=NAMES)


@each_target
def test_its_runtimes_run_its_formats(target: Target) -> None:
    assert target.default_io in (target.io_dtypes or (target.default_io,))
    for form, runtimes in target.runtimes.items():
        assert len(set(runtimes)) == len(runtimes)
        for name in runtimes:
            assert form in REGISTRY.get("runtime", name).formats, name


@each_target
def test_its_tools_report_what_it_names_them_for(target: Target) -> None:
    for metric, name in target.tools.items():
        tool = REGISTRY.get("tool", name)
        assert metric in tool.metrics
        assert may_report(BUDGETS[metric])
        assert set(target.formats) <= set(tool.formats)
        installs = re.search(r"pytest-edgegate\[(\w+)\]", tool.remedy)
        assert installs is None or installs[1] in EXTRAS
        assert tool.remedy.strip()
        tool.options(target)
    assert set(target.tool_options) <= set(target.tools.values())
    assert not target.programs


@each_target
def test_its_sources_are_about_what_it_says(target: Target) -> None:
    known = {each.name for each in fields(Target)} | TABLES
    assert set(target.sources) <= known
    assert all(len(each) > 20 for each in target.sources.values())
    if target.name not in ("host", "onnx-cpu", "openvino-cpu"):
        assert target.sources, "a board's properties come from somewhere"


@each_target
def test_what_it_has_no_figures_of_has_a_reason_and_a_way_out(target: Target) -> None:
    none = {metric for metrics in unmeasurable(target).values() for metric in metrics}
    assert not none & target.tools.keys()
    timed = {each.name for each in BUDGETS.values() if each.rule == "latency"}
    if timed & none:
        assert "--edge-allow-unmeasured={target}:{metric}" in target.latency_remedy
    told = "\n".join(lines_of(target))
    for metric in none:
        assert re.search(rf"  not measured: [\w, ]*\b{metric}\b[\w, ]*: \w", told), metric


def test_no_latency_is_an_emulators() -> None:
    for target in built_in().values():
        for metric, name in target.tools.items():
            if BUDGETS[metric].rule == "latency":
                assert name == "vela", "see whether its times are the device's"


def test_the_reasons_are_those_of_the_targets() -> None:
    """By hand, of one target of each kind."""
    coral, pi, host = (unmeasurable(built_in()[each]) for each in ("coral", "raspberry-pi", "host"))
    assert ("memory", "flash") in coral.values()
    assert [each for each in pi if "aarch64" in each] == [
        "measured only where pytest runs on aarch64"
    ]
    assert host == {
        "no tool of the target reports it": ("memory", "flash", "mapped_ops", "streamed_bytes")
    }
    alone = unmeasurable(built_in()["openvino-cpu"])["there is one runtime for openvino files"]
    assert "parity_abs" in alone
