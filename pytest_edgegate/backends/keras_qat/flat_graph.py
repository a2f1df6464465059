"""A model of Keras 3 or tf-keras as one flat list of calls, with nested models inlined.

It is read from the model's own configuration, so that no framework is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel
from pytest_edgegate.data.splits import Array

_TENSOR = "__keras_tensor__"
_ARRAY = "__numpy__"
_OPERATIONS = ("keras.src.ops", "keras.src.activations")
"""The modules of what is no layer: operations on tensors, some of them activations."""
HARD_SIGMOID_OF_KERAS_2 = "hard_sigmoid_of_keras_2"
"""The name here of the one activation that Keras 2 computes otherwise than Keras 3."""
_Key = tuple[str, int, int]
"""The layer that made a tensor, which of its calls, which of its outputs."""


@dataclass(frozen=True)
class FlatLayer:
    """A layer with its weights. ``path`` is its name behind those of the models around it.

    The ``config`` of an operation has as ``constants`` what it takes beside tensors: pairs of a
    position among its arguments and a value.
    """

    path: str
    kind: str
    config: Mapping[str, Any]
    weights: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Call:
    """A call of a layer on the outputs of earlier calls, by their numbers.

    ``listed``: it takes them as a list, not as one tensor.
    """

    layer: str
    inputs: tuple[int, ...] = ()
    listed: bool = False


@dataclass
class FlatGraph:
    """Calls in an order in which they can be made; a call is known by its place in it."""

    layers: dict[str, FlatLayer] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    outputs: tuple[int, ...] = ()

    def add(self, layer: FlatLayer, inputs: Sequence[int] = (), *, listed: bool = False) -> int:
        """The number of a new call."""
        self.layers.setdefault(layer.path, layer)
        self.calls.append(Call(layer.path, tuple(inputs), listed))
        return len(self.calls) - 1


def flat_graph(loaded: LoadedModel) -> FlatGraph:
    """The graph of a model of Keras 3 or tf-keras, its inputs the first calls.

    Raises UnsupportedError for calls that pass more than tensors.
    """
    graph = FlatGraph()
    given = [
        graph.add(FlatLayer(each.name, "InputLayer", {"shape": list(each.shape[1:])}))
        for each in loaded.inputs
    ]
    model = loaded.framework_model
    config = json.loads(model.to_json())["config"]
    graph.outputs = tuple(_Flattening(graph).model(model, config, given, ""))
    return graph


class _Flattening:
    """Adds models to a graph, each with its inputs given and its outputs returned."""

    def __init__(self, graph: FlatGraph) -> None:
        self._graph = graph

    def model(
        self, model: Any, config: Mapping[str, Any], given: list[int], path: str
    ) -> list[int]:
        if "input_layers" in config:
            return self._functional(model, config, given, path)
        for layer in config["layers"]:
            if layer["class_name"] != "InputLayer":
                given = self._called(model, layer, _Arguments(given, False), path)
        return given

    def _functional(
        self, model: Any, config: Mapping[str, Any], given: list[int], path: str
    ) -> list[int]:
        known = dict(zip(_keys(config["input_layers"]), given, strict=True))
        waiting = [
            (layer, number, node)
            for layer in config["layers"]
            for number, node in enumerate(layer["inbound_nodes"])
        ]
        while waiting:
            left = []
            for layer, number, node in waiting:
                taken = _arguments(node, f"{path}{_name(layer)}", _kind(layer))
                if not all(key in known for key in taken.keys):
                    left.append((layer, number, node))
                    continue
                calls = [known[key] for key in taken.keys]
                arguments = _Arguments(calls, taken.listed, number, taken.constants)
                made = self._called(model, layer, arguments, path)
                first = _first_call(model, layer)
                known |= {(_name(layer), number + first, at): each for at, each in enumerate(made)}
            assert len(left) < len(waiting), "a graph of Keras has no cycles"
            waiting = left
        return [known[key] for key in _keys(config["output_layers"])]

    def _called(
        self, model: Any, layer: Mapping[str, Any], arguments: _Arguments, path: str
    ) -> list[int]:
        name, kind, config = _name(layer), _kind(layer), layer["config"]
        if "layers" in config:
            return self.model(model.get_layer(name), config, arguments.calls, f"{path}{name}/")
        if kind.startswith("ops."):  # its constants are those of one call
            name = f"{name}:{arguments.number}" if arguments.number else name
            flat = FlatLayer(f"{path}{name}", kind, {**config, "constants": arguments.constants})
        else:
            weights = tuple(model.get_layer(name).get_weights())
            flat = FlatLayer(f"{path}{name}", kind, _of_keras_3(model, config), weights)
        return [self._graph.add(flat, arguments.calls, listed=arguments.listed)]


_Constants = list[tuple[int, Any]]


@dataclass(frozen=True)
class _Arguments:
    calls: list[int]
    listed: bool
    number: int = 0
    constants: _Constants = field(default_factory=list)


@dataclass(frozen=True)
class _Taken:
    """What a call takes: tensors, whether as a list, and constants."""

    keys: list[_Key]
    listed: bool
    constants: _Constants = field(default_factory=list)


def _name(layer: Mapping[str, Any]) -> str:
    return str(layer["config"].get("name") or layer["name"])


def _kind(layer: Mapping[str, Any]) -> str:
    """The name of the layer's class; ``ops.Add`` of an operation on tensors."""
    operation = any(each in (layer.get("module") or "") for each in _OPERATIONS)
    return f"{'ops.' if operation else ''}{layer['class_name']}"


