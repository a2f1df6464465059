"""Labels of the pictures: where they have room.

A page measures no text before it is shown, so that the room of a label is that of the widest of the
usual fonts, at the size that a narrow window shows it in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

LETTER, LINE = 7.7, 14.0
"""The width of a letter and the height of a line, in units of the pictures."""
_BELOW = 3.5
"""Of a line of text, what hangs below its base."""

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Box:
    """What something takes of a picture."""

    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: Box) -> float:
        """The area that two have in common."""
        across = min(self.right, other.right) - max(self.left, other.left)
        along = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * along if across > 0 and along > 0 else 0.0


def line(from_: tuple[float, float], to: tuple[float, float], parts: int = 1) -> list[Box]:
    """What a line takes; one that is neither level nor upright has *parts*."""
    (left, top), (right, bottom) = from_, to
    ends = [
        (left + (right - left) * at / parts, top + (bottom - top) * at / parts)
        for at in range(parts + 1)
    ]
    return [
        Box(min(x, u) - 1, min(y, v) - 1, max(x, u) + 1, max(y, v) + 1)
        for (x, y), (u, v) in pairwise(ends)
    ]


def around(x: float, y: float, radius: float) -> Box:
    """What a mark takes."""
    return Box(x - radius, y - radius, x + radius, y + radius)


@dataclass(frozen=True)
class Label:
    """A text at a place: ``y`` is its base."""

    text: str
    x: float
    y: float
    anchor: Anchor = "start"

    @property
    def box(self) -> Box:
        width = LETTER * len(self.text)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return Box(left, self.y + _BELOW - LINE, left + width, self.y + _BELOW)


@dataclass
class Room:
    """A part of a picture, and what is taken of it."""

    within: Box
    taken: list[Box] = field(default_factory=list)
    faint: list[Box] = field(default_factory=list)
    """What may be covered rather than anything else."""

    def best(self, places: Iterable[Label]) -> Label:
        """The first of the *places* that covers nothing, or else the one that covers least."""
        found = min(places, key=lambda each: self._cost(each.box))
        self.taken.append(found.box)
        return found

    def fits(self, box: Box) -> bool:
        return not self._cost(box)

    def _cost(self, box: Box) -> float:
        within = self.within
        outside = (
            max(within.left - box.left, 0)
            + max(box.right - within.right, 0)
            + max(within.top - box.top, 0)
            + max(box.bottom - within.bottom, 0)
        )
        covered = sum(box.shared(each) for each in self.taken)
        return 1_000 * outside + covered + 0.1 * sum(box.shared(each) for each in self.faint)


def apart(places: Iterable[tuple[float, str]], within: tuple[float, float]) -> Iterator[Label]:
    """The names of an axis, centred at their places from left to right, without those that would
    run into the one before or out of the picture."""
    end = within[0] - LETTER / 2
    for x, text in places:
        label = Label(text, x, 0.0, "middle")
        if label.box.left >= end + LETTER / 2 and label.box.right <= within[1]:
            end = label.box.right
            yield label
