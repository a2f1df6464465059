""".npy members: their header, which is a Python literal, and their values."""

from __future__ import annotations

import random
import struct

from fuzzing.draft import BytesFault
from fuzzing.faults import archives, values

_DTYPES = (
    "|O",
    "<f8",
    ">f4",
    "<f2",
    "|b1",
    "<U5",
    "|S3",
    "<M8[ns]",
    "<m8",
    "|V4",
    "<c8",
    "<i8",
    "|u1",
    "<g",
    "<f16",
    "<f3",
    "<U99999999",
    "",
    "nonsense",
    "<M8[²]",
    "O",
    "<f4,<f4",
)
_SHAPES = (
    "()",
    "(0,)",
    "(8,)",
    "(-1,)",
    f"({2**62},)",
    f"({2**62}, {2**62})",
    f"({2**70},)",
    "(1e3,)",
    "('a',)",
    "8",
    "[8]",
    "(True,)",
    "(8, 0)",
    "(" + "1," * 70 + ")",
    "(8,6,6,2)",
    "(4,)",
    "None",
)


def header(content: bytes, draw: random.Random) -> bytes:
    """The array's dtype, order or shape; or a literal that is none."""
    _, rest = _split(content)
    order = draw.choice(("False", "True", "1", "None", "'C'"))
    descr, shape = repr(draw.choice(_DTYPES)), draw.choice(_SHAPES)
    plain = _literal(content)
    made = draw.choice(
        (
            _with(plain, "descr", descr),
            _with(plain, "shape", shape),
            _with(plain, "shape", shape),
            _with(plain, "fortran_order", order),
            _with(plain, "descr", "[('a', '<f4'), ('b', '<i4')]"),
            _with(plain, "descr", "[('a', '|O')]"),
            _with(plain, "descr", f"('<f4', {shape})"),
            "{}",
            "[]",
            "1",
            "",
            "{'descr': '<f4'}",
            plain.replace("}", ", 'more': 1}"),
            "x" * 20000,
            plain + "#",
            "__import__('os').system('touch canary')",
            f"{{'a': {values.text(draw)!r}}}",
            "(" * draw.choice(values.DEEP),
            "-" * draw.choice(values.DEEP) + "1",
            "[" * 3000 + "]" * 3000,
        )
    )
    return _joined(made, rest, draw)


def version(content: bytes, draw: random.Random) -> bytes:
    """The format's version, or the length of the header."""
    made = bytearray(content)
    if draw.random() < 0.5:
        made[6], made[7] = draw.choice(((2, 0), (3, 0), (9, 9), (0, 0), (1, 7)))
    else:
        struct.pack_into("<H", made, 8, draw.choice((0, 1, 65535, draw.randrange(200))))
    return bytes(made)


def values_of(content: bytes, draw: random.Random) -> bytes:
    """NaN, infinity, absurd numbers; or values that end too soon, or do not end."""
    head, rest = _split(content)
    made = bytearray(rest)
    for _ in range(draw.choice((1, 3, 50))):
        at = 4 * draw.randrange(max(1, len(made) // 4))
        made[at : at + 4] = struct.pack("<f", draw.choice((float("nan"), float("inf"), -1e38, 7e5)))
    return head + draw.choice((bytes(made), bytes(made), rest[: len(rest) // 2], rest + b"more"))


def raw(content: bytes, draw: random.Random) -> bytes:
    """No array at all, where numpy gives the bytes of the member."""
    return draw.choice((b"", b"no array", b"\x80\x04}.", b"PK\x03\x04", content[6:]))


def _split(content: bytes) -> tuple[bytes, bytes]:
    length = struct.unpack_from("<H", content, 8)[0]
    return content[: 10 + length], content[10 + length :]


def _literal(content: bytes) -> str:
    return _split(content)[0][10:].decode("latin1").strip()


def _with(plain: str, key: str, value: str) -> str:
    """The header with another value for *key*."""
    before, after = plain.split(f"'{key}': ", 1)
    ends = [
        after.index(f", '{other}'")
        for other in ("descr", "fortran_order", "shape")
        if f", '{other}'" in after
    ]
    rest = after[min(ends) :] if ends else ", }"
    return before + f"'{key}': " + value + rest


def _joined(header_text: str, rest: bytes, draw: random.Random) -> bytes:
    head = header_text.encode("utf-8", "replace") + b"\n"
    if len(head) > 65535 or draw.random() < 0.1:
        return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(head)) + head + rest
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + rest


def _npy(name: str) -> bool:
    return name.endswith(".npy")


ARRAYS: tuple[BytesFault, ...] = tuple(
    archives.with_member(_npy, fault) for fault in (header, header, header, version, values_of, raw)
)
