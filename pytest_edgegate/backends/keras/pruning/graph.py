"""The graph of a Functional or Sequential model of Keras 3, call by call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Call:
    """One call of a layer, or of an operation of ``keras.ops``, with its symbolic tensors."""

    layer: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    positional: tuple[Any, ...]
    """The leaves of its positional arguments: tensors of ``inputs``, and constants."""
    by_name: bool
    """Whether its first argument is a dict of tensors."""

    @property
    def constants(self) -> tuple[Any, ...]:
        """Its positional arguments that are no symbolic tensors."""
        tensors = {id(each) for each in self.inputs}
        return tuple(each for each in self.positional if id(each) not in tensors)


def graph_of(candidate: Any) -> Any | None:
    """The Functional graph that a model is; None for a layer and for a model with a ``call``.

    A class of the user's may compute anything, whatever graph it was made with.
    """
    graph = getattr(candidate, "_functional", None) or candidate
    if not hasattr(graph, "_nodes_by_depth") or not hasattr(graph, "layers"):
        return None
    own = type(candidate).call.__module__.split(".")[0] != "keras"
    return None if own else graph


def calls(graph: Any) -> Iterator[Call]:
    """The calls of a graph in an order in which they can be computed."""
    import keras

    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments = node.arguments.args
            yield Call(
                node.operation,
                tuple(node.input_tensors),
                tuple(node.outputs),
                tuple(keras.tree.flatten(arguments)),
                bool(arguments) and isinstance(arguments[0], dict),
            )
