"""Detects endless loops and unbounded growth in the graphs of a SavedModel.

Native code that loops while a SavedModel is loaded or called can't be stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from pytest_edgegate.backends.keras.vetting.graphs import MetaGraph, Node

_LOOPS = frozenset({"While", "StatelessWhile", "For", "NextIteration", "RefNextIteration"})
_FREE_OPERATORS = 10_000
_UNFOLDING = 10
"""The largest unfolding factor beyond _FREE_OPERATORS: models with shared layers have about two."""

Calls = Mapping[str, Sequence[str]]
"""The functions that a function calls, one entry per call."""


def endless(graph: MetaGraph) -> Iterator[str]:
    """The endless parts, phrased to follow "it calls"."""
    calls = {name: _called(body.nodes.values(), graph) for name, body in graph.functions.items()}
    try:
        inner_first = tuple(TopologicalSorter(calls).static_order())
    except CycleError as error:
        yield f"itself ({min(error.args[1])})"
        return
    count = _unfolded(graph, calls, inner_first)
    if count > _FREE_OPERATORS + _UNFOLDING * _written(graph):
        yield f"functions that unfold to {count} operators"
    if _LOOPS.intersection(_kinds_on_load(graph, calls)):
        yield "a loop while it is loaded"


def _called(nodes: Iterable[Node], graph: MetaGraph) -> list[str]:
    return [each for node in nodes for each in (*node.calls, node.kind) if each in graph.functions]


def _written(graph: MetaGraph) -> int:
    return sum(len(body.nodes) for body in (graph.main, *graph.functions.values()))


def _unfolded(graph: MetaGraph, calls: Calls, inner_first: Sequence[str]) -> int:
    """Operators of the largest graph or function, with all that it calls put in its place."""
    sizes: dict[str, int] = {}
    for name in inner_first:
        sizes[name] = len(graph.functions[name].nodes) + sum(sizes[each] for each in calls[name])
    main = len(graph.main.nodes)
    main += sum(sizes[each] for each in _called(graph.main.nodes.values(), graph))
    return max(main, *sizes.values()) if sizes else main


def _kinds_on_load(graph: MetaGraph, calls: Calls) -> Iterator[str]:
    """The kinds of all operators that run while the SavedModel is loaded."""
    main = graph.main
    before = {name for root in graph.initial for name in main.before(root)}
    nodes = [node for name, node in main.nodes.items() if name in before]
    yield from (node.kind for node in nodes)
    left = [*_called(nodes, graph), *(each for each in graph.initializers if each in calls)]
    seen: set[str] = set()
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += calls[name]
            yield from (node.kind for node in graph.functions[name].nodes.values())
