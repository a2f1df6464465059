"""Damaged files, made of healthy ones by seeded faults: each has a name that says what was done.

The faults are those of the fuzzer (``tests/fuzz``); here few files are judged in full.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from fuzzing.draft import BytesFault
from fuzzing.faults import archives, bytewise, documents, flatbuffers, onnx_files

Kind = TypeVar("Kind")


def by_bytes(name: str, content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """*count* damaged copies, the kinds of damage in turn."""
    for at in range(count):
        kind, damage = in_turn(bytewise.BYTES, at)
        draw = random.Random(f"{seed} {name} {at}")
        yield f"{kind}-{at}-{name}", damage(content, draw)


def in_turn(kinds: Mapping[str, Kind], at: int) -> tuple[str, Kind]:
    """Fault number *at* with the name of its kind: a few files have every kind."""
    return list(kinds.items())[at % len(kinds)]


def tflite_edits(healthy: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Absurd values in a graph that still is a flatbuffer."""
    from pytest_edgegate.backends.litert.schema import pack, unpack

    for at in range(count):
        draw = random.Random(f"{seed} {healthy.name} edit {at}")
        model = unpack(healthy)
        kind, edit = in_turn(flatbuffers.GRAPH, at)
        edit(model, model.subgraphs[0], draw)
        yield f"{kind}-{at}-{healthy.name}", pack(model)


def onnx_edits(healthy: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Absurd values in a graph that still is a protobuf."""
    import onnx

    for at in range(count):
        draw = random.Random(f"{seed} {healthy.name} edit {at}")
        model = onnx.load(healthy)
        kind, edit = in_turn(onnx_files.GRAPH, at)
        edit(model.graph, draw)
        yield f"{kind}-{at}-{healthy.name}", model.SerializeToString()


def keras_edits(healthy: Path, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Members of the archive that are damaged, in an archive whose checksums are right again."""
    for at in range(count):
        draw = random.Random(f"{seed} {healthy.name} edit {at}")
        kind, edit = in_turn(_KERAS, at)
        yield f"{kind}-{at}-{healthy.name}", edit(healthy.read_bytes(), draw)


def _damaged(content: bytes, draw: random.Random) -> bytes:
    return draw.choice(list(bytewise.BYTES.values()))(content, draw)


def _absurd(content: bytes, draw: random.Random) -> bytes:
    return documents.edited(content, draw, (documents.absurd_number,))


def _missing(content: bytes, draw: random.Random) -> bytes:
    members = archives.unpacked(content)
    del members[draw.randrange(len(members))]
    return archives.packed(members)


_KERAS: dict[str, BytesFault] = {
    "weights": archives.with_member(lambda name: name.endswith(".h5"), _damaged),
    "missing": _missing,
    "config": archives.with_member(lambda name: name == "config.json", _damaged),
    "values": archives.with_member(lambda name: name == "config.json", _absurd),
}
