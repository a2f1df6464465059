"""The graphs of a SavedModel: the operators of all functions, and the calls between them.

Field numbers are those of TensorFlow's saved_model.proto, meta_graph.proto,
graph.proto, function.proto, node_def.proto, attr_value.proto and saved_object_graph.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_edgegate.backends.keras.vetting.wire import (
    BYTES,
    WireError,
    fields,
    numbers,
    texts,
    within,
)

_META_GRAPH, _NODE, _FUNCTION = (2,), (1,), (2, 1)
_GRAPH, _SAVER, _COLLECTIONS, _SIGNATURES, _OBJECTS = 2, 3, 4, 5, 7
_RUN_ON_LOAD = {"_create_resource", "_initialize"}
"""Children of a resource in the object graph."""
_INITIAL = ("saved_model_main_op", "legacy_init_op", "__saved_model_init_op")
"""Collections, and a signature, of what TensorFlow 1 runs after loading."""
_MOST_CALLS_DEEP = 200
COUNTS = frozenset(
    {
        "N",
        "num_split",
        "num_params",
        "num_params_weights",
        "num_params_biases",
        "top_paths",
        "Nsparse",
        "Ndense",
        "num_sparse",
        "RAGGED_RANK",
        "PARAMS_RAGGED_RANK",
        "OUTPUT_RAGGED_RANK",
        "output_ragged_rank",
        "num",
        "num_row_partition_tensors",
        "num_partitions",
    }
)
"""Attributes that say how many inputs or outputs an operator has: all that the listed ones have."""
_MOST_TENSORS = 100_000
"""TensorFlow makes a place for each before it looks how many there are."""


@dataclass(frozen=True)
class Node:
    """One operator: its kind, the names that it takes from, the functions that it calls."""

    kind: str
    inputs: tuple[str, ...]
    called: tuple[tuple[str, str], ...] = ()
    """The attributes that name a function, and the functions."""

    @property
    def calls(self) -> tuple[str, ...]:
        """The functions that it names."""
        return tuple(function for _, function in self.called)

    @property
    def sources(self) -> Iterator[str]:
        """The nodes that its inputs come from, in order."""
        for each in self.inputs:
            yield each.lstrip("^").split(":")[0]


@dataclass
class Body:
    """The nodes of a graph or a function by their names; ``arguments`` are those of a function."""

    nodes: dict[str, Node] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    attributes: frozenset[str] = frozenset()
    """Attributes of a function: some let an optimiser replace it."""

    def before(self, root: str) -> frozenset[str]:
        """A node and all that it waits for."""
        found: set[str] = set()
        left = [root]
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self.nodes[name].sources if name in self.nodes else ()
        return frozenset(found)


@dataclass
class MetaGraph:
    """One of a SavedModel's graphs with its functions."""

    main: Body
    functions: dict[str, Body]
    filename: str
    """The node that takes the name of the checkpoint; nothing where there is no saver."""
    saving: str
    restoring: str
    named: frozenset[str]
    """The nodes that signatures and collections name."""
    initial: frozenset[str]
    """The nodes that run when the graph is loaded, as TensorFlow 1 writes them."""
    objects: frozenset[str]
    """The functions that the object graph names, or that are another one's gradient."""
    initializers: frozenset[str]
    """Those that run when resources are loaded, as TensorFlow 2 writes them."""


def meta_graphs(data: bytes) -> list[MetaGraph]:
    """The graphs of a ``saved_model.pb``. Raises WireError for bytes that are none."""
    return [_meta_graph(data, *span) for span in within(data, 0, len(data), *_META_GRAPH)]


def _meta_graph(data: bytes, start: int, end: int) -> MetaGraph:
    main, functions = Body(), {}
    for graph in within(data, start, end, _GRAPH):
        _take_nodes(data, within(data, *graph, *_NODE), main)
        for span in within(data, *graph, *_FUNCTION):
            for name in _names(data, *span):
                if name in functions:
                    raise WireError(f"it has two functions {name!r}")
                functions[name] = _function(data, *span)
    filename, saving, restoring = (_tensors(data, start, end, number) for number in (1, 2, 3))
    objects = _object_names(data, start, end) | _gradients(data, start, end)
    return MetaGraph(
        main,
        functions,
        filename,
        saving,
        restoring,
        named=_nodes_named(data, start, end),
        initial=_nodes_named(data, start, end, _INITIAL),
        objects=objects,
        initializers=_initializers(data, start, end),
    )


def _nodes_named(
    data: bytes, start: int, end: int, keys: tuple[str, ...] | None = None
) -> frozenset[str]:
    """The nodes that collections and signatures name, all or those under the keys."""
    return frozenset(
        text.lstrip("^").split(":")[0]
        for number in (_COLLECTIONS, _SIGNATURES)
        for span in within(data, start, end, number)
        if keys is None or set(keys).intersection(texts(data, *span, 1))
        for text in _every_text(data, *span)
    )


def _names(data: bytes, start: int, end: int) -> list[str]:
    found = texts(data, start, end, 1, 1)
    if len(found) != 1:
        raise WireError("a function has no name, or several")
    return found


