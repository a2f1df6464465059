"""Rebuilds the layers of an exported program from its operators."""

from __future__ import annotations

import copy
from typing import Any

from pytest_edgegate.backends.torch.layer_kinds import Bound, builders

_TENSORS = ("weight", "bias", "running_mean", "running_var")
_DATA = ("input", "indices", "self")
"""The names of a layer's input in the schemas of torch's operators."""


class Layers:
    """Makes them, each with copies of the tensors that the *unlifted* program reads."""

    def __init__(self, torch: Any, unlifted: Any) -> None:
        self._torch = torch
        self._unlifted = unlifted
        self._builders = builders(torch)
        self._copies: dict[int, Any] = {}
        self._layers: dict[str, Any] = {}
        self._paths: dict[str, str] = {}
        self._prefix = _common_prefix([name for name, _ in unlifted.named_parameters()])

    def path_of(self, node: Any) -> str | None:
        """The path of the layer that performs the call of *node*; None if no layer does.

        The same weights in the same operation are the same layer.
        """
        build = self._builders.get(node.target) if node.op == "call_function" else None
        bound = {} if build is None else _bound(node)
        if build is None or _learns(bound) or not _known(bound):
            return None
        same = f"{node.target} { {name: bound[name] for name in bound if name not in _DATA} }"
        if "weight" in bound and same in self._paths:
            return self._paths[same]
        layer = build(self._torch.nn, bound)
        if layer is None:
            return None
        self._fill(layer, bound)
        path = self._free_path(node, bound)
        self._layers[path] = layer.eval()
        self._paths[same] = path
        return path

    def attributes(self, graph: Any) -> dict[str, Any]:
        """The attributes for a GraphModule of the *graph*: layers, and tensors that it reads."""
        read = {}
        for node in graph.nodes:
            if node.op == "get_attr":
                value = self._copy(node.target)
                node.target = self._short(node.target)
                read[node.target] = value
        return {**read, **self._layers}

    def _fill(self, layer: Any, bound: Bound) -> None:
        """Puts the program's tensors into a layer that was made without memory."""
        for name in _TENSORS:
            if bound.get(name) is None:
                continue
            value = self._copy(bound[name].target)
            if name in layer._parameters and not isinstance(value, self._torch.nn.Parameter):
                value = self._torch.nn.Parameter(value, requires_grad=False)
            setattr(layer, name, value)
        if getattr(layer, "num_batches_tracked", None) is not None:
            layer.num_batches_tracked = self._torch.zeros((), dtype=self._torch.int64)

    def _copy(self, path: str) -> Any:
        """A copy of what is at *path*; what is there under several names stays one."""
        value = self._unlifted
        for part in path.split("."):
            value = getattr(value, part)
        if id(value) not in self._copies:
            self._copies[id(value)] = copy.deepcopy(value)
        return self._copies[id(value)]

    def _short(self, path: str) -> str:
        return path.removeprefix(self._prefix)

    def _free_path(self, node: Any, bound: Bound) -> str:
        """``conv`` for a layer whose weight is ``conv.weight``; no layer is inside another."""
        first = bound.get("weight") or bound.get("running_mean")
        owner, _, name = self._short(getattr(first, "target", "")).rpartition(".")
        wanted = f"{owner}.{name}_layer".strip(".") if name else str(node.name)
        if owner and name in _TENSORS:
            wanted = owner
        path, count = wanted, 1
        while path in self._layers:
            path, count = f"{wanted}_{count}", count + 1
        return path


def _common_prefix(paths: list[str]) -> str:
    """``model.`` as often as all paths begin with it: each export has wrapped the model once."""
    prefix = ""
    while paths and all(path.startswith(f"{prefix}model.") for path in paths):
        prefix += "model."
    return prefix


def _bound(node: Any) -> Bound:
    """The arguments of a call by name, with the defaults of those that it leaves out."""
    return {
        each.name: node.args[at]
        if at < len(node.args)
        else node.kwargs.get(each.name, each.default_value)
        for at, each in enumerate(node.target._schema.arguments)
    }


def _learns(bound: Bound) -> bool:
    """Whether it was exported in training mode, and is to stay in it."""
    return bool(bound.get("training") or bound.get("train") or bound.get("use_input_stats"))


def _known(bound: Bound) -> bool:
    """Whether all that a layer keeps is known: plain numbers, and tensors that are kept."""
    kept = [value for name, value in bound.items() if name not in _DATA]
    nodes = [
        each
        for value in kept
        for each in (value if isinstance(value, list | tuple) else (value,))
        if hasattr(each, "op")
    ]
    return all(each.op == "get_attr" for each in nodes)
