"""Marks that are almost one of the gate's are errors; every other mark is the project's own."""

from __future__ import annotations

from typing import Any

import pytest

NEAR = {
    "edge_budgets": ("edge_budgets(size=1)", "did you mean 'edge_budget'?"),
    "edge_bugdet": ("edge_bugdet(size=1)", "did you mean 'edge_budget'?"),
    "edge_recipes": ("edge_recipes()", "did you mean 'edge_recipe'?"),
    "edge_target": ("edge_target('coral')", "did you mean 'edge_targets'?"),
    "edge_gate": ("edge_gate", "edge_gate is a fixture, not a mark"),
    "edge_ptq": ("edge_ptq", "edge_ptq is a fixture, not a mark"),
    "edge_policy": ("edge_policy('strict')", "edge_policy is an ini key, not a mark"),
    "edge_report_json": ("edge_report_json", "edge_report_json is an ini key, not a mark"),
    "edge_onnx2tf": ("edge_onnx2tf", "edge_onnx2tf is an ini key, not a mark"),
}
"""On tests that have nothing to do with the gate."""
BUDGETS = {
    "with_a_fixture": (
        "accuracy_drop(0.01)",
        "edge_ptq",
        "write edge_budget(accuracy_drop=0.01)",
    ),
    "with_its_own_model": ("size('120 kB')", "edge_model", "write edge_budget(size='120 kB')"),
    "with_a_mark": ("edge_budget(size=9000)\n@pytest.mark.memory", "edge_gate", "memory=..."),
}
OWN = """
import unittest
import pytest


@pytest.mark.merge
@pytest.mark.page
@pytest.mark.edge_case
@pytest.mark.edges
@pytest.mark.edge_detection
@pytest.mark.edge_to_edge
def test_names_of_ones_own(): ...


@pytest.mark.memory
@pytest.mark.size
@pytest.mark.contract
@pytest.mark.flash("now")
def test_budgets_elsewhere(): ...


@pytest.mark.edge_cases
@pytest.mark.merge
@pytest.mark.contract
@pytest.mark.edge_budget(size=9000)
def test_beside_a_gate(edge_ptq): ...


@pytest.mark.edge
@pytest.mark.memory
def test_an_edge_of_ones_own(): ...


@pytest.mark.edge_gates
@pytest.mark.macs
@pytest.mark.edge_budget(size=9000)
def test_registered(edge_ptq): ...


@pytest.mark.edge_case
class TestPlain(unittest.TestCase):
    @pytest.mark.memory
    def test_unittest(self): ...
"""
OF_PARAMETERS = """
import unittest
import pytest


@pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.edge_budgets(size=1))])
def test_parameter(x): ...


@pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.size(1))])
def test_parameter_of_a_gate(x, edge_ptq): ...


MARKS = [pytest.mark.edge_targets("fake-board"), pytest.mark.macs(1)]


@pytest.mark.parametrize("x", [1, pytest.param(2, marks=MARKS)])
def test_parameter_of_a_gate_by_its_mark(x): ...


class TestPlain(unittest.TestCase):
    @pytest.mark.edge_budgets(size=1)
    def test_unittest(self): ...
"""


def near_files() -> dict[str, str]:
    head = "import pytest\n\n@pytest.mark."
    files = {
        f"test_{name}.py": f"{head}{mark}\ndef test_it(): ...\n" for name, (mark, _) in NEAR.items()
    }
    for name, (mark, fixture, _) in BUDGETS.items():
        files[f"test_{name}.py"] = f"{head}{mark}\ndef test_it({fixture}): ...\n"
    files["test_module.py"] = (
        "import pytest\n\npytestmark = pytest.mark.edge_budgts\n\ndef test_it(): ...\n"
    )
    files["test_class.py"] = f"{head}edge_budgts\nclass TestIt:\n    def test_it(self): ...\n"
    return files


@pytest.fixture
def near(play: Any) -> Any:
    return play(near_files(), "--edge-target=fake-board", "--continue-on-collection-errors")


@pytest.mark.parametrize("name", [*NEAR, *BUDGETS, "module", "class"])
def test_a_mark_that_is_meant_for_the_gate_is_an_error(near: Any, name: str) -> None:
    said = NEAR.get(name, ("", "did you mean 'edge_budget'?"))[1]
    said = BUDGETS[name][2] if name in BUDGETS else said
    (text,) = (each for node, each in near.collection.items() if f"test_{name}.py" in node)
    near.assert_fault(text, f"test_{name}.py:", said, "registered by the ini key markers")
    assert near.tests == {}


@pytest.mark.workers
def test_marks_of_ones_own_are_left_alone(play: Any) -> None:
    ran = play(
        {"test_it.py": OWN},
        "--edge-target=fake-board",
        ini="markers =\n    edge_gates: of our own\n    macs(count): of our own, too",
    )
    assert ran.status == 0, ran.everything
    assert sorted(ran.tests.values()) == ["."] * 6
    assert ran.report["errors"] == []


def test_marks_of_parameters_and_of_a_unittest_are_errors_of_their_file(play: Any) -> None:
    ran = play({"test_it.py": OF_PARAMETERS}, "--edge-target=fake-board")
    assert ran.tests == {}
    told = [each.splitlines()[0].removeprefix("edgegate error: ") for each in ran.faults]
    assert sorted(each.partition(",")[0] for each in told) == [
        "macs is a budget",
        "size is a budget",
        "unknown mark 'edge_budgets'",
        "unknown mark 'edge_budgets'",
    ]
    assert len(ran.report["errors"]) == 4
