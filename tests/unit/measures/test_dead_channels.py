"""Channels that vary in the model under test and are constant in the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.core.description import ModelDescription, OperatorInfo, TensorInfo
from pytest_edgegate.measures.dead_channels import DeadChannels, dead_channels, output_steps

Array = npt.NDArray[Any]


def ranges(*ends: tuple[float, float]) -> Array:
    return np.array(ends, np.float64).T


BOXES = ranges((0, 300), (0, 320), (0, 1))
LOST = ranges((0, 300), (0, 320), (0, 0))


def test_a_dead_channel_is_told_with_its_range_and_that_of_the_others() -> None:
    assert dead_channels({"y": BOXES}, {"y": LOST}, {}) == (
        DeadChannels("y", (2,), (0, 1), (0, 320)),
    )
    assert dead_channels({"y": BOXES}, {"y": BOXES}, {}) == ()
    lost_box = ranges((0, 0), (0, 0), (0, 1))
    assert dead_channels({"y": BOXES}, {"y": lost_box}, {}) == (
        DeadChannels("y", (0, 1), (0, 320), (0, 1)),
    )


def test_outputs_are_matched_by_name_and_else_by_order() -> None:
    two = ranges((0, 1), (0, 1), (0, 1))
    [found] = dead_channels({"a": BOXES, "b": two}, {"b": two, "a": LOST}, {})
    assert found.output == "a"
    [found] = dead_channels({"a": BOXES, "b": two}, {"x": LOST, "y": two}, {})
    assert found.output == "a"
    assert dead_channels({"a": BOXES}, {"a": LOST, "b": two}, {}) == ()
    assert dead_channels({"a": BOXES}, {"a": ranges((0, 0))}, {}) == ()


def test_rounding_is_no_change_and_neither_is_less_than_is_asked_for() -> None:
    constant = ranges((5, 5), (0, 320), (0.5, 0.5 + 1e-8))
    assert dead_channels({"y": constant}, {"y": ranges((5, 5), (0, 320), (0, 0))}, {}) == ()
    assert dead_channels({"y": BOXES}, {"y": LOST}, {"y": 1.0}) == ()
    assert dead_channels({"y": BOXES}, {"y": LOST}, {"y": 0.9, "z": 1.0})


def test_nan_is_neither_a_change_nor_constant() -> None:
    broken = ranges((np.nan, np.nan), (0, 320), (0, 0))
    assert dead_channels({"y": broken}, {"y": LOST}, {}) == ()
    assert dead_channels({"y": LOST}, {"y": broken}, {}) == ()


@pytest.mark.parametrize(
    ("others", "overshadowed"), [((0, 10.1), True), ((0, 10), False), (None, False)]
)
def test_what_shares_its_scale_with_much_larger_values(others: Any, overshadowed: bool) -> None:
    assert DeadChannels("y", (2,), (0, 1), others).overshadowed is overshadowed


def test_the_words() -> None:
    assert str(DeadChannels("y", (4,), (0, 0.984), None)) == (
        "channel 4 of output y varies in the model under test (0 to 0.984) and is constant in the "
        "file"
    )
    assert str(DeadChannels("y", (4, 5), (0, 1), None)).startswith("channels 4-5 of output y vary ")


def test_steps_of_outputs_also_of_those_that_an_operator_dequantises() -> None:
    held = TensorInfo("held", (1, 2), "int8", scales=(0.25,))
    real, plain = TensorInfo("real", (1, 2), "float32"), TensorInfo("plain", (1, 2), "float32")
    operators = (
        OperatorInfo(0, "CONV", (held,), (held,)),
        OperatorInfo(1, "DEQUANTIZE", (held,), (real,), border=True),
        OperatorInfo(2, "SOFTMAX", (held,), (plain,)),
    )
    described = ModelDescription((), (held, real, plain), operators, 0, 0)
    assert output_steps(described) == (0.25, 0.25, 0)
