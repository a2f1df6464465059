"""A last activation that a file has and its model has not, or the other way."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.measures.activations import activation_between

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(0, 4, (64, 10))


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def in_steps(x: Array, steps: int = 256) -> Array:
    scale = (x.max() - x.min()) / (steps - 1)
    return np.asarray(np.rint(x / scale) * scale)


@pytest.mark.parametrize("change", [lambda x: x, in_steps])
@pytest.mark.parametrize(
    ("name", "function"), [("softmax", softmax), ("sigmoid", sigmoid), ("tanh", np.tanh)]
)
def test_removed_and_added(name: str, function: Any, change: Any) -> None:
    found = activation_between(function(LOGITS), change(LOGITS))
    assert found is not None
    assert (found.name, found.added, found.proven) == (name, False, True)
    assert found.same_highest > 0.9
    found = activation_between(LOGITS, change(function(LOGITS)))
    assert found is not None
    assert (found.name, found.added) == (name, True)


def test_a_softmax_twice() -> None:
    found = activation_between(softmax(LOGITS), softmax(softmax(LOGITS)))
    assert found is not None
    assert (found.name, found.added) == ("softmax", True)


def test_one_score_and_dense_scores() -> None:
    single = LOGITS[:, :1]
    found = activation_between(sigmoid(single), single)
    assert found is not None
    assert found.name == "sigmoid"
    assert np.isnan(found.same_highest)
    dense = RANDOM.normal(0, 4, (6, 8, 8, 5))
    found = activation_between(softmax(dense), dense)
    assert found is not None
    assert found.name == "softmax"


def test_logarithms() -> None:
    found = activation_between(softmax(LOGITS), np.log(softmax(LOGITS)))
    assert found is not None
    assert (found.name, found.added) == ("logarithm", True)


def test_rows_that_no_longer_sum_to_1_of_another_network() -> None:
    found = activation_between(softmax(LOGITS), RANDOM.normal(0, 4, (64, 10)))
    assert found is not None
    assert (found.name, found.added, found.proven) == ("softmax", False, False)
    found = activation_between(RANDOM.normal(0, 4, (64, 10)), softmax(LOGITS))
    assert found is not None
    assert (found.name, found.added, found.proven) == ("softmax", True, False)


@pytest.mark.parametrize(
    "other",
    [
        softmax(LOGITS),
        in_steps(softmax(LOGITS)),
        softmax(LOGITS + RANDOM.normal(0, 1, LOGITS.shape)),
        softmax(RANDOM.normal(0, 4, (64, 10))),
        softmax(LOGITS / 2),
    ],
)
def test_other_differences_are_none(other: Array) -> None:
    assert activation_between(softmax(LOGITS), other) is None
    assert activation_between(other, softmax(LOGITS)) is None


def test_differences_of_logits_are_none() -> None:
    assert activation_between(LOGITS, in_steps(LOGITS, 16)) is None
    assert activation_between(LOGITS, LOGITS * 3) is None
    assert activation_between(LOGITS, np.zeros_like(LOGITS)) is None
    assert activation_between(np.zeros((4, 3)), np.ones((4, 3))) is None
    assert activation_between(LOGITS, LOGITS[:, :5]) is None
    assert activation_between(LOGITS, LOGITS * np.nan) is None
    assert activation_between(np.arange(4), np.arange(4) + 1) is None
