"""Checks the operators of a SavedModel's graphs against the allowlist.

Every function is checked, not only those that a signature reaches: initializers of resources run
while a SavedModel is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_edgegate.backends.keras.vetting.endless import endless
from pytest_edgegate.backends.keras.vetting.graphs import MetaGraph, Node
from pytest_edgegate.backends.keras.vetting.lists import Operators
from pytest_edgegate.backends.keras.vetting.saver import saver_of


def faults(graph: MetaGraph, allowed: Operators) -> Iterator[str]:
    """The operators of a graph that are not on the list, phrased to follow "it calls"."""
    for name in filter(_OPERATOR.fullmatch, graph.functions):
        yield f"a function that is named as an operator ({_shown(name)})"
    saver = saver_of(graph, allowed.saver)
    for name, node in graph.main.nodes.items():
        if name not in saver.nodes:
            yield from _faults_of(node, "", graph, allowed, saver.functions)
    for name, body in graph.functions.items():
        if name not in saver.functions:
            for node in body.nodes.values():
                yield from _faults_of(node, name, graph, allowed, saver.functions)
    yield from map(_shown, endless(graph))


_OPERATOR = re.compile("_*[A-Z][A-Za-z0-9>]*")
"""The names of all operators of TensorFlow. It calls a function in the place of an operator whose
name it bears; those that TensorFlow writes have names like ``__inference_call_12``."""
_FUNCTIONS = {
    "PartitionedCall": {"f"},
    "StatefulPartitionedCall": {"f"},
    "SymbolicGradient": {"f"},
    "MapDefun": {"f"},
    "For": {"body"},
    "While": {"cond", "body"},
    "StatelessWhile": {"cond", "body"},
    "If": {"then_branch", "else_branch"},
    "StatelessIf": {"then_branch", "else_branch"},
    "Case": {"branches"},
    "StatelessCase": {"branches"},
}
"""The attributes of operators that are functions. TensorFlow accepts others for its optimisers."""


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


def _shown(name: str) -> str:
    text = "".join(each for each in name if each.isprintable())
    return text if len(text) <= 80 else f"{text[:77]}..."
