"""Recurrent models: what a verdict says of state that a file keeps, and of what is in float."""

from __future__ import annotations

from typing import Any

import pytest

TESTS = """
import pytest


@pytest.mark.model(note="unrolled: 12 operators and 1,000 B")
@pytest.mark.edge_budget(size="2 kB")
def test_told(edge_ptq): ...


@pytest.mark.model(note="unrolled: 12 operators and 1,000 B")
@pytest.mark.edge_budget(size="1 B")
def test_told_on_red(edge_ptq): ...


@pytest.mark.model(note="unrolled: 12 operators and 1,000 B")
def test_told_by_a_helper(edge_compress, edge_gate):
    from pytest_edgegate import PTQ

    edge_gate.size(edge_compress(PTQ()), "2 kB")


@pytest.mark.model(state="reset_all()")
@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_state(edge_ptq): ...


@pytest.mark.model(state="reset_all()", ptq_wrong=range(50))
@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_state_on_red(edge_ptq): ...


def test_state_of_a_file(edge_gate, tmp_path):
    from pytest_edgegate.testing.fakes import fake_model

    edge_gate.check(fake_model(tmp_path / "kept.fake", dtype="int8", state="reset_all()"))


@pytest.mark.model(float_fallback=["NOT_EQUAL"], origin=["a mask compares floats", "give the mask"])
@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_mask(edge_ptq): ...


@pytest.mark.model(float_fallback=["NOT_EQUAL"])
@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_unknown_origin(edge_ptq): ...


@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_plain(edge_ptq): ...
"""


@pytest.fixture
def played(play: Any) -> Any:
    return play({"test_recurrent.py": TESTS}, "--edge-target=fake-board", "-v")


@pytest.mark.parametrize("name", ["test_told", "test_told_on_red", "test_told_by_a_helper"])
def test_what_a_transform_tells_of_its_file_is_in_the_first_verdict(played: Any, name: str) -> None:
    assert played.letter(name) == ("F" if "red" in name else ".")
    first, *others = played.verdicts(name).values()
    assert "unrolled: 12 operators and 1,000 B" in first["reason"]
    assert not [each for each in others if "unrolled" in each["reason"]]
    (facts,) = first["artifact"]["steps"].values()
    assert facts["note"] == "unrolled: 12 operators and 1,000 B"
    assert played.output.count("unrolled: 12 operators") >= 3


@pytest.mark.parametrize("name", ["test_state", "test_state_on_red", "test_state_of_a_file"])
def test_a_file_that_keeps_state_says_so(played: Any, name: str) -> None:
    assert played.letter(name) == ("F" if "red" in name else ".")
    contract = played.verdicts(name)["contract"]
    assert contract["outcome"] == "pass"
    assert "the file keeps state between inferences (FAKE)" in contract["reason"]
    assert "reset it before each on the device too (reset_all())" in contract["reason"]


def test_a_file_without_state_does_not(played: Any) -> None:
    assert played.letter("test_plain") == "."
    assert "keeps state" not in played.verdicts("test_plain")["contract"]["reason"]


def test_the_origin_of_what_is_left_in_float_is_the_cause(played: Any) -> None:
    assert played.letter("test_mask") == "F"
    contract = played.verdicts("test_mask")["contract"]
    assert (contract["outcome"], contract["cause"]) == ("fail", "a mask compares floats")
    assert contract["remedy"] == "give the mask"
    assert "NOT_EQUAL #1 (y): runs in float" in contract["details"]
    assert "a mask compares floats" in played.text("test_mask")


def test_without_an_origin_the_cause_is_that_of_any_float(played: Any) -> None:
    contract = played.verdicts("test_unknown_origin")["contract"]
    assert contract["cause"] == "part of the model was not quantised"
