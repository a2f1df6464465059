"""What is counted of the values that a pass feeds to a model."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.fed_inputs import FedCounter, FedInput, held_inputs

UNIT = TensorInfo("x", (1, 4), "uint8", scales=(1 / 255,), zero_points=(0,))
"""It holds 0 to 1, in steps of 1/255."""


def fed(*batches: list[float], held: TensorInfo | None = UNIT) -> FedInput:
    counter = FedCounter(
        [replace(UNIT, name="serving_default_x:0")], {} if held is None else {"x": held}
    )
    for each in batches:
        counter.add((np.array(each, np.float32),))
    (found,) = counter.fed
    return found


def test_the_range_is_that_of_all_batches() -> None:
    found = fed([1, 2], [-3, 0], held=None)
    assert found == FedInput("x", -3.0, 2.0, 4, 0)


@pytest.mark.parametrize(
    ("values", "clipped"),
    [
        ([0, 0, 0.5, 1], 0),
        ([0, 0, 1 + 0.9 / 255, -0.9 / 255], 0),
        ([0, 0, 1 + 1.1 / 255, -1.1 / 255], 2),
        ([0, 0, 9, 9], 2),
        ([0, 9, 9, 9], 0),
        ([-7, -7, -7, 9, 9, 0], 2),
    ],
)
def test_values_beyond_a_step_are_clipped_but_for_the_commonest(
    values: list[float], clipped: int
) -> None:
    assert fed(values).clipped == clipped


def test_clipped_values_are_those_of_all_batches() -> None:
    """The commonest value is the same for all: one that is common in one batch only counts."""
    found = fed([0, 0, 0, 0, 0], [9, 9, 0], [0, 0, 7])
    assert (found.clipped, found.share) == (3, pytest.approx(3 / 11))


def test_numbers_of_any_dtype_are_counted_and_nothing_else() -> None:
    pixels = np.array([[0, 3, 255, 7]], np.uint8)
    names: list[Array] = [pixels, np.array([True]), np.array(["a"]), np.zeros((0, 2))]
    counter = FedCounter([replace(UNIT, name=each) for each in "xabc"], {"x": UNIT})
    counter.add(names)
    assert counter.fed == (FedInput("x", 0.0, 255.0, 4, 3),)


def test_nan_is_kept_in_the_range() -> None:
    assert np.isnan(fed([1.0], [np.nan, 3.0], [2.0], held=None).low)


FLOAT = TensorInfo("serving_default_x:0", (1, 4), "float32")
INSIDE = TensorInfo("x_int8", (1, 4), "int8", scales=(0.1,), zero_points=(0,))


def described(given: TensorInfo, *operators: OperatorInfo) -> ModelDescription:
    return ModelDescription((given,), (), operators, 0, 0)


def quantize(border: bool = True, made: TensorInfo = INSIDE) -> OperatorInfo:
    return OperatorInfo(0, "QUANTIZE", (FLOAT,), (made,), border=border)


def rearranged() -> OperatorInfo:
    flat = replace(FLOAT, name="flat", shape=(4,))
    return OperatorInfo(0, "RESHAPE", (FLOAT,), (flat,), rearranges=True)


def fake_quantised(low: float, high: float) -> Artifact:
    found = SimpleNamespace(dtype="int8", provenance={"calibration_ranges": {"x": (low, high)}})
    return cast("Artifact", found)


def test_an_input_is_followed_through_what_rearranges_it() -> None:
    flat = replace(quantize(), inputs=rearranged().outputs)
    assert held_inputs(described(FLOAT, rearranged(), flat), fake_quantised(0, 1)) == {"x": INSIDE}


def test_without_a_scale_it_holds_what_it_was_calibrated_for() -> None:
    plain = quantize(made=replace(FLOAT, name="fake"))
    found = held_inputs(described(FLOAT, plain), fake_quantised(0.5, 2.55))["x"]
    assert (found.scales, found.zero_points) == (pytest.approx((0.01,)), (0,))
    assert held_inputs(described(FLOAT, replace(plain, border=False)), fake_quantised(0, 1)) == {}


@pytest.mark.parametrize(
    ("file", "held"),
    [
        (described(UNIT), {"x": UNIT}),
        (described(FLOAT, quantize()), {"x": INSIDE}),
        (described(FLOAT, quantize(), quantize()), {}),
        (described(FLOAT, quantize(border=False)), {}),
        (described(FLOAT, quantize(made=replace(INSIDE, dtype="float16", scales=()))), {}),
        (described(replace(FLOAT, dtype="int8")), {}),
        (described(replace(UNIT, dtype="float32")), {}),
        (described(replace(UNIT, scales=(0.1, 0.2), zero_points=(0, 0))), {}),
    ],
)
def test_an_input_is_held_as_its_file_quantises_it(
    file: ModelDescription, held: dict[str, TensorInfo]
) -> None:
    assert held_inputs(file, cast("Artifact", SimpleNamespace(dtype=None))) == held
