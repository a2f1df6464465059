"""Damaged files, made of healthy ones by seeded faults: each has a name that says what was done."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Damage = Callable[[bytes, random.Random], bytes]

ABSURD = (2**31 - 1, -(2**31), 2**24, -5, 0)


def flipped(content: bytes, draw: random.Random) -> bytes:
    """One bit, anywhere."""
    made = bytearray(content)
    made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def flipped_in_the_head(content: bytes, draw: random.Random) -> bytes:
    """One bit of the first or last two kilobytes, where formats keep their tables."""
    made = bytearray(content)
    at = draw.randrange(min(2048, len(made)))
    made[at if draw.random() < 0.5 else -1 - at] ^= 1 << draw.randrange(8)
    return bytes(made)


def truncated(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def overwritten(content: bytes, draw: random.Random) -> bytes:
    """A run of bytes of one value."""
    made = bytearray(content)
    start, length = draw.randrange(len(made)), draw.randrange(1, 512)
    made[start : start + length] = bytes([draw.choice((0, 0xFF, 0x7F))]) * length
    return bytes(made[: len(content)])


def of_another_size(content: bytes, draw: random.Random) -> bytes:
    """A piece taken out, put in twice, or something behind the end."""
    start, length = draw.randrange(len(content)), draw.randrange(1, 4096)
    piece = content[start : start + length]
    return draw.choice((
        content[:start] + content[start + length :],
        content[:start] + piece + content[start:],
        content + draw.randbytes(length),
    ))  # fmt: skip


BYTES: dict[str, Damage] = {
    "flip": flipped, "head": flipped_in_the_head, "cut": truncated, "over": overwritten,
    "size": of_another_size,
}  # fmt: skip


def by_bytes(name: str, content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """*count* damaged copies, the kinds of damage in turn."""
    kinds = list(BYTES)
    for at in range(count):
        kind = kinds[at % len(kinds)]
        draw = random.Random(f"{seed} {name} {at}")
        yield f"{kind}-{at}-{name}", BYTES[kind](content, draw)


def tflite_edits(healthy: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Absurd values in a graph that still is a flatbuffer."""
    from pytest_edgegate.backends.litert.schema import pack, unpack

    for at in range(count):
        draw = random.Random(f"{seed} {healthy.name} edit {at}")
        model = unpack(healthy)
        graph = model.subgraphs[0]
        kind, edit = draw.choice(list(_TFLITE.items()))
        edit(model, graph, draw)
        yield f"{kind}-{at}-{healthy.name}", pack(model)


def _shape(model: Any, graph: Any, draw: random.Random) -> None:
    tensor = draw.choice([each for each in graph.tensors if len(each.shape)])
    tensor.shape = list(tensor.shape)
    tensor.shape[draw.randrange(len(tensor.shape))] = draw.choice(ABSURD)


def _dtype(model: Any, graph: Any, draw: random.Random) -> None:
    draw.choice(graph.tensors).type = draw.randrange(18)


