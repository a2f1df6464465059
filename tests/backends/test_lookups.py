"""What is said of an index that a table has no row for."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.backends.lookups import beyond_table
from pytest_edgegate.core.description import TensorInfo

INPUTS = (TensorInfo("ids", (-1, 2), "int32"), TensorInfo("x", (-1, 1), "float32"))
BATCH = (np.array([[1, 2], [20, 3]], np.int32), np.zeros((2, 1), np.float32))


@pytest.mark.parametrize(
    ("said", "index", "rows"),
    [
        ("indices[1,0] = 20 is not in [0, 12)", "the index 20", "the 12 rows of the table"),
        ("gather index out of bounds", "an index", "the table"),
    ],
)
def test_a_range_is_said_to_be_that_of_one_batch(said: str, index: str, rows: str) -> None:
    found = beyond_table(RuntimeError(said), "m.tflite", INPUTS, BATCH)
    assert found is not None
    assert f"{index} outside {rows}" in found.message
    assert found.message.endswith("; the batch that it failed on has ids from 1 to 20")


def test_another_error_is_left_alone() -> None:
    assert beyond_table(RuntimeError("out of memory"), "m.tflite", INPUTS, BATCH) is None
