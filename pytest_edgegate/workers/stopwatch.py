"""Timing of single inferences: one model, or two against each other in ABBA blocks."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType, TracebackType

from pytest_edgegate.core.environment import governor, load
from pytest_edgegate.core.ports import Round, Runner
from pytest_edgegate.data.splits import Array

Clock = Callable[[], float]
Call = Callable[[], object]

WINDOW = 5
"""Calls of which the median is taken while a model warms up."""
SETTLED = 0.05
"""A warm-up ends when the medians of two windows differ by less than this share."""
TICKS = 100
"""One timing spans at least so many steps of the clock, by repeating the call inside it."""


@dataclass(frozen=True)
class Side:
    """One of the models: how it is opened, and the sample that it is timed on."""

    open: Callable[[], Runner]
    sample: tuple[Array, ...]


class HostStopwatch:
    """Times runners in this process.

    Each round opens every model anew, because where its memory happens to lie shifts all times of
    one opening together (0.2 to 0.6 %, and up to 2 %, between two openings of the same file). The
    garbage collector is off while a clock runs.
    """

    def __init__(
        self, source: str, sides: Sequence[Side], threads: object = None,
        clock: Clock = time.perf_counter,
    ) -> None:  # fmt: skip
        self.source = source
        self._sides = tuple(sides)
        self._clock = clock
        self._draw = random.Random(0)
        self._tick = _tick(clock)
        self.conditions: Mapping[str, object] = MappingProxyType(
            {"threads": threads, "governor": governor(), "load": load()}
        )

    def __enter__(self) -> HostStopwatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        return

    def now(self) -> float:
        return self._clock()

    def round(self, seconds: float) -> Round:
        with ExitStack() as stack, _no_collection():
            start = self._clock()
            calls = self._opened(stack)
            opening = self._clock() - start
            warm = [self._warm_up(call, seconds / 2) for call in calls]
            repeat = self._repeats(min(settled for _, settled in warm))
            times: tuple[list[float], ...] = tuple([] for _ in calls)
            end = self._clock() + seconds
            while not times[0] or self._clock() < end:
                for side in self._order():
                    times[side].append(self._timed(calls[side], repeat))
            reference = times[1] if len(times) > 1 else []
            return Round(tuple(times[0]), tuple(reference), warm[0][0], opening)

    def _opened(self, stack: ExitStack) -> list[Call]:
        """Which is opened first is drawn: it gets the better place in memory more often."""
        opened: dict[int, Call] = {}
        for at in self._draw.sample(range(len(self._sides)), len(self._sides)):
            side = self._sides[at]
            opened[at] = stack.enter_context(side.open()).once(side.sample)
        return [opened[at] for at in range(len(self._sides))]

    def _order(self) -> tuple[int, ...]:
        if len(self._sides) == 1:
            return (0,)
        return self._draw.choice(((0, 1, 1, 0), (1, 0, 0, 1)))

    def _timed(self, call: Call, repeat: int) -> float:
        clock = self._clock
        if repeat == 1:
            start = clock()
            call()
            return clock() - start
        start = clock()
        for _ in range(repeat):
            call()
        return (clock() - start) / repeat

    def _warm_up(self, call: Call, seconds: float) -> tuple[float, float]:
        """(the first time, the median in the end): until that settles, or *seconds* are over."""
        end = self._clock() + seconds
        times = [self._timed(call, 1)]
        before = 0.0
        while self._clock() < end:
            times.append(self._timed(call, 1))
            if len(times) % WINDOW == 0:
                median = statistics.median(times[-WINDOW:])
                if abs(median - before) <= SETTLED * before:
                    break
                before = median
        return times[0], statistics.median(times[-WINDOW:])

    def _repeats(self, one: float) -> int:
        """How often a call is repeated inside one timing, for the clock's steps to be small."""
        return 1 if one >= TICKS * self._tick else int(TICKS * self._tick / max(one, 1e-9)) + 1


def _tick(clock: Clock) -> float:
    """The smallest step that the clock was seen to make; 0 where it stands still by itself."""
    seen = [clock() for _ in range(200)]
    return min((after - before for before, after in pairwise(seen) if after > before), default=0.0)


@contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
