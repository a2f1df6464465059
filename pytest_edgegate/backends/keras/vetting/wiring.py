"""Whether the layers of a saved model can be put together at all.

Keras tries a layer again and again until those that it takes from are there, and never ends where
one of them will never be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

_MODELS = ("Functional", "Model", "Sequential")
"""Layers that are models: the first call of one in another has the number 1."""
_NEVER = -1
Call = tuple[str, int]
"""A layer by its name, and which of its calls."""


def stuck(part: Any) -> str:
    """The name of a layer that waits for what never comes, in a model or one inside; or nothing."""
    if isinstance(part, list):
        return next(filter(None, map(stuck, part)), "")
    if not isinstance(part, Mapping):
        return ""
    own = _stuck(part) if isinstance(part.get("layers"), list) else ""
    return own or next(filter(None, map(stuck, part.values())), "")


def _stuck(config: Mapping[str, Any]) -> str:
    layers = {str(_name(each)): each for each in config["layers"] if _is_layer(each)}
    waiting: dict[Call, set[Call]] = {}
    for name, each in layers.items():
        for at, node in enumerate(_nodes(each)):
            calls = (_resolved(*wanted, layers) for wanted in _taken(node))
            waiting[name, at] = {call for call in calls if call is not None}
            if any(of == _NEVER for _, of in waiting[name, at]):
                return name
    try:
        list(TopologicalSorter(waiting).static_order())
    except CycleError as error:
        name, _ = min(error.args[1])
        return str(name)
    return ""


def _resolved(name: str, at: int, layers: Mapping[str, Mapping[str, Any]]) -> Call | None:
    """The call that a reference means: None for an input, _NEVER for one that does not come."""
    layer = layers.get(name)
    if layer is None or layer.get("class_name") == "InputLayer":
        return None
    count = len(_nodes(layer))
    if layer.get("class_name") in _MODELS:
        if not count:
            return None
        at -= at > 0
    return (name, at) if 0 <= at < count else (name, _NEVER)


def _is_layer(layer: Any) -> bool:
    return isinstance(layer, Mapping) and _name(layer) is not None


def _name(layer: Mapping[str, Any]) -> Any:
    config = layer.get("config")
    return layer.get("name") or (config.get("name") if isinstance(config, Mapping) else None)


def _nodes(layer: Mapping[str, Any]) -> Sequence[Any]:
    nodes = layer.get("inbound_nodes")
    return nodes if isinstance(nodes, list) else ()


def _taken(node: Any) -> Iterator[Call]:
    """The calls that a node takes tensors of, in the forms of both Keras."""
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
