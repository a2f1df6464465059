"""Checks that the layers of a saved model can be connected.

Keras retries a layer until its inputs exist, and loops for ever if one of them never will.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pytest_edgegate.backends.keras.vetting.lists import Loader

_FUNCTIONAL = ("Functional", "Model")
_SEQUENTIAL = "Sequential"
_NEVER = -1
Call = tuple[str, int]
"""A layer by its name, and which of its calls."""


def stuck(part: Any, loader: Loader) -> str:
    """The name of a layer that waits for what never comes, in a model or one inside; or nothing."""
    if isinstance(part, list):
        return next(filter(None, (stuck(each, loader) for each in part)), "")
    if not isinstance(part, Mapping):
        return ""
    own = _stuck(part, loader) if isinstance(part.get("layers"), list) else ""
    return own or stuck(list(part.values()), loader)


def _stuck(config: Mapping[str, Any], loader: Loader) -> str:
    found = [(str(_name(each)), each) for each in config["layers"] if _is_layer(each)]
    layers = dict(found)
    if len(layers) != len(found):  # both wait, and only one of them is known by the name
        return next(name for name, each in found if layers[name] is not each)
    waiting: dict[Call, set[Call]] = {}
    for name, each in found:
        for at, node in enumerate(_nodes(each)):
            calls = (_resolved(*wanted, layers, loader) for wanted in _taken(node))
            waiting[name, at] = {call for call in calls if call is not None}
            if any(of == _NEVER for _, of in waiting[name, at]):
                return name
    try:
        list(TopologicalSorter(waiting).static_order())
    except CycleError as error:
        name, _ = min(error.args[1])
        return str(name)
    return ""


def _resolved(
    name: str, at: int, layers: Mapping[str, Mapping[str, Any]], loader: Loader
) -> Call | None:
    """The call that a reference means: None for an input, _NEVER for one that does not come."""
    layer = layers.get(name)
    if layer is None:
        return None
    if layer.get("class_name") == "InputLayer":
        return None if loader == "tf_keras" or at == 0 else (name, _NEVER)
    if loader == "tf_keras":
        at -= _has_a_call_of_its_own(layer)
    elif layer.get("class_name") in _FUNCTIONAL:
        at -= at > 0  # Keras 3 takes the last call for the one before the first
    return (name, at) if 0 <= at < len(_nodes(layer)) else (name, _NEVER)


def _has_a_call_of_its_own(layer: Mapping[str, Any]) -> bool:
    """Whether tf-keras counts the first call of a model in another one as its second.

    Every model that was built on an input has one that no configuration shows.
    """
    if layer.get("class_name") in _FUNCTIONAL:
        return True
    config = layer.get("config")
    if layer.get("class_name") != _SEQUENTIAL or not isinstance(config, Mapping):
        return False
    inner = config.get("layers")
    first = inner[0] if isinstance(inner, list) and inner else None
    if not isinstance(first, Mapping):
        return True
    config = first.get("config")
    shaped = isinstance(config, Mapping) and "batch_input_shape" in config
    return shaped or first.get("class_name") == "InputLayer"


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, Mapping) and _name(layer) is not None


def _name(layer: Mapping[str, Any]) -> Any:
    config = layer.get("config")
    return layer.get("name") or (config.get("name") if isinstance(config, Mapping) else None)


def _nodes(layer: Mapping[str, Any]) -> Sequence[Any]:
    nodes = layer.get("inbound_nodes")
    return nodes if isinstance(nodes, list) else ()


def _taken(node: Any) -> Iterator[Call]:
    """The calls that a node takes tensors of, in the formats of both Keras."""
    if isinstance(node, Mapping):
        config = node.get("config")
        if node.get("class_name") == "__keras_tensor__" and isinstance(config, Mapping):
            node = config.get("keras_history")
        else:
            for each in node.values():
                yield from _taken(each)
    if isinstance(node, list):
        if len(node) >= 3 and isinstance(node[0], str):
            yield node[0], node[1] if _is_number(node[1]) else _NEVER
        for each in node:
            yield from _taken(each)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
