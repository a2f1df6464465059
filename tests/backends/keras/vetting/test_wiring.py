"""Layers that can't be put together are told; those that can pass, in the forms of both Keras."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_edgegate.backends.keras.vetting.wiring import stuck


def _model(keras: Any, *, sequential: bool) -> Any:
    """A shared layer, and a model that is called twice, at different depths."""
    x = keras.Input((4,))
    if sequential:
        inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    else:
        y = keras.Input((4,))
        inner = keras.Model(y, keras.layers.Dense(4)(y))
    shared = keras.layers.Dense(4)
    first = inner(shared(x))
    second = inner(keras.layers.ReLU()(shared(first)))
    third = keras.layers.Add()([shared(second), first])
    return keras.Model(x, [third, inner(third)])


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_layers_that_keras_put_together_pass(name: str, sequential: bool) -> None:
    config = json.loads(_model(pytest.importorskip(name), sequential=sequential).to_json())
    assert stuck(config["config"]) == ""


def old(*layers: tuple[str, list[Any]]) -> dict[str, Any]:
    made = [{"class_name": "Dense", "name": name, "inbound_nodes": nodes} for name, nodes in layers]
    return {"layers": [{"class_name": "InputLayer", "name": "in", "inbound_nodes": []}, *made]}


def new(name: str, at: int = 0) -> dict[str, Any]:
    history = {"shape": [1], "keras_history": [name, at, 0]}
    return {"args": [{"class_name": "__keras_tensor__", "config": history}], "kwargs": {}}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (old(("a", [[["in", 0, 0, {}]]]), ("b", [[["a", 0, 0, {}]]])), ""),
        (old(("a", [["in", 0, 0, {"y": ["b", 0, 0]}]]), ("b", [[["in", 5, 0, {}]]])), ""),
        (old(("a", [[["a", 0, 0, {}]]])), "a"),
        (old(("a", [[["b", 0, 0, {}]]]), ("b", [[["a", 0, 0, {}]]])), "a"),
        (old(("a", [[["in", 0, 0, {}]]]), ("b", [[["a", 1, 0, {}]]])), "b"),
        (old(("a", [[["in", 0, 0, {}]]]), ("b", [[["a", -2, 0, {}]]])), "b"),
        (old(("a", [["in", 0, 0, {"y": ["b", 0, 0]}]]), ("b", [[["a", 0, 0, {}]]])), "a"),
        (old(("a", [new("in")]), ("b", [new("a")])), ""),
        (old(("a", [new("b")]), ("b", [new("a")])), "a"),
        (old(("a", [new("in")]), ("b", [new("a", 128)])), "b"),
        (old(("a", [[["in", 0, 0, {}]]]), ("b", [[["a", float("inf"), 0, {}]]])), "b"),
        (old(("a", [["in", 0, 0, {"words": ["x", "y", "z"]}]])), ""),
        (old(("a", []), ("b", [[["a", 0, 0, {}]]])), "b"),
        (old(("a", [[["unheard", 0, 0, {}]]])), ""),
        ({"layers": [3, None, {}, {"name": "a", "inbound_nodes": 3}]}, ""),
        ({"layers": [{"name": ["a"], "inbound_nodes": [[["['a']", 0, 0]]]}]}, "['a']"),
    ],
)  # fmt: skip
def test_a_layer_that_waits_for_ever_is_named(config: Any, name: str) -> None:
    assert stuck(config) == name
    assert stuck({"layers": [{"name": "inner", "config": config}]}) == name
