"""What the graphs of a SavedModel would call, held against the list.

Every function is looked at, not only what a signature reaches: initializers of resources run while
a SavedModel is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_edgegate.backends.keras.vetting.graphs import Body, MetaGraph, Node
from pytest_edgegate.backends.keras.vetting.lists import Operators
from pytest_edgegate.backends.keras.vetting.saver import saver_of


def faults(graph: MetaGraph, allowed: Operators) -> Iterator[str]:
    """What in a graph is not on the list, in words that follow "it calls"."""
    saver = saver_of(graph, allowed.saver)
    for name, node in graph.main.nodes.items():
        if name not in saver.nodes:
            yield from _faults_of(node, "", graph, allowed, saver.functions)
    for name, body in graph.functions.items():
        if name not in saver.functions:
            for node in body.nodes.values():
                yield from _faults_of(node, name, graph, allowed, saver.functions)
    yield from _circles(graph.functions)


_FUNCTIONS = {
    "PartitionedCall": {"f"}, "StatefulPartitionedCall": {"f"}, "SymbolicGradient": {"f"},
    "MapDefun": {"f"}, "For": {"body"}, "While": {"cond", "body"},
    "StatelessWhile": {"cond", "body"}, "If": {"then_branch", "else_branch"},
    "StatelessIf": {"then_branch", "else_branch"}, "Case": {"branches"},
    "StatelessCase": {"branches"},
}  # fmt: skip
"""Which attributes of an operator are functions. TensorFlow takes others, for its optimisers."""


def _faults_of(
    node: Node, where: str, graph: MetaGraph, allowed: Operators, savers: frozenset[str]
) -> Iterator[str]:
    place = f" in {_shown(where)}" if where else ""
    known = _FUNCTIONS.get(node.kind, set())
    for attribute, function in node.called:
        if attribute not in known:
            yield f"{_shown(function)} by {_shown(attribute)} of {_shown(node.kind)}{place}"
    if node.kind in allowed.plain:
        return
    called = {*node.calls, node.kind} & graph.functions.keys()
    if called & savers:
        yield f"its saver {_shown(min(called & savers))}{place}"
    elif node.kind not in allowed.reviewed | called:
        yield f"{_shown(node.kind)}{place}"


def _circles(functions: Mapping[str, Body]) -> Iterator[str]:
    """A function that comes to itself: inlining it never ends."""
    calls = {
        name: {
            each for node in body.nodes.values() for each in (*node.calls, node.kind)
            if each in functions
        }
        for name, body in functions.items()
    }  # fmt: skip
    left = dict(calls)
    while True:
        ended = [name for name, called in left.items() if not called & left.keys()]
        if not ended:
            break
        for name in ended:
            del left[name]
    if left:
        yield f"itself ({_shown(min(left))})"


def _shown(name: str) -> str:
    text = "".join(each for each in name if each.isprintable())
    return text if len(text) <= 80 else f"{text[:77]}..."
