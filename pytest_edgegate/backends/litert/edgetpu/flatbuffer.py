"""Reads tables of a flatbuffer that nobody vouches for: every place is looked at before it is read.

The generated code follows offsets wherever they lead, and a negative place would be read from the
end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_ELEMENTS = 4_096
"""Of a vector whose elements are tables or texts."""


class OutOfBoundsError(ValueError):
    """An offset or a length that leads out of the bytes."""


@dataclass(frozen=True)
class Bytes:
    """A part of a file. Parts of it are views: nothing is copied."""

    content: memoryview

    def number(self, form: str, at: int) -> int:
        """The number at a place, in the notation of ``struct``."""
        size = struct.calcsize(form)
        if at < 0 or at + size > len(self.content):
            raise OutOfBoundsError(f"it leads to byte {at} of {len(self.content)}")
        return int(struct.unpack_from(form, self.content, at)[0])

    def part(self, at: int, size: int) -> memoryview:
        if at < 0 or size < 0 or at + size > len(self.content):
            raise OutOfBoundsError(f"it leads to {size} bytes at {at} of {len(self.content)}")
        return self.content[at : at + size]

    def root(self) -> Table:
        return Table(self, self.number("<I", 0))


@dataclass(frozen=True)
class Table:
    """A table, whose fields are known by their numbers in the schema."""

    content: Bytes
    at: int

    def number(self, field: int, form: str = "<i", default: int = 0) -> int:
        place = self._place(field)
        return default if place is None else self.content.number(form, place)

    def raw(self, field: int) -> memoryview:
        """The bytes of a vector of bytes, or of a text; empty where the field is missing."""
        place = self._place(field)
        return memoryview(b"") if place is None else self._vector(place)

    def text(self, field: int) -> str:
        return bytes(self.raw(field)[:200]).decode("utf-8", "replace")

    def raws(self, field: int) -> Iterator[memoryview]:
        """The elements of a vector of texts."""
        return (self._vector(place) for place in self._elements(field))

    def tables(self, field: int) -> Iterator[Table]:
        """The elements of a vector of tables."""
        return (Table(self.content, self._target(place)) for place in self._elements(field))

    def _place(self, field: int) -> int | None:
        """Where a field lies; None if the table does not have it."""
        fields = self.at - self.content.number("<i", self.at)
        entry = 4 + 2 * field
        if entry + 2 > self.content.number("<H", fields):
            return None
        offset = self.content.number("<H", fields + entry)
        return self.at + offset if offset else None

    def _target(self, place: int) -> int:
        return place + self.content.number("<I", place)

    def _vector(self, place: int) -> memoryview:
        start = self._target(place)
        return self.content.part(start + 4, self.content.number("<I", start))

    def _elements(self, field: int) -> Iterator[int]:
        place = self._place(field)
        if place is None:
            return
        start = self._target(place)
        count = self.content.number("<I", start)
        if count > _MOST_ELEMENTS:
            raise OutOfBoundsError(f"a list has {count} elements")
        yield from range(start + 4, start + 4 + 4 * count, 4)
