"""Evaluation values against what the quantised inputs of a file can hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.measures.fed_inputs import FedInput
from pytest_edgegate.measures.input_check import (
    cautions,
    clipped,
    constant_inputs,
    held,
    varied,
    without_width,
)

UNIT = TensorInfo("x", (1, 4), "uint8", scales=(1 / 255,), zero_points=(0,))
"""It holds 0 to 1."""
FLOAT = TensorInfo("x", (1, 4), "float32")


def file(tensor: TensorInfo = UNIT, ranges: Mapping[str, tuple[float, float]] | None = None) -> Any:
    return SimpleNamespace(
        description=lambda: ModelDescription((tensor,), (), (), 0, 0),
        artifact=SimpleNamespace(dtype=None, provenance={"calibration_ranges": ranges}),
    )


def passes(low: float = 0, high: float = 1, clipped: int = 0) -> Any:
    """Of 10,000 values."""
    return SimpleNamespace(fed=lambda: (FedInput("x", low, high, 10_000, clipped),))


@pytest.mark.parametrize(("count", "refused"), [(500, False), (501, True), (10_000, True)])
def test_more_than_5_percent_of_clipped_values_is_an_offence(count: int, refused: bool) -> None:
    assert bool(clipped(passes(clipped=count), file())) is refused


@pytest.mark.parametrize(
    ("fed", "said"),
    [
        (passes(), ""),
        (passes(clipped=10), ""),
        (passes(clipped=11), "caution: 0.1% of the evaluation values are clipped: the input x"),
        (passes(0.4, 0.451), ""),
        (passes(0.4, 0.449), "caution: the evaluation samples use 0.049 of an input's range"),
        (passes(0.4, 0.4), ""),
        (passes(0.99, 1.02, clipped=11), "caution: 0.1% of"),
    ],
)
def test_what_is_worth_a_caution(fed: Any, said: str) -> None:
    found = list(cautions(fed, file()))
    assert len(found) == bool(said)
    assert "".join(found).startswith(said)


def test_nothing_is_said_of_float_inputs_and_of_those_without_width() -> None:
    for each in (
        file(FLOAT),
        file(TensorInfo("x", (1, 4), "uint8", scales=(0.0,), zero_points=(0,))),
    ):
        assert held(passes(clipped=9_000), each) == ()
        assert list(cautions(passes(clipped=9_000), each)) == []


def test_a_constant_input_has_its_value_without_a_negative_zero() -> None:
    found = constant_inputs({"x": (-0.0, -0.0), "y": (0, 1), "z": (3, 3)})
    assert str(found) == "{'x': 0.0, 'z': 3.0}"


def test_what_was_constant_in_calibration_must_not_vary_in_evaluation() -> None:
    """Arrays are checked before the build; a stream shows its values only now."""
    constant = file(ranges={"x": (7, 7)})
    with pytest.raises(ConfigurationError, match="every calibration sample has 7 for the input x"):
        list(varied(passes(0, 9), constant))
    (said,) = varied(passes(7, 7), constant)
    assert said.startswith("caution: the input x is 7 in all calibration and evaluation samples")
    assert list(varied(passes(0, 9), file(ranges={"x": (0, 9)}))) == []
    assert list(varied(passes(0, 9), file())) == []


def test_zeros_are_an_offence_of_a_quantised_input_and_a_caution_on_any_other() -> None:
    zeros = {"x": (0.0, 0.0)}
    assert list(varied(passes(0, 0), file(ranges=zeros))) == []
    (offence,) = without_width(file(ranges=zeros))
    assert offence.startswith("input x: its quantised range has no width, because it was 0")
    (said,) = varied(passes(0, 0), file(FLOAT, zeros))
    assert said.startswith("caution: the input x is 0 in all")
    assert list(without_width(file(FLOAT, zeros))) == []


@pytest.mark.parametrize(("scale", "offends"), [(0.0, True), (1e-8, True), (1e-7, False)])
def test_a_range_without_width_is_an_offence(scale: float, offends: bool) -> None:
    tensor = TensorInfo("x", (1, 4), "uint8", scales=(scale,), zero_points=(0,))
    assert bool(list(without_width(file(tensor)))) is offends
