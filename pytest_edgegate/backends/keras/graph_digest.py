"""A digest of a graph of TensorFlow that does not depend on the names in it.

Names of operations come from layer names, which have a counter of the process, and so do names of
functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

_PLACES = ("_class", "shared_name", "_user_specified_name", "_output_shapes")
"""Attributes that hold names, or redundant information."""


def graph_digest(graph: Any) -> str:
    """The digest of a GraphDef: its operations in order, their inputs by position, its functions
    where they are called."""
    made = hashlib.sha256()
    functions = {each.signature.name: each for each in graph.library.function}
    for part in _Body(functions).of(graph.node, ()):
        made.update(part)
    return made.hexdigest()


def of_captured(graph: Any, weights: Sequence[Any]) -> list[str]:
    """The captured inputs of a FuncGraph, in order: the positions of *weights*, which
    are variables of TensorFlow, and the values of the rest."""
    places = {id(each.handle): f"weight {at}" for at, each in enumerate(weights)}
    variables = {id(each.handle): each for each in graph.variables}
    return [
        places.get(id(outer)) or _value(variables.get(id(outer), outer))
        for outer, _ in graph.captures
    ]


def _value(captured: Any) -> str:
    if captured.dtype.name in ("resource", "variant"):  # a table, a queue: no value to read
        return str(captured.dtype.name)
    values = np.asarray(captured)
    return f"{values.dtype}{values.shape}{hashlib.sha256(values.tobytes()).hexdigest()}"


class _Body:
    def __init__(self, functions: dict[str, Any]) -> None:
        self._functions = functions
        self._seen: dict[str, int] = {}

    def of(self, nodes: Sequence[Any], arguments: Sequence[str]) -> Iterator[bytes]:
        names = [*arguments, *(node.name for node in nodes)]
        places = {name: at for at, name in enumerate(names)}
        for node in nodes:
            inputs = [_placed(each, places) for each in node.input]
            yield repr((node.op, inputs)).encode()
            for key in sorted(set(node.attr) - set(_PLACES)):
                yield key.encode()
                yield from self._attribute(node.attr[key])

    def _attribute(self, value: Any) -> Iterator[bytes]:
        functions = [value.func] if value.HasField("func") else list(value.list.func)
        if not functions:
            yield value.SerializeToString(deterministic=True)
        for each in functions:
            yield from self._function(each.name)

    def _function(self, name: str) -> Iterator[bytes]:
        if name in self._seen or name not in self._functions:
            yield str(self._seen.get(name)).encode()
            return
        self._seen[name] = len(self._seen)
        function = self._functions[name]
        arguments = [each.name for each in function.signature.input_arg]
        yield from self.of(function.node_def, arguments)
        places = {
            each: at
            for at, each in enumerate([*arguments, *(node.name for node in function.node_def)])
        }
        for each in function.signature.output_arg:
            yield repr(_placed(function.ret[each.name], places)).encode()


def _placed(reference: str, places: dict[str, int]) -> tuple[str, int, str]:
    """A reference such as ``^name``, ``name:1`` or ``name:output:1``, by the place of the name."""
    name, _, rest = reference.lstrip("^").partition(":")
    return "^" if reference.startswith("^") else "", places[name], rest
