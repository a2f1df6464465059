"""Messages between a session and its workers: a JSON header, then the bytes of arrays."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from pytest_edgegate.data.splits import Array

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Message:
    """``fields`` are plain JSON values; nothing is ever unpickled."""

    fields: Mapping[str, Any]
    arrays: tuple[Array, ...] = field(default=())


def send(stream: BinaryIO, message: Message) -> None:
    """Writes a message whole."""
    arrays = [np.ascontiguousarray(array) for array in message.arrays]
    shapes = [[array.dtype.str, array.shape] for array in arrays]
    header = json.dumps({"fields": dict(message.fields), "arrays": shapes}).encode()
    stream.write(_LENGTH.pack(len(header)) + header)
    for array in arrays:
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: BinaryIO) -> Message:
    """Reads a message. Raises EOFError where the other side has gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    header = json.loads(_exactly(stream, length))
    arrays = tuple(_array(stream, dtype, shape) for dtype, shape in header["arrays"])
    return Message(header["fields"], arrays)


def _array(stream: BinaryIO, dtype: str, shape: Sequence[int]) -> Array:
    array = np.empty(shape, np.dtype(dtype))
    view = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    have = 0
    while have < len(view):
        count = stream.readinto(view[have:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        have += count
    return array


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data
