"""Code of the user that leaves the process or skips, while the gate calls it: an error of its test
alone, and nothing of it is left to later ones."""

from __future__ import annotations

from typing import Any

import pytest

CONFTEST = """

import sys

from pytest_edgegate import Metric


def leaves(outputs, labels):
    sys.exit(0)


def skips(outputs, labels):
    pytest.skip("no metric today")


@pytest.fixture
def edge_metric(request):
    mark = request.node.get_closest_marker("metric")
    return "top1" if mark is None else Metric({"leaves": leaves, "skips": skips}[mark.args[0]])


@pytest.fixture
def edge_training(request):
    from pytest_edgegate import EdgeTraining

    if request.node.get_closest_marker("leaving"):
        sys.exit(3)
    return EdgeTraining()
"""
TESTS = """
import sys

import pytest

drop = pytest.mark.edge_budget(accuracy_drop=0.2)


@drop
@pytest.mark.leaving
def test_1_a_fixture_leaves(edge_ptq):
    pass


@drop
def test_2_after_it(edge_ptq):
    pass


@drop
@pytest.mark.metric("leaves")
def test_3_a_metric_leaves(edge_ptq):
    pass


@drop
def test_4_after_it(edge_ptq):
    pass


@drop
@pytest.mark.metric("skips")
def test_5_a_metric_skips(edge_ptq):
    pass


@pytest.fixture
def edge_student():
    sys.exit("no student")


@drop
def test_6_asked_for_by_name(edge_ptq, edge_student):
    pass


@drop
def test_7_after_it(edge_ptq):
    pass
"""
ENDS = {
    "1_a_fixture_leaves": "the fixture edge_training ended in SystemExit: 3: code that it calls",
    "3_a_metric_leaves": "leaves, the function of edge_metric, raised SystemExit: 0",
    "5_a_metric_skips": "skips, the function of edge_metric, raised Skipped: no metric today",
    "6_asked_for_by_name": "the fixture edge_student ended in SystemExit: no student",
}


@pytest.fixture
def ran(play: Any, inner_conftest: str) -> Any:
    files = {"conftest.py": inner_conftest + CONFTEST, "test_exits.py": TESTS}
    markers = "markers =\n    metric(name)\n    leaving"
    return play(files, "--edge-target=fake-board", ini=markers)


@pytest.mark.parametrize("name", ENDS)
def test_an_exit_or_a_skip_is_an_error_of_its_test(ran: Any, name: str) -> None:
    assert ran.letter(f"test_{name}") == "E", ran.everything
    ran.assert_fault(ran.text(f"test_{name}"), ENDS[name])


@pytest.mark.parametrize("name", ["test_2_after_it", "test_4_after_it", "test_7_after_it"])
def test_later_tests_are_gated(ran: Any, name: str) -> None:
    assert ran.letter(name) == ".", ran.text(name)
    assert ran.verdicts(name)["accuracy_drop"]["outcome"] == "pass"
