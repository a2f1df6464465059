"""Names that are almost another one."""

from __future__ import annotations

from collections.abc import Iterable

NEAR = 2
"""So many letters of a misspelt name may differ."""


_SHORT = 5
_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")


def is_misspelt(name: str, known: Iterable[str]) -> bool:
    """Whether a name is within a few letters of a known one, and not that with something added:
    ``raspberry-pi-zero`` is another board than ``raspberry-pi``. Nor is it one with another number:
    so is ``raspberry-pi-3`` beside ``raspberry-pi-4``.

    In a short name one letter may differ, or two be exchanged: ``mnn`` is a format of its own
    beside ``onnx``.
    """
    near = NEAR if len(name) > _SHORT else 1
    return any(
        (distance(name, each) <= near or sorted(name) == sorted(each)) and not name.startswith(each)
        for each in known
        if each.translate(_WITHOUT_DIGITS) != name.translate(_WITHOUT_DIGITS)
    )


def distance(one: str, other: str) -> int:
    """How many letters have to be inserted, deleted or replaced (Levenshtein)."""
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, row[0] = row[0], at
        for column, wanted in enumerate(other, 1):
            cost = before + (letter != wanted)
            before = row[column]
            row[column] = min(cost, before + 1, row[column - 1] + 1)
    return row[-1]
