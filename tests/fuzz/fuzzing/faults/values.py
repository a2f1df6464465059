"""Values that break what reads them."""

from __future__ import annotations

import random
from typing import Any

INTEGERS = (
    0,
    1,
    -1,
    2,
    7,
    127,
    128,
    255,
    256,
    32767,
    65535,
    65536,
    2**24,
    2**31 - 1,
    -(2**31),
    2**31,
    2**32 - 1,
    2**32,
    2**62,
    2**63 - 1,
    -(2**63),
    -5,
)
FLOATS = (0.0, -0.0, -1.0, 0.5, 1e-30, 1e30, 1e308, 5e-324, float("nan"), float("inf"))
STRINGS = (
    "",
    "x",
    "\x00",
    "\x1b[31m",
    "²",
    "abc",
    "-1",
    "1e400",
    "nan",
    "../../canary",
    "/etc/hostname",
    "canary",
    "a" * 5000,
    "\u202e",
    "%s%n",
    "float32",
    "object",
    "None",
    "true",
    "\udcff",
)
DEEP = (100, 300, 2_000, 100_000)
"""How often something is nested in itself; C parsers and Python's own stack give up somewhere."""


def integer(draw: random.Random) -> int:
    return draw.choice(INTEGERS)


def number(draw: random.Random) -> Any:
    return draw.choice((draw.choice(FLOATS), integer(draw), draw.randrange(64)))


def text(draw: random.Random) -> str:
    return draw.choice(STRINGS)


def anything(draw: random.Random) -> Any:
    """A value of JSON, seldom of the kind that is expected."""
    return draw.choice(
        (
            None,
            True,
            False,
            number(draw),
            text(draw),
            [],
            {},
            [number(draw)],
            {"class_name": text(draw)},
            [[]],
            [None, None],
            {"config": None},
            {"": 0},
            number(draw),
        )
    )
