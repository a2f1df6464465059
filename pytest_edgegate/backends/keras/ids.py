"""Finds float inputs that hold whole numbers: a model casts them and looks them up in a table.

Keras does so by default, since the dtype of an Input is float32 where none is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_edgegate.core.description import TensorInfo

_MOVING = frozenset(
    {
        *("Identity", "Reshape", "StridedSlice", "Slice", "Squeeze", "ExpandDims", "Transpose"),
        *("ConcatV2", "Pack", "Unpack", "Split", "SplitV", "Pad", "PadV2", "Tile", "BroadcastTo"),
        *("AddV2", "Sub", "Mul"),
        *("Round", "Rint", "Floor", "Maximum", "Minimum", "ClipByValue", "Relu"),
    }
)
"""Operators whose results are the values that they are given, as far as ids go."""
_TABLES = {"GatherV2": 1, "Gather": 1, "ResourceGather": 1, "GatherNd": 1, "OneHot": 0}
"""The operators that look up, and which of their inputs has the indices."""
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def with_ids(inputs: Sequence[TensorInfo], function: Any) -> tuple[TensorInfo, ...]:
    """The inputs, with those floats marked that a concrete *function* of them looks up."""
    floats = [each.dtype.startswith(("float", "bfloat")) for each in inputs]
    kinds = {each.type for each in function.graph.get_operations()}
    if not any(floats) or not kinds & {*_TABLES, *_CALLS}:
        return tuple(inputs)
    graph = function.graph.as_graph_def()
    bodies = {
        each.signature.name: _Body(
            [arg.name for arg in each.signature.input_arg], list(each.node_def)
        )
        for each in graph.library.function
    }
    names = [each.op.name for each in function.inputs[: len(inputs)]]
    main = _Body(names, list(graph.node))
    return tuple(
        replace(each, looked_up=True) if is_float and _reaches(main, name, bodies) else each
        for each, name, is_float in zip(inputs, names, floats, strict=True)
    )


@dataclass(frozen=True)
class _Body:
    """The nodes of a function, and the names of its arguments."""

    arguments: list[str]
    nodes: list[Any]

    def readers(self, name: str) -> Iterator[tuple[Any, int]]:
        """The nodes that read a value, each with the place of it among its inputs."""
        for node in self.nodes:
            for place, read in enumerate(node.input):
                if read.split(":", maxsplit=1)[0] == name:
                    yield node, place


def _reaches(
    body: _Body, start: str, bodies: Mapping[str, _Body], whole: bool = False, depth: int = 0
) -> bool:
    """Whether a value is looked up in a table; *whole*: it has been cast to integers."""
    waiting, seen = [(start, whole)], {(start, whole)}
    while waiting:
        name, is_whole = waiting.pop()
        for node, place in body.readers(name):
            if is_whole and _TABLES.get(node.op) == place:
                return True
            called = bodies.get(node.attr["f"].func.name) if node.op in _CALLS else None
            if called is not None and depth < _DEEPEST:
                argument = called.arguments[place]
                if _reaches(called, argument, bodies, is_whole, depth + 1):
                    return True
            following = _after(node, is_whole)
            if following is not None and (node.name, following) not in seen:
                seen.add((node.name, following))
                waiting.append((node.name, following))
    return False


_DEEPEST = 8
"""Functions within functions that are followed."""


def _after(node: Any, is_whole: bool) -> bool | None:
    """Whether a node that reads the value makes whole numbers of it; None if it makes others."""
    from tensorflow import dtypes

    if node.op == "Cast":
        to = dtypes.as_dtype(node.attr["DstT"].type)
        return True if to.is_integer else (None if is_whole else False)
    if is_whole:
        return True
    return False if node.op in _MOVING else None
