"""A call of edge_gate in the body replaces a marker's limit; a looser one is said in the report."""

from __future__ import annotations

from typing import Any

import pytest

TESTS = """
import pytest

pytestmark = pytest.mark.edge_budget(size="1 kB", compression=4, sqnr_db=20)


def test_looser(edge_gate, edge_ptq):
    edge_gate.check(edge_ptq, size="2 kB", compression=2, sqnr_db=10)


def test_stricter(edge_gate, edge_ptq):
    edge_gate.check(edge_ptq, size=1000, compression=4.0, sqnr_db=21)


def test_another_file(edge_gate, edge_ptq, edge_qat_file):
    edge_gate.size(edge_qat_file, "2 kB")


def test_looser_after_stricter(edge_gate, edge_ptq):
    edge_gate.size(edge_ptq, 1000)
    edge_gate.size(edge_ptq, 1001)


@pytest.fixture
def edge_qat_file(tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    return fake_model(tmp_path / "given.fake", dtype="int8", bytes=1500)
"""


@pytest.fixture
def ran(play: Any) -> Any:
    return play({"test_it.py": TESTS}, "--edge-target=fake-board")


@pytest.mark.parametrize(("metric", "limit"), [("size", "1,000 B"), ("compression", "4.00x")])
def test_a_looser_call_is_said(ran: Any, metric: str, limit: str) -> None:
    said = f"the marker's limit of {limit}, which is stricter, is replaced by this call"
    verdict = ran.verdicts("test_looser")[metric]
    assert verdict["outcome"] == "pass"
    assert said in verdict["reason"]
    assert f"{metric}: {said}" in ran.unwrapped


def test_a_stricter_call_is_not(ran: Any) -> None:
    for each in ran.verdicts("test_stricter").values():
        assert "replaced" not in each["reason"]


def test_nor_a_call_about_another_file(ran: Any) -> None:
    found = [each for each in ran.report["verdicts"] if "test_another_file" in each["test"]]
    assert not any("replaced" in each["reason"] for each in found)


def test_nor_one_where_another_call_was_as_strict(ran: Any) -> None:
    found = [each for each in ran.report["verdicts"] if "after_stricter" in each["test"]]
    assert not any("replaced" in each["reason"] for each in found)
