"""Messages between a session and its workers: a JSON header, then the bytes of arrays.

Neither side is trusted: the size of a header is limited, dtypes are on an allowlist, and no more
bytes are read than the receiver expects.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from pytest_edgegate.data.splits import Array

_LENGTH = struct.Struct("<Q")
LONGEST_HEADER = 1 << 20
"""Bytes."""
_DTYPES = re.compile(r"[<>|](?:b1|[iu][1248]|f[248]|c8|c16|[SU][1-9]\d{0,3})")
"""The kinds of dtypes that may be sent: numbers and texts of fixed length, no objects."""
_MOST_AXES = 32


class WireError(ValueError):
    """A message that violates the protocol."""


class UnsendableError(WireError):
    """A message that the protocol does not allow to be sent."""


@dataclass(frozen=True)
class Message:
    """``fields`` are plain JSON values; nothing is ever unpickled.

    ``command`` is the command of a question; an answer has none.
    """

    fields: Mapping[str, Any]
    arrays: tuple[Array, ...] = field(default=())
    command: str = ""


@dataclass(frozen=True)
class Expected:
    """Limits on the arrays in a message: their number (None: any) and their total bytes."""

    count: int | None = 0
    most_bytes: int = 0


NO_ARRAYS = Expected()
PACKED = Expected(1, 1 << 28)
"""Long JSON values."""
ANY_ARRAYS = Expected(None, 1 << 36)
"""For a trusted peer."""


def send(stream: BinaryIO, message: Message) -> None:
    """Writes a complete message. Raises UnsendableError before writing anything."""
    arrays = [np.ascontiguousarray(array) for array in message.arrays]
    shapes = [[array.dtype.str, array.shape] for array in arrays]
    for dtype, _ in shapes:
        _check(dtype, UnsendableError)
    said = {"command": message.command, "fields": dict(message.fields), "arrays": shapes}
    header = json.dumps(said).encode()
    if len(header) > LONGEST_HEADER:
        raise UnsendableError(
            f"a header of {len(header):,} bytes, where {LONGEST_HEADER:,} are allowed"
        )
    stream.write(_LENGTH.pack(len(header)) + header)
    for array in arrays:
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(
    stream: BinaryIO, answer: Expected = ANY_ARRAYS, question: Expected = ANY_ARRAYS
) -> Message:
    """Reads a message within the limits for an *answer* or a *question*.

    Raises EOFError if the other side has closed, WireError for an invalid message.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > LONGEST_HEADER:
        raise WireError(f"a header of {length:,} bytes, where {LONGEST_HEADER:,} are allowed")
    command, fields, listed = _header(_exactly(stream, length))
    expected = NO_ARRAYS if "error" in fields else question if command else answer
    if expected.count is not None and len(listed) != expected.count:
        raise WireError(f"{len(listed)} arrays, where {expected.count} are expected")
    shapes = [_described(each) for each in listed]
    total = sum(math.prod(shape) * dtype.itemsize for dtype, shape in shapes)
    if total > expected.most_bytes:
        raise WireError(f"{total:,} bytes, where {expected.most_bytes:,} are expected")
    arrays = tuple(_array(stream, dtype, shape) for dtype, shape in shapes)
    return Message(fields, arrays, command)


def packed(value: object) -> Array:
    """JSON values that may be longer than a header, as an array of bytes: uint8 of shape (n,)."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def unpacked(content: Array) -> Any:
    """The inverse of ``packed``."""
    return json.loads(content.tobytes())


def _header(content: bytes) -> tuple[str, Mapping[str, Any], list[Any]]:
    try:
        said = json.loads(content)
    except RecursionError as error:
        raise WireError("a header that is nested too deeply") from error
    known = isinstance(said, dict)
    found = [said.get(each) for each in ("command", "fields", "arrays")] if known else []
    if list(map(type, found)) != [str, dict, list]:
        raise WireError("a malformed header")
    command, fields, arrays = found
    return command, fields, arrays


def _described(listed: Any) -> tuple[np.dtype[Any], Sequence[int]]:
    """The dtype and the shape of an array, from a header."""
    if not (isinstance(listed, list) and len(listed) == 2 and isinstance(listed[1], list)):
        raise WireError("an array without a dtype or a shape")
    dtype, shape = listed
    whole = all(type(size) is int and size >= 0 for size in shape)
    if not whole or len(shape) > _MOST_AXES:
        raise WireError(f"an array of the shape {str(shape)[:100]}")
    _check(dtype, WireError)
    return np.dtype(dtype), shape


def _check(dtype: Any, error: type[WireError]) -> None:
    if not isinstance(dtype, str) or _DTYPES.fullmatch(dtype) is None:
        raise error(f"an array of the dtype {str(dtype)[:40]}, which is not sent")


def _array(stream: BinaryIO, dtype: np.dtype[Any], shape: Sequence[int]) -> Array:
    array = np.empty(shape, dtype)
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
