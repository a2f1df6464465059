"""A canonical order and naming of a graph, independent of the converter's.

tf2onnx names tensors by counters of the process and iterates over sets, so that converting the same
model twice gives different bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from pytest_edgegate.core.ports import LoadedModel


def name_as_model(graph: Any, inputs: Sequence[str], model: LoadedModel) -> None:
    """Makes *graph* canonical, its inputs and outputs in the order and under the names of *model*.

    *inputs* are the names that the converter gave the inputs, in the order of the model; outputs
    are in that order already.
    """
    outputs = [each.name for each in graph.output]
    names = {
        **dict(zip(inputs, (each.name for each in model.inputs), strict=True)),
        **dict(zip(outputs, model.outputs, strict=True)),
    }
    make_canonical(graph, inputs, names)


def make_canonical(graph: Any, inputs: Sequence[str], names: Mapping[str, str]) -> None:
    """Orders and renames all that is in *graph*, in its place.

    *inputs* are the tensors that the model takes, in the order that the file is to have; *names*
    are the new names of the tensors that keep one. Nodes follow from the outputs backwards and
    tensors are numbered as they come; what leads to no output is dropped.
    """
    by_name = {each.name: each for each in graph.input}
    given = _copies([by_name[name] for name in inputs])
    del graph.input[:]
    graph.input.extend(given)
    _renew(graph, _Numbered(names), "graph")


def _renew(graph: Any, numbered: _Numbered, name: str) -> None:
    """A graph, or the body of a loop, with the names of what is around it in *numbered*."""
    nodes = _copies(_from_outputs(graph))
    stored = {each.name: each for each in graph.initializer}
    numbered.add(each.name for each in graph.input)
    used: dict[str, Any] = {}
    for node in nodes:
        used |= {each: stored[each] for each in _read(node) if each in stored}
        numbered.add([*(each for each in _read(node) if each in stored), *node.output])
    used |= {each.name: stored[each.name] for each in graph.output if each.name in stored}
    weights = _copies(list(used.values()))
    for at, node in enumerate(nodes):
        node.name = f"{node.op_type}_{at}"
        if not node.domain:
            node.ClearField("domain")  # an empty text that is written takes bytes, too
        for body in _graphs(node):
            _settle_copies(body)
            _renew(body, numbered, "body")
        node.input[:] = [numbered[each] for each in node.input]
        node.output[:] = [numbered[each] for each in node.output]
    for each in (*graph.input, *weights, *graph.output):
        each.name = numbered[each.name]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)
    graph.name = name
    _name_sizes(graph)


def _settle_copies(body: Any) -> None:
    """If a body outputs a tensor and its copy, puts the tensor first: tf2onnx varies."""
    places = {each.name: each for each in reversed(body.output)}
    order = [each.name for each in body.output]
    for node in body.node:
        if node.op_type == "Identity" and {node.input[0], node.output[0]} <= places.keys():
            one, other = node.input[0], node.output[0]
            if order.index(other) < order.index(one):
                places[one].name, places[other].name = other, one


def _name_sizes(graph: Any) -> None:
    """Free sizes are called after their place: the batch is the first dimension."""
    for each in (*graph.input, *graph.output):
        for at, size in enumerate(each.type.tensor_type.shape.dim):
            if size.dim_param:
                size.dim_param = "batch" if at == 0 else f"size_{at}"


class _Numbered:
    """New names by old ones; a name that was never added stays as it is."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {"": "", **names}
        self._taken = set(self._names.values())
        self._numbers = count()

    def __getitem__(self, name: str) -> str:
        return self._names.get(name, name)

    def add(self, names: Iterator[str] | Sequence[str]) -> None:
        for name in names:
            if name not in self._names:
                free = (f"t{at}" for at in self._numbers)
                self._names[name] = next(each for each in free if each not in self._taken)


def _from_outputs(graph: Any) -> list[Any]:
    """The nodes that the outputs need, each after those that it reads from."""
    producer = {name: at for at, node in enumerate(graph.node) for name in node.output if name}
    ordered: list[Any] = []
    done: set[int] = set()
    waiting = [
        (producer[each.name], False) for each in reversed(graph.output) if each.name in producer
    ]
    while waiting:
        at, ready = waiting.pop()
        if at in done:
            continue
        node = graph.node[at]
        if ready:
            done.add(at)
            ordered.append(node)
            continue
        waiting.append((at, True))
        needed = [producer[name] for name in _read(node) if name in producer]
        waiting.extend((each, False) for each in reversed(needed) if each not in done)
    return ordered


def _read(node: Any) -> Iterator[str]:
    """The tensors that a node reads, those that its branches and loop bodies capture too."""
    yield from node.input
    for graph in _graphs(node):
        for inner in graph.node:
            yield from _read(inner)
        yield from (each.name for each in graph.output)


def _graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _copies(parts: Sequence[Any]) -> list[Any]:
    """A repeated field frees its parts when it is emptied."""
    return [type(each).FromString(each.SerializeToString()) for each in parts]