def _first_call(model: Any, layer: Mapping[str, Any]) -> int:
    """The number of a layer's first call. A functional model was called once, when it was made."""
    if "layers" not in layer["config"]:
        return 0
    bases = type(model.get_layer(_name(layer))).__mro__
    return int(any(each.__name__ == "Functional" for each in bases))


def _of_keras_3(model: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of a layer, with the activation that Keras 2 computes otherwise by its
    own name."""
    old = any(each.__module__.startswith("tf_keras") for each in type(model).__mro__)
    if old and config.get("activation") == "hard_sigmoid":
        return {**config, "activation": HARD_SIGMOID_OF_KERAS_2}
    return config


def _arguments(node: Any, path: str, kind: str) -> _Taken:
    if not isinstance(node, Mapping):
        return _old_arguments(node, path, kind)
    more = {
        key
        for key, value in node["kwargs"].items()
        if key not in ("training", "mask") or list(_tensors(value))
    }
    keys = list(_tensors(node["args"]))
    constants = _constants(node["args"]) if kind.startswith("ops.") else []
    if more or len(keys) + len(constants) != len(list(_leaves(node["args"]))):
        raise _refused_call(path, kind)
    return _Taken(keys, len(keys) > 1 or isinstance(node["args"][0], list), constants)


def _old_arguments(node: Any, path: str, kind: str) -> _Taken:
    """The same in the configuration of tf-keras: [name, call, output, other arguments]."""
    entries = [node] if node and isinstance(node[0], str) else list(node)
    if any(len(each) > 3 and each[3] for each in entries):
        raise _refused_call(path, kind)
    return _Taken([(each[0], each[1], each[2]) for each in entries], len(entries) > 1)


def _constants(arguments: list[Any]) -> _Constants:
    """The numbers and arrays among the arguments of an operation, with their positions."""
    found: _Constants = []
    for at, each in enumerate(arguments):
        if isinstance(each, Mapping) and each.get("class_name") == _ARRAY:
            found.append((at, each["config"]["value"]))
        elif isinstance(each, int | float) and not isinstance(each, bool):
            found.append((at, each))
    return found


def _tensors(value: Any) -> Iterator[_Key]:
    for each in _leaves(value):
        if isinstance(each, Mapping) and each.get("class_name") == _TENSOR:
            name, call, output = each["config"]["keras_history"]
            yield (name, call, output)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def _keys(tensors: Any) -> list[_Key]:
    """The tensors of inputs or outputs in TensorFlow's order: a dictionary by its sorted keys."""
    if isinstance(tensors, Mapping):
        return [key for name in sorted(tensors) for key in _keys(tensors[name])]
    if tensors and isinstance(tensors[0], str):
        return [(tensors[0], tensors[1], tensors[2])]
    return [key for each in tensors for key in _keys(each)]


def _refused_call(path: str, kind: str) -> UnsupportedError:
    return UnsupportedError(
        f"the layer {path!r} ({kind.replace('ops.', 'keras.ops.')}) is called with more than "
        "tensors, which quantisation-aware training of Keras models can't carry over",
        "call it with its inputs alone, or use PTQ()",
    )


def as_message(graph: FlatGraph) -> tuple[Array, ...]:
    """The graph for another process: its JSON as bytes, which may be long, and its weights."""
    layers = [
        [each.path, each.kind, dict(each.config), len(each.weights)]
        for each in graph.layers.values()
    ]
    calls = [[each.layer, list(each.inputs), each.listed] for each in graph.calls]
    weights = tuple(array for each in graph.layers.values() for array in each.weights)
    described = {"layers": layers, "calls": calls, "outputs": list(graph.outputs)}
    return (np.frombuffer(json.dumps(described).encode(), np.uint8), *weights)


def graph_from(arrays: Sequence[Array]) -> FlatGraph:
    """The inverse of ``as_message``."""
    fields, left = json.loads(arrays[0].tobytes()), list(arrays[1:])
    graph = FlatGraph(outputs=tuple(fields["outputs"]))
    for path, kind, config, count in fields["layers"]:
        graph.layers[path] = FlatLayer(path, kind, config, tuple(left[:count]))
        left = left[count:]
    graph.calls = [Call(path, tuple(inputs), listed) for path, inputs, listed in fields["calls"]]
    return graph
