"""Groups of channels whose values range alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.measures.like_channels import (
    MOST,
    ChannelSums,
    figures,
    key,
    rows_key,
    spell_channels,
    unlike_groups,
    varies,
)

Array = npt.NDArray[Any]


def groups(x: Array, batches: int = 1) -> tuple[tuple[int, ...], ...]:
    sums = ChannelSums(0)
    parts = [sums.of(each, each) for each in np.array_split(x.astype(np.float64), batches)]
    return unlike_groups({name: np.concatenate([p[name] for p in parts]) for name in parts[0]}, 0)


def channels(*spreads: float, mean: float = 0, rows: tuple[int, ...] = (7,)) -> Array:
    """Channels with exactly these standard deviations, whatever the number of samples."""
    signs = np.where(np.arange(20 * int(np.prod(rows))) % 2, 1.0, -1.0).reshape(20, *rows, 1)
    return np.asarray(signs * np.array(spreads) + mean)


@pytest.mark.parametrize(
    ("spreads", "expected"),
    [
        ((80, 0.3, 90, 0.4), ((1, 3), (0, 2))),
        ((1, 10), ()),
        ((1, 10.1), ((0,), (1,))),
        ((1, 5, 25, 11, 250), ((0, 1), (2, 3), (4,))),  # by the smallest of the group, not the last
        ((9, 3), ()),
    ],
)
def test_a_group_begins_above_ten_times_the_smallest_of_the_last(
    spreads: Any, expected: Any
) -> None:
    assert groups(channels(*spreads)) == expected


@pytest.mark.parametrize("rows", [(), (1,), (3, 4)])
def test_channels_are_those_of_the_last_axis_in_any_number_of_batches(rows: Any) -> None:
    x = channels(80, 0.3, rows=rows)
    assert groups(x) == groups(x, 7) == ((1,), (0,))


def test_a_channel_that_drifts_from_batch_to_batch_has_the_spread_of_the_whole_pass() -> None:
    steady = np.where(np.arange(20) % 2, 1.0, -1.0)
    x = np.stack([2.1 * np.arange(20), steady], axis=1)  # a deviation of 12 beside one of 1
    assert groups(x) == groups(x, 7) == ((1,), (0,))


def test_a_large_mean_hides_no_spread_and_invents_none() -> None:
    assert groups(channels(1e-5, 1e-1, mean=300)) == ()  # below what float32 resolves beside 300
    assert groups(channels(1e-1, 10, mean=3000)) == ((0,), (1,))
    assert groups(channels(3, 9, mean=1e6)) == ()


def test_constant_channels_are_left_out() -> None:
    x = channels(80, 70, 0.3)
    x[..., 2] = 0.1
    assert groups(x) == ()
    x[..., 2] += 1e-8 * np.sign(x[..., 0])  # rounding
    assert groups(x) == ()
    x[..., 1] = 0.4 * np.sign(x[..., 0])
    assert groups(x) == ((1,), (0,))


def test_rows_that_sum_to_1_are_one_group() -> None:
    rare = np.tile([[0.6, 0.3997, 0.0003], [0.4, 0.5999, 0.0001]], (5, 1))
    assert groups(rare) == ()
    assert groups(rare * 1.001) == ()
    assert groups(rare * 1.1) == ((2,), (0, 1))


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, MOST + 1), (5, 0, 3)])
def test_outputs_without_channels_of_their_own(shape: tuple[int, ...]) -> None:
    assert ChannelSums(0).of(np.ones(shape), np.ones(shape)) == {}
    assert unlike_groups({}, 0) == ()


@pytest.mark.parametrize(
    "arrays",
    [
        {rows_key(0): np.ones(2, int)},
        {key(0): np.ones((2, 6))},
        {key(0): np.ones((2, 5, 3))},
    ],
)
def test_sums_of_another_shape_are_refused(arrays: dict[str, Array]) -> None:
    with pytest.raises(ValueError, match="malformed"):
        figures(arrays, 0)
    assert figures(arrays, 1) == {}


def test_what_varies() -> None:
    low = np.array([0, 0.5, 0.5, 0, -1])
    high = np.array([0, 0.5 + 4e-7, 0.6, 1e-8, 1])
    assert varies(low, high).tolist() == [False, False, True, False, True]


def test_channels_are_spelt_in_spans() -> None:
    assert spell_channels([4]) == "channel 4"
    assert spell_channels([0, 1, 2, 3]) == "channels 0-3"
    assert spell_channels([0, 2, 3, 9]) == "channels 0, 2-3, 9"
    assert spell_channels(range(0, 40, 2)).endswith(", 12, 14 and 12 more")
