"""Data against the inputs of a model, before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.feeding import arrange, bare_name, real_range
from pytest_edgegate.data.splits import Batch

IMAGE = TensorInfo("serving_default_image:0", (1, 4, 4, 1), "float32")
NUMBER = TensorInfo("serving_default_number:0", (-1, 2), "float32")
QUANTISED = TensorInfo("x", (1, 2), "uint8", scales=(1 / 255,), zero_points=(0,))
INDEX = TensorInfo("x", (1, 2), "int32")

image, number = np.zeros((5, 4, 4, 1), np.float32), np.ones((5, 2), np.float32)


def refusal(arrays: Any, names: Any, inputs: tuple[TensorInfo, ...]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        arrange(arrays, names, inputs, "evaluation")
    assert raised.value.message.startswith("edge_data.evaluation")
    return raised.value


def test_by_position_and_by_name() -> None:
    for arrays, names in (
        ((image, number), None),
        ((image, number), ("image", "number")),
        ((number, image), ("number", "image")),
    ):
        found = arrange(arrays, names, (IMAGE, NUMBER), "evaluation")
        assert found[0] is image
        assert found[1] is number


def test_a_single_input_needs_no_name() -> None:
    assert arrange((number,), ("anything",), (NUMBER,), "train") == (number,)


def test_another_number_of_inputs() -> None:
    found = refusal((image,), None, (IMAGE, NUMBER))
    assert "gives 1 inputs, the model takes 2" in found.message
    assert IMAGE.name in found.message
    assert "in that order, or as a dict" in found.remedy


def test_a_name_that_the_model_does_not_have() -> None:
    found = refusal((image, number), ("image", "numbers"), (IMAGE, NUMBER))
    assert "has no input 'number': its keys are image, numbers" in found.message
    assert found.remedy.endswith("image, number")


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        ((4, 4, 1), True),
        ((4, 4), False),
        ((4, 5, 1), False),
        ((4, 4, 3), False),
        ((1, 4, 4, 1), False),
        ((16,), False),
    ],
)
def test_shapes(shape: tuple[int, ...], fits: bool) -> None:
    array = np.zeros((3, *shape), np.float32)
    if fits:
        arrange((array,), None, (IMAGE,), "evaluation")
        return
    found = refusal((array,), None, (IMAGE,))
    assert f"samples of shape {shape} do not fit the input" in found.message
    assert ("x[..., None]" in found.remedy) is (shape == (4, 4))


def test_a_dimension_that_is_free() -> None:
    free = TensorInfo("x", (-1, -1, 3), "float32")
    arrange((np.zeros((2, 7, 3), np.float32),), None, (free,), "evaluation")
    assert "do not fit" in refusal((np.zeros((2, 7, 4)),), None, (free,)).message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_not_finite(bad: float) -> None:
    found = refusal((np.full((2, 2), bad),), None, (NUMBER,))
    assert "holds NaN or Inf for the input" in found.message


@pytest.mark.parametrize(
    ("array", "fits"),
    [
        (np.array([[1, 2]]), True),
        (np.array([[1.0, 2.0]]), True),
        (np.array([[1.5, 2.0]]), False),
        (np.array([[2**40, 0]]), False),
        (np.array([[True, False]]), True),
    ],
)
def test_an_input_of_plain_integers(array: Any, fits: bool) -> None:
    if fits:
        arrange((array,), None, (INDEX,), "evaluation")
    else:
        found = refusal((array,), None, (INDEX,))
        assert "takes int32 (-2147483648 to 2147483647)" in found.message
        assert found.remedy.endswith("x.astype('int32')")


def test_a_quantised_input_takes_real_values() -> None:
    arrange((np.full((4, 2), 0.5, np.float32),), None, (QUANTISED,), "evaluation")
    arrange((np.ones((4, 2), np.uint8),), None, (QUANTISED,), "evaluation")
    found = refusal((np.full((4, 2), 200, np.uint8),), None, (QUANTISED,))
    assert "is uint8 from 200 to 200" in found.message
    assert "real values from 0 to 1; 4 samples were looked at" in found.message
    assert found.remedy == "feed x / 255: the gate quantises them itself"


@pytest.mark.parametrize(
    ("scale", "zero", "dtype", "remedy"),
    [
        (2 / 255, -1, "int8", "feed x / 127.5 - 1"),
        (2 / 255, 127, "uint8", "feed x / 127.5 - 1"),
        (1 / 255, -128, "int8", "feed x / 255"),
        (3.3 / 255, -128, "int8", "feed x / 77.2727"),
    ],
)
def test_raw_pixels_are_told_what_the_input_holds(
    scale: float, zero: int, dtype: str, remedy: str
) -> None:
    tensor = TensorInfo("x", (1, 4), dtype, scales=(scale,), zero_points=(zero,))
    found = refusal((np.full((4, 4), 90, np.uint8),), None, (tensor,))
    assert found.remedy == f"{remedy}: the gate quantises them itself"


def test_samples_that_are_quantised_already() -> None:
    tensor = TensorInfo("x", (1, 4), "int8", scales=(0.05,), zero_points=(-3,))
    found = refusal((np.full((4, 4), -128, np.int8),), None, (tensor,))
    assert found.remedy == "feed (x + 3) * 0.05: the gate quantises them itself"


def test_real_ranges() -> None:
    assert real_range(QUANTISED) == (0, 1)
    signed = TensorInfo("x", (1,), "int8", scales=(0.5,), zero_points=(-128,))
    assert real_range(signed) == (0, 127.5)


@pytest.mark.parametrize("name", ["image", "image:0", "serving_default_image:0"])
def test_bare_names(name: str) -> None:
    assert bare_name(name) == "image"


@pytest.mark.parametrize(("start", "said"), [(None, "'x'"), (0, "sample #2"), (30, "sample #32")])
def test_a_value_that_is_not_finite_is_found_in_the_split(start: int | None, said: str) -> None:
    array = np.zeros((5, 2), np.float32)
    array[2, 1] = array[4, 0] = np.nan
    batch, inputs = Batch((array,), None, start), (TensorInfo("x", (-1, 2), "float32"),)
    with pytest.raises(ConfigurationError) as raised:
        arrange(batch.inputs, None, inputs, "evaluation", batch.number)
    assert raised.value.message.startswith("edge_data.evaluation holds NaN or Inf")
    assert raised.value.message.endswith(said)


def test_samples_of_another_shape_are_found_in_the_split() -> None:
    batch = Batch((np.zeros((5, 3)),), None, 12)
    with pytest.raises(ConfigurationError, match=r"of shape \(3,\) \(from #12 on\) do not fit"):
        arrange(batch.inputs, None, (NUMBER,), "evaluation", batch.number)
