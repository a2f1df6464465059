"""Layers that can't be put together are told; those that can pass, in the forms of both Keras."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.backends.keras.vetting.files import vet_hdf5
from pytest_edgegate.backends.keras.vetting.lists import Loader
from pytest_edgegate.backends.keras.vetting.wiring import stuck

LOADERS: tuple[Loader, ...] = ("keras", "tf_keras")


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
def test_layers_that_keras_put_together_pass(name: Any, sequential: bool) -> None:
    config = json.loads(_model(pytest.importorskip(name), sequential=sequential).to_json())
    assert stuck(config["config"], name) == ""


@pytest.mark.parametrize("shaped", [False, True])
def test_a_sequential_of_tf_keras_counts_from_its_input(shaped: bool) -> None:
    """One that was never told its input has no call of its own."""
    keras = pytest.importorskip("tf_keras")
    inner = keras.Sequential([keras.layers.Dense(4, **({"input_shape": (4,)} if shaped else {}))])
    x = keras.Input((4,))
    config = json.loads(keras.Model(x, keras.layers.ReLU()(inner(inner(x)))).to_json())
    assert stuck(config["config"], "tf_keras") == ""


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
        (old(("a", [["in", 0, 0, {"y": ["b", 0, 0]}]]), ("b", [[["in", 0, 0, {}]]])), ""),
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
)
def test_a_layer_that_waits_for_ever_is_named(config: Any, name: str) -> None:
    for loader in LOADERS:
        assert stuck(config, loader) == name
        assert stuck({"layers": [{"name": "inner", "config": config}]}, loader) == name


def nested(at: int, kind: str = "Functional", first: str = "InputLayer", **told: Any) -> Any:
    """A layer that takes from the only call of a model."""
    model = old(("inner", [[["in", 0, 0, {}]]]), ("b", [[["inner", at, 0, {}]]]))
    model["layers"][1] |= {
        "class_name": kind,
        "config": {"layers": [{"class_name": first, "name": "x", "config": told}]},
    }
    return model


@pytest.mark.parametrize(
    ("config", "keras", "tf_keras"),
    [
        (nested(0), "", "b"),
        (nested(1), "", ""),
        (nested(2), "b", "b"),
        (nested(0, "Sequential"), "", "b"),
        (nested(1, "Sequential"), "b", ""),
        (nested(0, "Sequential", "Dense"), "", ""),
        (nested(1, "Sequential", "Dense"), "b", "b"),
        (nested(1, "Sequential", "Dense", batch_input_shape=[None, 4]), "b", ""),
        (old(("a", [[["in", 5, 0, {}]]])), "a", ""),
    ],
)
def test_each_keras_counts_calls_in_its_own_way(config: Any, keras: str, tf_keras: str) -> None:
    assert stuck(config, "keras") == keras
    assert stuck(config, "tf_keras") == tf_keras


@pytest.mark.parametrize("loader", LOADERS)
def test_two_layers_of_one_name_wait_for_each_other(loader: Loader) -> None:
    config = old(("a", [[["b", 0, 0, {}]]]), ("a", [[["in", 0, 0, {}]]]), ("b", [[["a", 0, 0]]]))
    assert stuck(config, loader) == "a"


def test_a_file_goes_to_the_keras_that_can_put_it_together(tmp_path: Path) -> None:
    """Keras 3 counts the calls of a Sequential from 0."""
    keras = pytest.importorskip("tf_keras")
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    path = tmp_path / "model.h5"
    with warnings.catch_warnings(action="ignore"):  # that the format is old
        keras.Model(x, keras.layers.ReLU()(inner(x))).save(path)
    vetted = vet_hdf5(path)
    assert vetted.loaders == ("tf_keras",)
    assert vetted.note.endswith("waits for what never comes there")
