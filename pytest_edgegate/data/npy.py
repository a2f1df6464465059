"""Checks the header of an .npy array before numpy evaluates it.

numpy's own errors advise loading the file unsafely, and it accepts arrays of zero bytes with any
number of samples.
"""

from __future__ import annotations

import ast
import math
import struct
from typing import IO, Any

import numpy as np

_LONGEST = 10_000
"""The largest header in bytes: headers of plain arrays have about a hundred."""
_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}
"""The struct format of the header's length, by the version of the format."""
_KEYS = {"descr", "fortran_order", "shape"}
_NUMBERS_AND_TEXT = "biufcSU"


def vetted(stream: IO[bytes], size: int) -> None:
    """Raises ValueError unless the *size* bytes of *stream* are exactly one plain array."""
    start = stream.read(8)
    length_format = _LENGTHS.get(start[6]) if len(start) == 8 else None
    if start[:6] != np.lib.format.MAGIC_PREFIX or length_format is None:
        raise ValueError("it is not an .npy array")
    length_bytes = stream.read(struct.calcsize(length_format))
    if len(length_bytes) < struct.calcsize(length_format):
        raise ValueError("it is not an .npy array")
    (length,) = struct.unpack(length_format, length_bytes)
    if length > _LONGEST:
        raise ValueError(f"its header has {length} bytes")
    dtype, shape = _described(stream.read(length).decode("utf-8" if start[6] == 3 else "latin-1"))
    begins = len(start) + len(length_bytes) + length
    if begins + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"its {size - begins} bytes do not match its shape and dtype")


def _described(header: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    try:
        fields = ast.literal_eval(header.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError("its header is malformed") from error
    if not isinstance(fields, dict) or set(fields) != _KEYS:
        raise ValueError("its header is malformed")
    return _dtype(fields["descr"]), _shape(fields["shape"])


def _dtype(written: object) -> np.dtype[Any]:
    if not isinstance(written, str):
        raise ValueError("it is an array of records, which no model takes")
    try:
        dtype = np.dtype(written)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"it has a dtype that numpy does not know: {written[:40]!r}") from error
    if dtype.hasobject:
        raise ValueError("it is an array of Python objects, which can run code")
    if dtype.kind not in _NUMBERS_AND_TEXT or not dtype.itemsize:
        raise ValueError(f"it is an array of {written[:40]!r}, which no model takes")
    return dtype


def _shape(written: object) -> tuple[int, ...]:
    if isinstance(written, tuple) and all(type(each) is int and each >= 0 for each in written):
        return written
    raise ValueError("its shape is invalid")
