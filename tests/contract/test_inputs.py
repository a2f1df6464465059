"""What quantised inputs can hold, against the values that evaluation samples give them."""

from __future__ import annotations

from typing import Any

import pytest

TESTS = """
import numpy as np
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.testing.fakes import fake_model, fake_samples

model, budget = pytest.mark.model, pytest.mark.edge_budget
SMALL = budget(size="2 kB")


@pytest.fixture
def edge_data(request):
    mark = request.node.get_closest_marker("data")
    count, constant, spread = (200, None, None) if mark is None else mark.args
    x, y = fake_samples(count)
    calibration = fake_samples(20, start=10_000)[0]
    if constant is not None:
        calibration = np.full_like(calibration, constant)
    if spread is not None:
        x = np.full_like(x, spread)
    return EdgeData(calibration=calibration, evaluation=(x, y), reference_check=False)


@SMALL
@model(holds=[0, 199])
def test_all_held(edge_ptq): ...


@SMALL
@model(holds=[0, 196])
def test_one_in_a_hundred(edge_ptq): ...


@budget(accuracy_min=0.5)
@model(holds=[0, 196], ptq_wrong=range(150))
def test_one_in_a_hundred_on_red(edge_ptq): ...


@SMALL
@model(holds=[0, 100])
def test_clipped(edge_ptq): ...


@budget(accuracy_min=0.5)
@model(holds=[0, 100])
def test_clipped_and_proven(edge_ptq): ...


@budget(accuracy_min=0.5)
@model(holds=[0, 100], ptq_wrong=range(150))
def test_clipped_and_wrong(edge_ptq): ...


@budget(parity_agreement=0.9)
@model(holds=[0, 100])
def test_clipped_and_alike(edge_ptq): ...


def test_clipped_by_a_file(edge_gate, tmp_path):
    edge_gate.check(fake_model(tmp_path / "a.fake", dtype="int8", holds=[0, 100]))


@pytest.mark.data(250, None, None)
def test_pixels(edge_gate, tmp_path):
    edge_gate.check(fake_model(tmp_path / "a.fake", dtype="int8", holds=[-1, 1]))


@SMALL
@model(holds=[0, 10_000])
def test_narrow(edge_ptq): ...


@SMALL
@model(holds=[0, 0])
def test_no_width(edge_ptq): ...


@SMALL
@model(holds=[0, 2e-6])
def test_hardly_a_width(edge_ptq): ...


@SMALL
@model(holds=[0, 199])
@pytest.mark.data(200, 7.0, None)
def test_constant_in_calibration(edge_ptq): ...


@SMALL
@model(holds=[0, 199])
@pytest.mark.data(200, 0.0, 0.0)
def test_zero_in_both(edge_ptq): ...


@SMALL
@model(holds=[0, 199])
@pytest.mark.data(200, 7.0, 7.0)
def test_constant_in_both(edge_ptq): ...
"""


@pytest.fixture
def played(play: Any) -> Any:
    return play({"test_inputs.py": TESTS}, "--edge-target=fake-board", "-v", ini=MARK)


MARK = "markers = data(count, constant, spread): the samples of a test"


def contract(played: Any, name: str) -> Any:
    return played.verdicts(name)["contract"]


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("test_all_held", "."),
        ("test_one_in_a_hundred", "."),
        ("test_clipped", "F"),
        ("test_clipped_and_proven", "."),
        ("test_clipped_and_wrong", "F"),
        ("test_clipped_and_alike", "F"),
        ("test_clipped_by_a_file", "F"),
        ("test_narrow", "."),
        ("test_no_width", "F"),
        ("test_hardly_a_width", "F"),
        ("test_zero_in_both", "F"),
        ("test_constant_in_both", "."),
    ],
)
def test_green_or_red(played: Any, name: str, letter: str) -> None:
    assert played.letter(name) == letter
    assert contract(played, name)["outcome"] == ("fail" if letter == "F" else "pass")


def test_what_is_held_is_not_mentioned(played: Any) -> None:
    reason = contract(played, "test_all_held")["reason"]
    assert "caution" not in reason
    assert "clipped" not in reason


def test_a_few_clipped_values_are_a_note_on_green_and_red(played: Any) -> None:
    for name in ("test_one_in_a_hundred", "test_one_in_a_hundred_on_red"):
        found = contract(played, name)
        assert found["outcome"] == "pass"
        assert "caution: 0.8% of the evaluation values are clipped" in found["reason"]
        assert "the input x holds 0 to 196" in found["reason"]


def test_clipping_that_is_outweighed_is_a_caution(played: Any) -> None:
    reason = contract(played, "test_clipped_and_proven")["reason"]
    assert "caution: 24.8% of the evaluation values" in reason


def test_clipping_names_both_ranges_and_the_way_out(played: Any) -> None:
    text = played.text("test_clipped")
    assert "24.8% of the values are clipped: the input x holds 0 to 100" in text
    assert "the evaluation samples go from 0 to 199" in text
    assert "calibrate on samples that go as far" in text
    assert "preprocessing" in played.text("test_clipped_by_a_file")


def test_pixels_are_given_their_transformation(played: Any) -> None:
    assert "feed x / 127.5 - 1" in played.text("test_pixels")


def test_samples_in_another_scale_are_a_caution(played: Any) -> None:
    reason = contract(played, "test_narrow")["reason"]
    assert "caution: the evaluation samples use 0.02 of an input's range" in reason


@pytest.mark.parametrize("name", ["test_no_width", "test_hardly_a_width", "test_zero_in_both"])
def test_an_input_without_width_is_red(played: Any, name: str) -> None:
    text = played.text(name)
    assert "input x: its quantised range has no width, because it was 0" in text
    assert "calibrate on samples in which that input varies" in text


def test_an_input_that_only_evaluation_varies_is_an_error(played: Any) -> None:
    played.assert_fault(
        played.text("test_constant_in_calibration"),
        "every calibration sample has 7 for the input x",
        "calibrate on samples in which this input varies",
    )
    assert played.letter("test_constant_in_calibration") == "E"


def test_an_input_that_nothing_varies_is_a_caution(played: Any) -> None:
    reason = contract(played, "test_constant_in_both")["reason"]
    assert "caution: the input x is 7 in all calibration and evaluation samples" in reason


def test_the_checks_can_be_turned_off(play: Any) -> None:
    ini = f"{MARK}\nedge_input_check = false"
    passing = ("test_clipped", "test_one_in_a_hundred", "test_narrow")
    others = ("test_no_width", "test_constant_in_calibration", "test_constant_in_both")
    asked = (f"test_inputs.py::{name}" for name in (*passing, *others))
    ran = play({"test_inputs.py": TESTS}, *asked, "--edge-target=fake-board", ini=ini)
    for name in passing:
        assert ran.letter(name) == "."
        assert "clipped" not in contract(ran, name)["reason"]
        assert "caution" not in contract(ran, name)["reason"]
    assert ran.letter("test_no_width") == "F"
    assert ran.letter("test_constant_in_calibration") == "E"
    assert "caution: the input x is 7" in contract(ran, "test_constant_in_both")["reason"]
