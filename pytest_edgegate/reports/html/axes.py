"""Axes of the pictures: where a value lies, and the round values that are named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WIDE = 6
"""Values that differ by more than this factor are drawn on a logarithmic axis."""
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Axis:
    """*start* and *end*: where the least and the largest value lie, in units of the picture."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """The place of a value, with one decimal; values outside lie at the ends."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        share = (self._scaled(min(max(value, self.low), self.high)) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the axis."""
        if self.logarithmic:
            found = list(_decades(self.low, self.high, _STEPS))
            return found if len(found) <= 2 * about else list(_decades(self.low, self.high, (1,)))
        step = _round_step((self.high - self.low) / about)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(each * step, 12) for each in range(first, last + 1)]


def axis(values: Sequence[float], start: float, end: float, *, sizes: bool = False) -> Axis:
    """An axis with room around the *values*; *sizes*: they are positive, and 0 means something."""
    low, high = min(values), max(values)
    if sizes and low > 0 and high > _WIDE * low:
        return Axis(low / 1.5, high * 1.5, start, end, logarithmic=True)
    if sizes:
        return Axis(0.0, (high or 1.0) * 1.15, start, end)
    room = 0.12 * (high - low) or abs(high) * 0.1 or 0.01
    return Axis(low - room, high + room, start, end)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * each for each in (*_STEPS, 10) if power * each >= least * (1 - 1e-9))


def _decades(low: float, high: float, steps: Sequence[int]) -> Iterator[float]:
    power = 10.0 ** math.floor(math.log10(low))
    while power <= high:
        yield from (power * each for each in steps if low <= power * each <= high)
        power *= 10
