"""Graphs that an inference starts are told from those that operators run any number of times."""

from __future__ import annotations

import copy
from pathlib import Path
from types import ModuleType

import pytest

from pytest_edgegate.backends.litert.edgetpu.tool import TOOL
from pytest_edgegate.backends.litert.graphs import Graphs, graphs_of
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Figure

from ..control_flow import converted

UNROLL = "unroll the loop (unroll=True of a recurrent layer, a Python loop in place of "


def of(path: Path) -> Graphs:
    return graphs_of(path, INSPECTOR.describe(path))


@pytest.fixture(scope="module")
def loop(tf: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(tf, tmp_path_factory.mktemp("loop"), "loop")


def test_a_file_with_one_graph(tf: ModuleType, tmp_path: Path) -> None:
    found = of(converted(tf, tmp_path, "unrolled"))
    assert (found.count, found.fault, found.remedy) == (1, "", "")


def test_the_bodies_of_a_loop(loop: Path) -> None:
    found = of(loop)
    assert (found.count, found.apart, found.runners) == (3, False, ("WHILE",))
    assert found.fault == (
        "the bodies of WHILE are counted once each: how often an inference runs them can't be known"
    )
    assert found.remedy == f"{UNROLL}tf.while_loop)"


def test_the_branches_of_a_condition(tf: ModuleType, tmp_path: Path) -> None:
    found = of(converted(tf, tmp_path, "branch"))
    assert (found.count, found.apart, found.runners) == (3, False, ("IF",))
    assert found.fault.startswith("the bodies of IF are counted once each: ")
    assert found.remedy == "gate each branch in a file of its own"


def test_signatures_beside_a_loop(tf: ModuleType, tmp_path: Path) -> None:
    path = converted(tf, tmp_path, "loop", "unrolled")
    found = of(path)
    assert (found.count, found.apart, found.runners) == (4, True, ("WHILE",))
    assert found.fault.startswith("the bodies of WHILE are counted once each: ")
    assert found.fault.endswith("; one inference runs one of them; its signatures: loop, unrolled")
    assert found.remedy.startswith(UNROLL)
    assert found.remedy.endswith(
        f'and gate a file of that signature alone (signature_keys=["{found.gated}"] of the '
        "converter)"
    )
    assert found.gated in ("loop", "unrolled")


def test_graphs_without_signatures(loop: Path, tmp_path: Path) -> None:
    model = unpack(loop)
    model.subgraphs.append(copy.deepcopy(model.subgraphs[-1]))
    model.signatureDefs = None
    path = tmp_path / "more.tflite"
    path.write_bytes(pack(model))
    found = of(path)
    assert (found.count, found.apart, found.runners) == (4, True, ("WHILE",))
    assert found.fault.endswith("; one inference runs one of them")
    assert found.remedy.endswith("and gate a file of its first graph alone")


def test_what_a_coral_is_told_of_a_loop(loop: Path, coral: Target, tmp_path: Path) -> None:
    for figure in TOOL.compile(loop, coral, tmp_path).figures.values():
        assert isinstance(figure, Absent)
        assert figure.reason.startswith("loop.tflite has 3 graphs, whose operators and parameters")
        assert "the bodies of WHILE are counted once each" in figure.reason
        assert "signature" not in f"{figure.reason} {figure.remedy}"
        assert figure.remedy.startswith(UNROLL)


def test_a_loop_that_is_unrolled_has_figures(tf: ModuleType, coral: Target, tmp_path: Path) -> None:
    path = converted(tf, tmp_path, "unrolled")
    for figure in TOOL.compile(path, coral, tmp_path).figures.values():
        assert isinstance(figure, Figure)
