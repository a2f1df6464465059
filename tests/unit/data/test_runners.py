"""Blocks of samples, and runners around a file that quantises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.data.runners import (
    Block,
    FloatRunner,
    QuantisingRunner,
    check_per_sample,
    joined,
)
from pytest_edgegate.data.splits import Array

X = np.arange(10, dtype=np.float32).reshape(5, 2)
STEPS = TensorInfo("x", (-1, 2), "uint8", scales=(0.5,), zero_points=(10,))
OUTPUT = TensorInfo("y", (-1, 2), "float32")


class TwoStepsUp(QuantisingRunner):
    """Gives the integers that it takes, two steps higher."""

    def __init__(self) -> None:
        self.inputs, self.outputs = (STEPS,), (STEPS,)
        self.closed = False

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        assert batch[0].dtype == np.uint8
        return (batch[0] + np.uint8(2),)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return lambda: self.repeated(sample, 3)

    def close(self) -> None:
        self.closed = True


class Halving(FloatRunner):
    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return (batch[0] / 2,)


def test_a_block_is_a_part_of_the_batch() -> None:
    block = Block.of((X, X + 1), 1, 3)
    assert (len(block), block.count) == (3, 3)
    np.testing.assert_array_equal(block.arrays[1], X[1:4] + 1)


@pytest.mark.parametrize(("size", "least", "length"), [(4, 4, 4), (1, 4, 4), (4, -1, 1)])
def test_a_block_is_filled_up_with_its_last_sample(size: int, least: int, length: int) -> None:
    block = Block.of((X,), 4, size, least)
    assert (len(block), block.count) == (length, 1)
    np.testing.assert_array_equal(block.arrays[0], np.repeat(X[4:], length, axis=0))


def test_a_whole_block_is_not_copied() -> None:
    assert np.shares_memory(Block.of((X,), 0, 5, 5).arrays[0], X)


def test_outputs_of_blocks_are_joined_in_their_order() -> None:
    parts = [(X[:3], X[:3] * 2), (X[3:], X[3:] * 2)]
    one, other = joined(parts)
    np.testing.assert_array_equal(one, X)
    np.testing.assert_array_equal(other, X * 2)
    assert joined([(X,)])[0] is X


@pytest.mark.parametrize("made", [X[:4], np.float32(1)], ids=["fewer", "scalar"])
def test_an_output_without_a_result_for_each_sample_is_refused(made: Array) -> None:
    check_per_sample(Path("m.net"), (OUTPUT,), [X], 5, "again")
    with pytest.raises(InferenceError, match=r"m\.net: the output 'y' has shape") as raised:
        check_per_sample(Path("m.net"), (OUTPUT,), [np.asarray(made)], 5, "again")
    assert raised.value.remedy == "again"


def test_real_values_are_quantised_on_their_way_in_and_out() -> None:
    with TwoStepsUp() as runner:
        (made,) = runner.infer((X,))
    assert runner.closed
    np.testing.assert_array_equal(made, X + 1)  # two steps of 0.5
    assert made.dtype == np.float32


def test_one_sample_is_repeated_for_a_fixed_batch() -> None:
    (fed,) = TwoStepsUp().repeated((X[1:2],), 3)
    np.testing.assert_array_equal(fed, np.repeat(X[1:2] / 0.5 + 10, 3, axis=0).astype(np.uint8))
    assert fed.dtype == np.uint8


def test_a_float_runner_has_one_kind_of_values() -> None:
    runner = Halving()
    np.testing.assert_array_equal(runner.infer_raw((X,))[0], X / 2)
    np.testing.assert_array_equal(runner.once((X[:1],))()[0], X[:1] / 2)  # type: ignore[index]
