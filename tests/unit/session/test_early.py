"""How an early pass draws its samples."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.data.splits import ArraySplit
from pytest_edgegate.session.measuring.early import _chunks, _sample_bytes


@pytest.mark.parametrize(
    ("bytes_a_sample", "largest"), [(4, 2_048), (224 * 224 * 3 * 4, 111), (1 << 30, 1)]
)
def test_chunks_grow_up_to_a_number_of_samples_and_of_bytes(
    bytes_a_sample: int, largest: int
) -> None:
    order = np.random.default_rng(0).permutation(30_000)
    chunks = [each for _, each in _chunks(order, bytes_a_sample)]
    assert max(map(len, chunks)) == largest
    np.testing.assert_array_equal(np.concatenate(chunks), order)


def test_the_bytes_of_a_sample_are_those_of_all_its_inputs() -> None:
    inputs = (np.zeros((5, 3, 2), np.float32), np.zeros((5, 4), np.uint8))
    assert _sample_bytes(ArraySplit("evaluation", inputs, None, None)) == 28
