"""The flatbuffer of a .tflite file: any table, any field, and what a runtime trusts in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from fuzzing.draft import BytesFault
from fuzzing.faults import values

ABSURD = (2**31 - 1, -(2**31), 2**24, -5, 0)


def shape(model: Any, graph: Any, draw: random.Random) -> None:
    tensor = draw.choice([each for each in graph.tensors if len(each.shape)])
    tensor.shape = list(tensor.shape)
    tensor.shape[draw.randrange(len(tensor.shape))] = draw.choice(ABSURD)


def dtype(model: Any, graph: Any, draw: random.Random) -> None:
    draw.choice(graph.tensors).type = draw.randrange(18)


def scale(model: Any, graph: Any, draw: random.Random) -> None:
    quantised = [each for each in graph.tensors if each.quantization is not None]
    chosen = draw.choice(quantised).quantization
    chosen.scale = [draw.choice((0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf")))]


def zero_point(model: Any, graph: Any, draw: random.Random) -> None:
    quantised = [each for each in graph.tensors if each.quantization is not None]
    draw.choice(quantised).quantization.zeroPoint = [draw.choice((*ABSURD, 2**40))]


def buffer(model: Any, graph: Any, draw: random.Random) -> None:
    draw.choice(graph.tensors).buffer = draw.choice((0, 10**6, len(model.buffers)))


def wire(model: Any, graph: Any, draw: random.Random) -> None:
    chosen = draw.choice(graph.operators)
    chosen.inputs, chosen.outputs = list(chosen.inputs), list(chosen.outputs)
    side = draw.choice((chosen.inputs, chosen.outputs))
    side[draw.randrange(len(side))] = draw.choice((-1, -7, 10**6, 0, len(graph.tensors) - 1))


def operator(model: Any, graph: Any, draw: random.Random) -> None:
    draw.choice(graph.operators).opcodeIndex = draw.choice((0, 1, 99))


def kind(model: Any, graph: Any, draw: random.Random) -> None:
    chosen = draw.choice(model.operatorCodes)
    chosen.builtinCode = chosen.deprecatedBuiltinCode = draw.randrange(127)


def order(model: Any, graph: Any, draw: random.Random) -> None:
    draw.shuffle(graph.operators)


def ends(model: Any, graph: Any, draw: random.Random) -> None:
    graph.outputs = [draw.choice((0, 10**6, -1, int(graph.inputs[0])))]


GRAPH: dict[str, Callable[[Any, Any, random.Random], None]] = {
    "shape": shape,
    "dtype": dtype,
    "scale": scale,
    "zero": zero_point,
    "buffer": buffer,
    "wire": wire,
    "operator": operator,
    "kind": kind,
    "order": order,
    "ends": ends,
}
"""Absurd values in a graph that still is a flatbuffer, by the name of what they are values of."""


def any_field(model: Any, graph: Any, draw: random.Random) -> None:
    """A field of any table."""
    table = draw.choice(list(_tables(model)))
    name = draw.choice(sorted(vars(table)))
    now = getattr(table, name)
    setattr(table, name, _changed(now, draw))


def _changed(now: Any, draw: random.Random) -> Any:
    if isinstance(now, bool):
        return not now
    if isinstance(now, int):
        return draw.choice((draw.randrange(128), values.integer(draw)))
    if isinstance(now, float):
        return draw.choice(values.FLOATS)
    if isinstance(now, str | bytes):
        return draw.choice((b"", b"x", b"\xff\xfe", b"a" * 3000, None))
    if now is None or not hasattr(now, "__len__"):
        return None
    items = list(now)
    if not items or draw.random() < 0.2:
        return None
    at = draw.randrange(len(items))
    changed = draw.choice(("removed", "repeated", "changed", "changed"))
    if changed == "removed":
        del items[at]
    elif changed == "repeated":
        items.insert(at, items[at])
    elif isinstance(items[at], int) or hasattr(items[at], "dtype"):
        items[at] = draw.choice((0, 1, 127, -1, 10**6, 2**31 - 1))
    else:
        items[at] = draw.choice(items)
    return items


def _tables(table: Any) -> Iterator[Any]:
    yield table
    for name in sorted(vars(table)):
        value = vars(table)[name]
        for each in value if isinstance(value, list) else [value]:
            if hasattr(each, "__dict__"):
                yield from _tables(each)


def edited(content: bytes, draw: random.Random) -> bytes:
    schema, pack = _schema()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    draw.choice((*GRAPH.values(), *[any_field] * 12))(model, graph, draw)
    made: bytes = pack(model)
    return made


@cache
def _schema() -> tuple[Any, Callable[[Any], bytes]]:
    from pytest_edgegate.backends.litert.schema import import_schema, pack

    return import_schema(), pack


FLATBUFFER: tuple[BytesFault, ...] = (edited,)
