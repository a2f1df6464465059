"""Damage that knows nothing of what the bytes mean."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from fuzzing.draft import BytesFault, Draft, Fault, Link, Seed, to_any
from fuzzing.faults import values


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
    return draw.choice(
        (
            content[:start] + content[start + length :],
            content[:start] + piece + content[start:],
            content + draw.randbytes(length),
        )
    )


def flipped_often(content: bytes, draw: random.Random) -> bytes:
    """Up to 64 bytes, anywhere."""
    made = bytearray(content)
    for _ in range(draw.randrange(2, 64)):
        made[draw.randrange(len(made))] = draw.randrange(256)
    return bytes(made)


def absurd_integer(content: bytes, draw: random.Random) -> bytes:
    """A size, a count or an offset, if it hits one."""
    kind = draw.choice("bhiq")
    size = struct.calcsize(kind)
    value = values.integer(draw) & ((1 << 8 * size) - 1)
    at = draw.randrange(max(1, len(content) - size))
    return (
        content[:at] + value.to_bytes(size, draw.choice(("little", "big"))) + content[at + size :]
    )


def emptied(content: bytes, draw: random.Random) -> bytes:
    return b""


BYTES: dict[str, BytesFault] = {
    "flip": flipped,
    "head": flipped_in_the_head,
    "cut": truncated,
    "over": overwritten,
    "size": of_another_size,
}
"""Each costs one reader one path; what the tests of damaged files go through in turn."""

_MORE: tuple[BytesFault, ...] = (*BYTES.values(), flipped_often, absurd_integer, absurd_integer)


def spliced(seeds: Sequence[Seed]) -> Fault:
    """A piece of one seed in the place of a piece of another."""

    def splice(draft: Draft, draw: random.Random) -> None:
        name = draw.choice(draft.plain)
        content = draft.read(name)
        other = draw.choice(seeds)
        donor = draw.choice([other.files[each] for each in sorted(other.files)])
        start, length = draw.randrange(len(donor) or 1), draw.randrange(1, 8192)
        at = draw.choice((min(start, len(content)), draw.randrange(len(content) or 1)))
        kept = draw.choice((at, at + length))
        draft.files[name] = content[:at] + donor[start : start + length] + content[kept:]

    return splice


def of_another_kind(draft: Draft, draw: random.Random) -> None:
    """A file that is a folder, a link (to itself, to nothing, to a device), empty or not there."""
    name = draw.choice(sorted(draft.files))
    content = draft.files.pop(name)
    kind = draw.choice(("folder", "link", "empty", "missing", "moved"))
    if kind == "folder":
        draft.files[f"{name}/"] = b""
    elif kind == "link":
        own = name.rsplit("/", 1)[-1]
        draft.files[name] = Link(draw.choice((own, "nowhere", "/dev/null", "/dev/zero", "/", "..")))
    elif kind == "empty":
        draft.files[name] = b""
    elif kind == "moved":
        draft.files[f"{name}.moved"] = content
        draft.files[name] = Link(f"{name.rsplit('/', 1)[-1]}.moved")


def bytewise(seeds: Sequence[Seed]) -> tuple[Fault, ...]:
    """The faults for files of any kind."""
    whole = tuple(map(to_any, _MORE))
    splice = spliced(seeds)
    return (*whole, *whole, splice, splice, splice, to_any(emptied), of_another_kind)
