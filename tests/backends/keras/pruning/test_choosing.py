"""Which filters go: their number, their importance against numpy, what is tied against scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pytest_edgegate.backends.keras.pruning.channels import Ledger
from pytest_edgegate.backends.keras.pruning.choosing import Cutback
from pytest_edgegate.backends.keras.pruning.pruned import prune

Array = npt.NDArray[Any]


@pytest.mark.parametrize(
    ("amount", "count", "left"),
    [
        (0.3, 10, 7),
        (0.3, 16, 12),
        (0.3, 3, 3),
        (0.29, 100, 71),
        (0.7, 10, 3),
        (0.99, 10, 1),
        (0.5, 1, 1),
        (0.1, 10, 9),
        (1e-9, 1000, 1000),
        (0, 8, 8),
    ],
)
def test_the_share_is_exact_and_never_more(amount: float, count: int, left: int) -> None:
    assert Cutback(amount).remaining(count) == left


@pytest.mark.parametrize(
    ("amount", "count", "multiple", "left"),
    [
        (0.3, 20, 8, 16),
        (0.5, 16, 8, 8),
        (0.3, 16, 8, 16),
        (0.3, 12, 8, 12),
        (0.9, 64, 8, 8),
        (0.3, 4, 8, 4),
        (0.5, 24, 4, 12),
    ],
)
def test_a_multiple_stays_or_all_do(amount: float, count: int, multiple: int, left: int) -> None:
    assert Cutback(amount, round_to=multiple).remaining(count) == left


@given(
    st.integers(1, 40).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(st.tuples(*[st.integers(0, count - 1)] * 2), max_size=60),
        )
    )
)
@settings(deadline=None)
def test_ties_are_those_of_a_graph(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = drawn
    ledger = Ledger()
    units = ledger.new(count)
    for one, other in pairs:
        ledger.tie(units[[one]], units[[other]])
    edges = np.array(pairs, int).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), tuple(edges.T)), shape=(count, count))
    _, expected = connected_components(graph, directed=False)
    root = ledger.bonds().root
    np.testing.assert_array_equal(root[:, None] == root, expected[:, None] == expected)


def _kernel(keras: Any, values: Array) -> Any:
    """A network whose first layer has the filters *values*, (weights, filters)."""
    first = keras.layers.Dense(values.shape[1], use_bias=False, name="first")
    model = keras.Sequential([keras.Input((len(values),)), first, keras.layers.Dense(2)])
    first.set_weights([values.astype(np.float32)])
    return model


FILTERS = np.array([[3.0, -0.1, 2.0, 0.0, 5.0], [0.0, -0.2, -1.9, 0.1, -5.0]])
"""Norms: L1 3, 0.3, 3.9, 0.1, 10; L2 3, 0.22, 2.76, 0.1, 7.07."""


@pytest.mark.parametrize(("importance", "left"), [("l1", [2, 4]), ("l2", [0, 4])])
def test_the_filters_of_the_least_norm_go(keras: Any, importance: str, left: list[int]) -> None:
    pruned = prune(_kernel(keras, FILTERS), Cutback(0.6, importance)).model
    np.testing.assert_array_equal(pruned.get_layer("first").kernel, FILTERS[:, left].astype("f4"))


def test_random_importance_is_drawn_by_the_seed(keras: Any) -> None:
    model = _kernel(keras, np.arange(80.0).reshape(2, 40))

    def left(seed: int) -> Array:
        pruned = prune(model, Cutback(0.5, "random", seed=seed)).model
        return np.asarray(pruned.get_layer("first").kernel)[0]

    np.testing.assert_array_equal(left(3), left(3))
    assert len({tuple(left(seed)) for seed in range(4)} | {tuple(range(20, 40))}) == 5


def test_what_lives_together_is_judged_together(keras: Any, check: Any) -> None:
    """The score of a channel is the sum over all layers whose filters make it."""
    layers = keras.layers
    image = keras.Input((5, 5, 2))
    x = layers.Conv2D(10, 3, padding="same", name="a")(image)
    x = layers.Add()([x, layers.Conv2D(10, 1, name="b")(x)])
    x = layers.DepthwiseConv2D(3, name="c")(layers.ReLU()(x))
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    pruned = check(model, Cutback(0.4)).model
    kernels = {name: np.asarray(model.get_layer(name).kernel) for name in "abc"}
    sums = np.abs(kernels["a"]).sum((0, 1, 2)) + np.abs(kernels["b"]).sum((0, 1, 2))
    sums += np.abs(kernels["c"]).sum((0, 1))[:, 0]
    left = np.sort(np.argsort(sums)[4:])
    np.testing.assert_array_equal(pruned.get_layer("a").kernel, kernels["a"][..., left])
    np.testing.assert_array_equal(pruned.get_layer("c").kernel, kernels["c"][:, :, left])
    np.testing.assert_array_equal(pruned.get_layer("b").kernel, kernels["b"][:, :, left][..., left])


def test_what_is_made_by_other_layers_is_judged_apart(keras: Any) -> None:
    """Each part of a concatenation loses its own share, whatever its norms."""
    layers = keras.layers
    given = keras.Input((4,))
    parts = [layers.Dense(10, name=name)(given) for name in ("a", "b")]
    both = layers.Add()([layers.Concatenate()(parts), layers.Dense(20, name="both")(given)])
    model = keras.Model(given, layers.Dense(2)(both))
    model.get_layer("a").kernel.assign(model.get_layer("a").kernel * 100.0)
    pruned = prune(model, Cutback(0.3))
    assert pruned.filters == {"a": (10, 7), "b": (10, 7), "both": (20, 14)}


def test_a_layer_with_no_multiple_to_come_down_to_is_told(keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(12, name="a"),
            layers.Dense(20, name="b"),
            layers.Dense(2, name="head"),
        ]
    )
    pruned = prune(model, Cutback(0.3, round_to=8))
    assert pruned.filters == {"b": (20, 16)}
    assert pruned.kept == {
        "a": "taking 0.3 of 12 filters to a multiple of 8 takes none",
        "head": "makes an output of the model",
    }


def test_random_numbers_of_the_process_stay_as_they_were(keras: Any) -> None:
    import random

    model = _kernel(keras, FILTERS)
    random.seed(0)
    expected = random.random()
    random.seed(0)
    prune(model, Cutback(0.6))
    assert random.random() == expected