def _scale(model: Any, graph: Any, draw: random.Random) -> None:
    quantised = [each for each in graph.tensors if each.quantization is not None]
    chosen = draw.choice(quantised).quantization
    chosen.scale = [draw.choice((0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf")))]


def _zero_point(model: Any, graph: Any, draw: random.Random) -> None:
    quantised = [each for each in graph.tensors if each.quantization is not None]
    draw.choice(quantised).quantization.zeroPoint = [draw.choice((*ABSURD, 2**40))]


def _buffer(model: Any, graph: Any, draw: random.Random) -> None:
    draw.choice(graph.tensors).buffer = draw.choice((0, 10**6, len(model.buffers)))


def _wire(model: Any, graph: Any, draw: random.Random) -> None:
    operator = draw.choice(graph.operators)
    operator.inputs, operator.outputs = list(operator.inputs), list(operator.outputs)
    side = draw.choice((operator.inputs, operator.outputs))
    side[draw.randrange(len(side))] = draw.choice((-1, -7, 10**6, 0, len(graph.tensors) - 1))


def _operator(model: Any, graph: Any, draw: random.Random) -> None:
    draw.choice(graph.operators).opcodeIndex = draw.choice((0, 1, 99))


def _kind(model: Any, graph: Any, draw: random.Random) -> None:
    chosen = draw.choice(model.operatorCodes)
    chosen.builtinCode = chosen.deprecatedBuiltinCode = draw.randrange(127)


def _order(model: Any, graph: Any, draw: random.Random) -> None:
    draw.shuffle(graph.operators)


def _ends(model: Any, graph: Any, draw: random.Random) -> None:
    graph.outputs = [draw.choice((0, 10**6, -1, int(graph.inputs[0])))]


_TFLITE: dict[str, Callable[[Any, Any, random.Random], None]] = {
    "shape": _shape, "dtype": _dtype, "scale": _scale, "zero": _zero_point, "buffer": _buffer,
    "wire": _wire, "operator": _operator, "kind": _kind, "order": _order, "ends": _ends,
}  # fmt: skip


def onnx_edits(healthy: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Absurd values in a graph that still is a protobuf."""
    import onnx

    for at in range(count):
        draw = random.Random(f"{seed} {healthy.name} edit {at}")
        model = onnx.load(healthy)
        kind, edit = draw.choice(list(_ONNX.items()))
        edit(model.graph, draw)
        yield f"{kind}-{at}-{healthy.name}", model.SerializeToString()


def _dims(graph: Any, draw: random.Random) -> None:
    constant = draw.choice([each for each in graph.initializer if each.dims])
    constant.dims[draw.randrange(len(constant.dims))] = draw.choice((*ABSURD, 2**62))


def _input_dims(graph: Any, draw: random.Random) -> None:
    shape = draw.choice((graph.input[0], graph.output[0])).type.tensor_type.shape
    shape.dim[draw.randrange(len(shape.dim))].dim_value = draw.choice((*ABSURD, 2**62))


def _constant_type(graph: Any, draw: random.Random) -> None:
    draw.choice(graph.initializer).data_type = draw.randrange(25)


def _rewire(graph: Any, draw: random.Random) -> None:
    node = draw.choice(graph.node)
    node.input[draw.randrange(len(node.input))] = draw.choice(("", "nowhere", node.output[0]))


def _attribute(graph: Any, draw: random.Random) -> None:
    nodes = [each for each in graph.node if any(a.ints or a.i for a in each.attribute)]
    attribute = draw.choice(draw.choice(nodes).attribute)
    if attribute.ints:
        attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(ABSURD)
    else:
        attribute.i = draw.choice(ABSURD)


def _node_kind(graph: Any, draw: random.Random) -> None:
    draw.choice(graph.node).op_type = draw.choice(("Loop", "Nothing", "Reshape", "Expand", "LSTM"))


_ONNX: dict[str, Callable[[Any, random.Random], None]] = {
    "dims": _dims, "ends": _input_dims, "type": _constant_type, "wire": _rewire,
    "attribute": _attribute, "kind": _node_kind,
}  # fmt: skip


def keras_edits(healthy: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Members of the archive that are damaged, in an archive whose checksums are right again."""
    for at in range(count):
        draw = random.Random(f"{seed} {healthy.name} edit {at}")
        with zipfile.ZipFile(healthy) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        kind, edit = draw.choice(list(_KERAS.items()))
        edit(members, draw)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        yield f"{kind}-{at}-{healthy.name}", made.getvalue()


def _weights(members: dict[str, bytes], draw: random.Random) -> None:
    name = next(each for each in members if each.endswith(".h5"))
    members[name] = draw.choice(list(BYTES.values()))(members[name], draw)


def _missing(members: dict[str, bytes], draw: random.Random) -> None:
    del members[draw.choice(list(members))]


def _config_bytes(members: dict[str, bytes], draw: random.Random) -> None:
    members["config.json"] = draw.choice(list(BYTES.values()))(members["config.json"], draw)


def _config_values(members: dict[str, bytes], draw: random.Random) -> None:
    config = json.loads(members["config.json"])
    numbers: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers.append((node, key))
            elif isinstance(value, dict | list):
                walk(value)

    walk(config)
    node, key = draw.choice(numbers)
    node[key] = draw.choice(ABSURD)
    members["config.json"] = json.dumps(config).encode()


_KERAS: dict[str, Callable[[dict[str, bytes], random.Random], None]] = {
    "weights": _weights, "missing": _missing, "config": _config_bytes, "values": _config_values,
}  # fmt: skip
