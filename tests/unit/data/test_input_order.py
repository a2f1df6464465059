"""Matching inputs by name, and when their order would be a guess."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.input_order import InputOrder, input_order, interchangeable


def inputs(*names: str, placed: bool = True, shape: tuple[int, ...] = (1, 4)) -> list[TensorInfo]:
    return [TensorInfo(name, shape, "float32", placed=placed) for name in names]


@pytest.mark.parametrize(
    ("file", "positions"),
    [
        (("serving_default_a:0", "serving_default_b:0", "c"), ()),
        (("c", "serving_default_a:0", "b"), (2, 0, 1)),
        (("serving_default_args_1:0", "args_2", "args_0"), (1, 2, 0)),
        (("args_0", "args_1", "args_3"), None),
        (("x", "y", "z"), None),
        (("a", "b"), None),
        (("a", "b", "b"), None),
    ],
)
def test_the_order_by_name(file: tuple[str, ...], positions: tuple[int, ...] | None) -> None:
    found = input_order(inputs("a", "b", "c"), inputs(*file))
    assert (None if found is None else found.positions) == positions


def test_the_names_of_a_signature_count_where_those_of_tensors_say_nothing() -> None:
    renamed = [
        TensorInfo(f"x{at}", (1, 4), "float32", argument=name) for at, name in enumerate("cab")
    ]
    found = input_order(inputs("a", "b", "c"), renamed)
    assert found is not None
    assert found.positions == (2, 0, 1)
    arrays = tuple(np.full((1, 4), at, np.float32) for at in range(3))
    fed = arrange(arrays, ("a", "b", "c"), renamed, "evaluation")
    assert [int(each[0, 0]) for each in fed] == [2, 0, 1]


def test_there_and_back() -> None:
    order = InputOrder((2, 0, 1))
    arrays = tuple(np.full(1, at) for at in range(3))
    assert [int(each[0]) for each in order.to_file(arrays)] == [2, 0, 1]
    file = tuple(inputs("c", "a", "b"))
    assert [each.name for each in order.of_model(file)] == ["a", "b", "c"]
    assert InputOrder().to_file(arrays) == arrays


def test_what_could_change_places_unnoticed() -> None:
    unplaced = inputs("a", "serving_default_b:0", placed=False)
    assert interchangeable(unplaced) == ("a", "b")
    assert interchangeable(inputs("a", "b")) is None
    assert interchangeable(unplaced[:1]) is None
    assert interchangeable([unplaced[0], *inputs("b", shape=(1, 5), placed=False)]) is None
    assert interchangeable([unplaced[0], *inputs("b", shape=(-1, -1), placed=False)]) is not None
