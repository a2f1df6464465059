"""The wire format of protocol buffers, read without a schema.

Every occurrence of a field counts: a parser that knows the schema keeps the last one of a single
field, merges messages, and may keep another one in its next version. What no writer of TensorFlow
writes (groups, fields that overrun) is refused.
Format: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator

BYTES = 2
"""The wire type of texts, bytes and messages."""
_VARINT, _FIXED64, _FIXED32 = 0, 1, 5
_LONGEST_VARINT = 10


class WireError(ValueError):
    """Bytes that are no protocol buffer."""


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, start, end) of every field of the message at ``data[start:end]``."""
    while start < end:
        key, start = _varint(data, start, end)
        kind = key & 7
        if kind == BYTES:
            length, start = _varint(data, start, end)
        elif kind == _VARINT:
            _, after = _varint(data, start, end)
            length = after - start
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"it has a field of wire type {kind}")
        if start + length > end:
            raise WireError("a field is longer than its message")
        yield key >> 3, kind, start, start + length
        start += length


def within(data: bytes, start: int, end: int, *path: int) -> Iterator[tuple[int, int]]:
    """(start, end) of every message, text or bytes that lies at a path of field numbers."""
    if not path:
        yield start, end
        return
    for number, kind, begin, stop in fields(data, start, end):
        if number == path[0]:
            if kind != BYTES:
                raise WireError(f"field {number} is of wire type {kind}")
            yield from within(data, begin, stop, *path[1:])


def texts(data: bytes, start: int, end: int, *path: int) -> list[str]:
    """The texts at a path. Raises WireError for what is no UTF-8."""
    try:
        return [data[begin:stop].decode("utf-8") for begin, stop in within(data, start, end, *path)]
    except UnicodeDecodeError as error:
        raise WireError("a name in it is no text") from error


def numbers(data: bytes, start: int, end: int, field: int) -> list[int]:
    """The values of a field of whole numbers."""
    return [
        _varint(data, begin, stop)[0]
        for number, kind, begin, stop in fields(data, start, end)
        if number == field and kind == _VARINT
    ]


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    byte = data[at] if at < end else 0x80
    if byte < 0x80:
        return byte, at + 1
    value = shift = 0
    for place in range(at, min(end, at + _LONGEST_VARINT)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise WireError("a number in it does not end")
