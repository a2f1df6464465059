"""Of graphs that operators run any number of times, no figure is told that would be too low."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from pytest_edgegate.backends.litert.graphs import Graphs
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.vela.figures import figures_of
from pytest_edgegate.backends.vela.summary import Summary
from pytest_edgegate.backends.vela.tool import TOOL
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Figure, FigureOrAbsent

from ..control_flow import converted
from .conftest import needs_vela

TIMES = ("latency_p50", "latency_p95", "latency_p99")
SUMMARY = Summary("Config", "Mode", 5e8, 1e-6, 500, {"the NPU": 400}, 1024, 0, 0, 2048)
BODIES = "the bodies of WHILE are counted once each: how often an inference runs them can't be"


def absent(figures: Mapping[str, FigureOrAbsent], metric: str) -> Absent:
    found = figures[metric]
    assert isinstance(found, Absent)
    return found


@pytest.fixture(scope="module")
def loop(tf: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(tf, tmp_path_factory.mktemp("loop"), "loop")


@needs_vela
def test_the_time_and_the_memory_of_a_loop(loop: Path, u55: Target, out: Path) -> None:
    told = TOOL.compile(loop, u55, out).figures
    time = absent(told, "latency_p50")
    assert all(told[each] == time for each in TIMES)
    assert BODIES in time.reason
    assert time.remedy.startswith("unroll the loop ")
    memory = absent(told, "memory")
    assert "while WHILE runs one of them the tensors around it stay alive" in memory.reason
    assert memory.remedy.startswith("unroll the loop ")
    assert memory.remedy.endswith("or measure on the board")
    assert "signature" not in "".join(f"{each}" for each in told.values())
    assert isinstance(told["mapped_ops"], Figure)


@needs_vela
def test_a_loop_that_is_unrolled_has_all_figures(
    tf: ModuleType, u55: Target, out: Path, tmp_path: Path
) -> None:
    told = TOOL.compile(converted(tf, tmp_path, "unrolled"), u55, out).figures
    assert all(isinstance(each, Figure) for each in told.values())


def test_a_loop_that_is_on_the_chip_as_a_whole(digits: Path) -> None:
    """As no version yet takes one."""
    graphs = Graphs(3, runners=("WHILE",), signatures=("serve",), gated="serve")
    told = figures_of(digits, INSPECTOR.describe(digits), SUMMARY, (), graphs)
    time = absent(told, "latency_p50")
    assert time.reason.startswith(
        f"Vela estimates all 3 graphs of the file together, 500 cycles (Config, Mode), and {BODIES}"
    )
    assert time.remedy.startswith("unroll the loop ")
    assert time.remedy.endswith(", or measure on the board")
    assert "serve" not in f"{time}"
