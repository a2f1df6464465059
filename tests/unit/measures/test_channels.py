"""The ranges of the channels of outputs."""

from __future__ import annotations

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.measures.channels import MOST_CHANNELS, ON_AXIS_1, ChannelRanges


def test_channels_are_those_of_the_last_axis_over_all_batches() -> None:
    ranges = ChannelRanges(
        [TensorInfo("serving_default_a:0", (), "float32"), TensorInfo("b", (), "int8")]
    )
    ranges.add((np.array([[[0.0, 5.0]], [[2.0, 5.0]]]), np.array([3, 1], np.int8)))
    ranges.add((np.array([[[-1.0, 5.0]]]), np.array([2], np.int8)))
    assert ranges.found["a"].tolist() == [[-1.0, 5.0], [2.0, 5.0]]
    assert ranges.found["b"].tolist() == [[1.0], [3.0]]


def test_outputs_whose_names_differ_by_their_number_only_keep_it() -> None:
    ranges = ChannelRanges([TensorInfo(f"y:{at}", (), "float32") for at in range(2)])
    ranges.add((np.zeros((1, 2)), np.ones((1, 2))))
    assert sorted(ranges.found) == ["y:0", "y:1"]


def test_flat_outputs_have_no_channels() -> None:
    ranges = ChannelRanges([TensorInfo(name, (), "float32") for name in ("wide", "none", "text")])
    ranges.add((np.zeros((1, MOST_CHANNELS + 1)), np.zeros((0, 2)), np.array([["a"]])))
    assert ranges.found == {}


def test_the_shorter_axis_1_has_ranges_too() -> None:
    ranges = ChannelRanges([TensorInfo("y", (), "float32")])
    ranges.add((np.array([[[0.0, 3.0, 1.0], [7.0, 7.0, 7.0]]]),))
    assert ranges.found["y"].tolist() == [[0.0, 3.0, 1.0], [7.0, 7.0, 7.0]]
    assert ranges.found["y" + ON_AXIS_1].tolist() == [[0.0, 7.0], [3.0, 7.0]]
    square = ChannelRanges([TensorInfo("y", (), "float32")])
    square.add((np.zeros((1, 2, 2)),))
    assert list(square.found) == ["y"]


def test_channels_whose_number_changes_are_those_of_the_first_batch() -> None:
    ranges = ChannelRanges([TensorInfo("y", (), "float32")])
    ranges.add((np.zeros((1, 2)),))
    ranges.add((np.ones((1, 3)),))
    assert ranges.found["y"].tolist() == [[0.0, 0.0], [0.0, 0.0]]
