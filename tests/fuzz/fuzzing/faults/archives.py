"""Zip archives: their members, their directory, and what the directory says of the members."""

from __future__ import annotations

import functools
import io
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from fuzzing.draft import BytesFault
from fuzzing.faults import bytewise, values

_NAMES = (
    "../canary",
    "/tmp/canary",
    "..\\canary",
    "C:canary",
    "",
    "a" * 3000,
    "x/",
    "\x00",
    "config.json/x",
    "./config.json",
    "²",
    "canary",
)
_FIELDS = {  # of an entry of the directory: (offset, struct of its type)
    "flags": (8, "<H"),
    "method": (10, "<H"),
    "crc": (16, "<I"),
    "packed": (20, "<I"),
    "size": (24, "<I"),
    "name": (28, "<H"),
    "extra": (30, "<H"),
    "comment": (32, "<H"),
    "disk": (34, "<H"),
    "mode": (40, "<H"),
    "offset": (42, "<I"),
}
_MOST = 10**7
_INFLATED = 300_000_000
_CRC = 4169451611
"""Of so many zeros."""
_METHODS = (0, 1, 6, 8, 9, 12, 14, 93, 95, 98, 99)


@dataclass
class Member:
    name: str
    content: bytes
    packed: bool = False


def unpacked(content: bytes) -> list[Member]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(each.file_size for each in archive.infolist()) > _MOST:
            raise ValueError("a bomb is not made again")
        return [
            Member(each.filename, archive.read(each), each.compress_type != zipfile.ZIP_STORED)
            for each in archive.infolist()
        ]


def packed(members: list[Member]) -> bytes:
    """An archive of the members, with checksums that are right; the same bytes every time."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive, warnings.catch_warnings(action="ignore"):
        for each in members:
            method = zipfile.ZIP_DEFLATED if each.packed else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(each.name), each.content, method)
    return made.getvalue()


def with_member(wanted: Callable[[str], bool], fault: BytesFault) -> BytesFault:
    """A fault of a member whose name is *wanted*, in an archive that is right again."""

    def edit(content: bytes, draw: random.Random) -> bytes:
        members = unpacked(content)
        chosen = draw.choice([each for each in members if wanted(each.name)])
        chosen.content = fault(chosen.content, draw)
        return packed(members)

    edit.__name__ = f"member_{fault.__name__}"
    return edit


def member_bytes(content: bytes, draw: random.Random) -> bytes:
    """Damaged bytes in a member whose checksum is right."""
    members = unpacked(content)
    chosen = draw.choice([each for each in members if each.content])
    chosen.content = draw.choice(list(bytewise.BYTES.values()))(chosen.content, draw)
    return packed(members)


def member_names(content: bytes, draw: random.Random) -> bytes:
    """A member missing, twice, under another name, packed, or in another's place."""
    members = unpacked(content)
    at = draw.randrange(len(members))
    kind = draw.choice(("missing", "twice", "renamed", "packed", "swapped", "added", "upper"))
    if kind == "missing":
        del members[at]
    elif kind == "twice":
        members.append(Member(members[at].name, draw.choice(members).content))
    elif kind == "renamed":
        members[at].name = draw.choice((*_NAMES, members[at].name + "_"))
    elif kind == "upper":
        members[at].name = members[at].name.upper()
    elif kind == "packed":
        for each in members:
            each.packed = not each.packed
    elif kind == "swapped":
        other = draw.choice(members)
        members[at].content, other.content = other.content, members[at].content
    else:
        members.insert(at, Member(draw.choice(_NAMES), draw.randbytes(9)))
    return packed(members)


def directory_fields(content: bytes, draw: random.Random) -> bytes:
    """A lie of the directory about one of its members."""
    made = bytearray(content)
    places = _found(content, b"PK\x01\x02")
    place = draw.choice(places)
    offset, kind = _FIELDS[draw.choice(list(_FIELDS))]
    drawn = draw.choice(_METHODS) if offset == 10 else values.integer(draw)
    if offset == 8:
        drawn = draw.choice((1, 8, 0x20, 0x41, 0x800, 0x2000))
    value = drawn & (2 ** (8 * struct.calcsize(kind)) - 1)
    struct.pack_into(kind, made, place + offset, value)
    return bytes(made)


def end_of_directory(content: bytes, draw: random.Random) -> bytes:
    """A lie about the directory itself: how many members, how long, where."""
    made = bytearray(content)
    at = content.rindex(b"PK\x05\x06")
    offset, kind = draw.choice(
        ((4, "<H"), (8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H"))
    )
    value = values.integer(draw) & (2 ** (8 * struct.calcsize(kind)) - 1)
    struct.pack_into(kind, made, at + offset, value)
    return bytes(made)


def bomb(content: bytes, draw: random.Random) -> bytes:
    """The largest member unpacks to 300 MB of zeros."""
    members = unpacked(content)
    largest = max(members, key=lambda each: len(each.content))
    largest.content, largest.packed = _zeros(), False  # packed already, which no header says yet
    made = bytearray(packed(members))
    for magic, method, crc, size, name in (
        (b"PK\x03\x04", 8, 14, 22, 30),
        (b"PK\x01\x02", 10, 16, 24, 46),
    ):
        at = next(
            each
            for each in _found(bytes(made), magic)
            if made[each + name :].startswith(largest.name.encode())
        )
        struct.pack_into("<H", made, at + method, zipfile.ZIP_DEFLATED)
        struct.pack_into("<I", made, at + crc, _CRC)
        struct.pack_into("<I", made, at + size, _INFLATED)
    return bytes(made)


@functools.cache
def _zeros() -> bytes:
    """So many zeros, deflated: one packed block again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(10**6)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (_INFLATED // 10**6) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def _found(content: bytes, what: bytes) -> list[int]:
    places, at = [], content.find(what)
    while at >= 0:
        places.append(at)
        at = content.find(what, at + 1)
    return places


ARCHIVE: tuple[BytesFault, ...] = (
    member_bytes,
    member_bytes,
    member_names,
    member_names,
    directory_fields,
    directory_fields,
    end_of_directory,
)