def _function(data: bytes, start: int, end: int) -> Body:
    arguments = tuple(
        _only(texts(data, *span, 1), "an argument") for span in within(data, start, end, 1, 2)
    )
    if len(set(arguments)) != len(arguments):
        raise WireError("a function has two arguments of one name")
    body = Body(arguments=arguments, attributes=frozenset(texts(data, start, end, 5, 1)))
    _take_nodes(data, within(data, start, end, 3), body)
    if body.nodes.keys() & set(arguments):
        raise WireError("a function has an argument and a node of one name")
    return body


def _only(names: list[str], what: str) -> str:
    """The one that there is: a parser keeps one of several, and not always the same."""
    if len(names) != 1 or not names[0]:
        raise WireError(f"{what} of a function has no name, or several")
    return names[0]


def _take_nodes(data: bytes, spans: Iterator[tuple[int, int]], body: Body) -> None:
    for start, end in spans:
        name, node = _node(data, start, end)
        if name in body.nodes:
            raise WireError(f"it has two nodes {name!r}")
        body.nodes[name] = node


def _node(data: bytes, start: int, end: int) -> tuple[str, Node]:
    names: list[str] = []
    kinds: list[str] = []
    inputs: list[str] = []
    attributes: list[tuple[int, int]] = []
    wanted = {1: names, 2: kinds, 3: inputs}
    for number, wire, begin, stop in fields(data, start, end):
        if number in wanted and wire == BYTES:
            wanted[number].append(_text(data, begin, stop))
        elif number == 5 and wire == BYTES:
            attributes.append((begin, stop))
    if len(kinds) != 1 or len(names) != 1:
        raise WireError("an operator has no kind or no name, or several")
    for span in attributes:
        counts = COUNTS.intersection(texts(data, *span, 1))
        for value in within(data, *span, 2) if counts else ():
            if any(each > _MOST_TENSORS for each in numbers(data, *value, 3)):
                raise WireError(f"an operator has more than {_MOST_TENSORS} inputs or outputs")
    called = tuple(
        (name, function)
        for span in attributes
        for name in texts(data, *span, 1)
        for value in within(data, *span, 2)
        for function in _called(data, *value, depth=0)
    )
    return names[0], Node(kinds[0], tuple(inputs), called)


def _text(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("a name in it is no text") from error


def _called(data: bytes, start: int, end: int, depth: int) -> Iterator[str]:
    """The functions that an attribute names, those in attributes of theirs too."""
    if depth > _MOST_CALLS_DEEP:
        raise WireError("its attributes are nested too deeply")
    for number, wire, begin, stop in fields(data, start, end):
        if number == 10 and wire == BYTES:
            yield from _named(data, begin, stop, depth)
        elif number == 1 and wire == BYTES:
            for span in within(data, begin, stop, 9):
                yield from _named(data, *span, depth)


def _named(data: bytes, start: int, end: int, depth: int) -> Iterator[str]:
    yield from texts(data, start, end, 1)
    for value in within(data, start, end, 2, 2):
        yield from _called(data, *value, depth + 1)


def _tensors(data: bytes, start: int, end: int, number: int) -> str:
    """The node of a tensor or an operation that the saver_def names."""
    found = set(texts(data, start, end, _SAVER, number))
    if len(found) > 1:
        raise WireError("its saver is given twice")
    return found.pop().split(":")[0] if found else ""


def _every_text(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[str]:
    """Whatever could be a text in a message of any kind, at any depth."""
    yield data[start:end].decode("utf-8", "replace")
    if depth == 8:
        return
    try:
        inner = [span for number, wire, *span in fields(data, start, end) if wire == BYTES]
    except WireError:  # a text, no message
        return
    for begin, stop in inner:
        yield from _every_text(data, begin, stop, depth + 1)


def _object_names(data: bytes, start: int, end: int) -> frozenset[str]:
    """Functions that objects are made of, or that are kept for them."""
    found: set[str] = set()
    for graph in within(data, start, end, _OBJECTS):
        found.update(texts(data, *graph, 2, 1))
        for node in within(data, *graph, 1):
            found.update(_functions_of(data, *node))
            found.update(texts(data, *node, 12, 2))
    return frozenset(found)


def _functions_of(data: bytes, start: int, end: int) -> list[str]:
    """The graphs of an object that is a function."""
    return [*texts(data, start, end, 6, 1), *texts(data, start, end, 8, 1)]


def _initializers(data: bytes, start: int, end: int) -> frozenset[str]:
    """The functions of objects that another one has as what makes or fills it."""
    found: set[str] = set()
    for graph in within(data, start, end, _OBJECTS):
        objects = list(within(data, *graph, 1))
        for each in objects:
            for child in within(data, *each, 1):
                if _RUN_ON_LOAD.intersection(texts(data, *child, 2)):
                    for at in numbers(data, *child, 1) or [0]:
                        if at >= len(objects):
                            raise WireError("an object has a child that is not there")
                        found.update(_functions_of(data, *objects[at]))
    return frozenset(found)


def _gradients(data: bytes, start: int, end: int) -> frozenset[str]:
    """Functions that are kept to differentiate other ones, and those that they are for."""
    return frozenset(
        text
        for graph in within(data, start, end, _GRAPH)
        for path in ((2, 2, 1), (2, 2, 2), (2, 3, 1))
        for text in texts(data, *graph, *path)
    )
