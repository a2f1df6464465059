"""A flat graph built as a model of tf-keras, which tensorflow-model-optimization trains."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_edgegate.backends.keras_qat.flat_graph import Call, FlatGraph
from pytest_edgegate.backends.keras_qat.own_layers import own_layers

_RENAMED = {"negative_slope": "alpha"}
"""Arguments of Keras 3 by their names in tf-keras, where that has no such argument."""


def build_twin(tf_keras: Any, graph: FlatGraph) -> Any:
    """The model, with the weights of the graph; its layers are named after their paths."""
    names = layer_names(graph)
    layers = {
        path: _layer(tf_keras, layer.kind, names[path], layer.config)
        for path, layer in graph.layers.items()
        if layer.kind != "InputLayer"
    }
    tensors: list[Any] = []
    inputs: list[Any] = []
    for call in graph.calls:
        if call.layer in layers:
            tensors.append(layers[call.layer](_given(call, tensors)))
            continue
        shape = graph.layers[call.layer].config["shape"]
        tensors.append(tf_keras.Input(tuple(shape), name=names[call.layer]))
        inputs.append(tensors[-1])
    for path, layer in layers.items():
        layer.set_weights(list(graph.layers[path].weights))
    return tf_keras.Model(inputs, [tensors[each] for each in graph.outputs])


def layer_names(graph: FlatGraph) -> dict[str, str]:
    """By its path: the name of each layer, of the characters that tf-keras takes."""
    names: dict[str, str] = {}
    for path in graph.layers:
        wanted = name = re.sub(r"[^A-Za-z0-9_.-]", "_", path)
        if not name[:1].isalnum():  # what a scope of TensorFlow begins with
            wanted = name = f"layer{name}"
        number = 1
        while name in names.values():
            number += 1
            name = f"{wanted}_{number}"
        names[path] = name
    return names


def _given(call: Call, tensors: Sequence[Any]) -> Any:
    given = [tensors[each] for each in call.inputs]
    return given if call.listed else given[0]


def _layer(tf_keras: Any, kind: str, name: str, config: Mapping[str, Any]) -> Any:
    """The layer by those arguments of its configuration that tf-keras knows.

    What it does not know (and how its weights began) makes no difference that the comparison of
    the two models' outputs would not show.
    """
    found: Any = own_layers(tf_keras).get(kind) or getattr(tf_keras.layers, kind)
    taken = _arguments(found)
    arguments = {"name": name}
    for key, value in config.items():
        known = key if key in taken else _RENAMED.get(key, key)
        if known in taken and known not in _OWN and not key.endswith("_initializer"):
            arguments[known] = _plain(value)
    return found.from_config(arguments)


_OWN = ("name", "dtype", "batch_input_shape", "input_shape")


def _arguments(kind: type) -> set[str]:
    found = {"trainable"}
    for each in kind.__mro__:
        if "__init__" in vars(each) and each is not object:
            found |= set(inspect.signature(each.__init__).parameters)  # type: ignore[misc]
    return found


def _plain(value: Any) -> Any:
    """A value of a configuration of Keras 3 as tf-keras writes it."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "function":
            return value["config"]
        if "class_name" in value and "config" in value:
            return {"class_name": value["class_name"], "config": _plain(value["config"])}
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
