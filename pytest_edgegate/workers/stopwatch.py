"""Timing of single inferences: one model, or two against each other in ABBA blocks."""

from __future__ import annotations

import gc
import math
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
SLOW = 0.05
"""Of calls that take so many seconds a single one is a window: they hardly vary, and cost much."""
SETTLED = 0.05
"""A warm-up ends when a window's median is below the one before by no more than this share."""
LEAST_CALLS, MOST_CALLS = 3, 200
"""Between these a warm-up that has not settled is cut short by time: two warm calls can agree."""
OVERTIME = 3
"""A round is cut short after so many times its seconds, whatever was to be expected."""
SHORTEST_BLOCK = 1e-7
"""Seconds that timing anything takes at least."""
WARM_UP_SHARE = 0.05
"""Of the time of the whole measurement, which the warm-up of one model in a round may take."""
TICKS = 100
"""One timing spans at least so many steps of the clock, by repeating the call inside it."""


@dataclass(frozen=True)
class Side:
    """One of the models: how it is opened, and the sample that it is timed on."""

    open: Callable[[], Runner]
    sample: tuple[Array, ...]


@dataclass(frozen=True)
class _Warm:
    """What a warm-up has seen: the first time, the median in the end, whether that is settled."""

    first: float
    typical: float
    settled: bool


class HostStopwatch:
    """Times runners in this process.

    Each round opens every model anew, because where its memory happens to lie shifts all times of
    one opening together (0.2 to 0.6 %, and up to 2 %, between two openings of the same file). The
    garbage collector is off while a clock runs.
    """

    def __init__(
        self,
        source: str,
        sides: Sequence[Side],
        threads: object = None,
        clock: Clock = time.perf_counter,
        patience: float = 20.0,
    ) -> None:
        """*patience*: seconds that the whole measurement may take."""
        self.source = source
        self._sides = tuple(sides)
        self._clock = clock
        self._warm_up_time = WARM_UP_SHARE * patience
        self._draw = random.Random(0)
        self._tick = _tick(clock)
        tick = float(f"{self._tick:.2g}")
        self.conditions: Mapping[str, object] = MappingProxyType(
            {"threads": threads, "governor": governor(), "load": load(), "clock_tick": tick}
        )

    def __enter__(self) -> HostStopwatch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return

    def now(self) -> float:
        return self._clock()

    def round(self, seconds: float) -> Round:
        with ExitStack() as stack, _no_collection():
            start = self._clock()
            calls = self._opened(stack)
            opening = self._clock() - start
            if seconds <= 0:
                return Round((), (), self._timed(calls[0], 1), opening, settled=False)
            warm = self._warmed(calls)
            repeat = self._repeats(min(each.typical for each in warm.values()))
            # A; or A B B A, each as often as there are files
            block = repeat * len(calls) * sum(each.typical for each in warm.values())
            times = self._blocks(calls, seconds, repeat, block)
            settled = all(each.settled for each in warm.values())
            return Round(tuple(times[0]), tuple(times[1]), warm[0].first, opening, settled, repeat)

    def _blocks(
        self, calls: Sequence[Call], seconds: float, repeat: int, block: float
    ) -> tuple[list[float], list[float]]:
        """As many as the warm-up says that there is time for, one of which takes *block* seconds.

        Not as many as the clock has time for: where quick times make room for one more, medians of
        more times are those of quick ones, and the median of all rounds is not half-way any more.
        """
        times: tuple[list[float], list[float]] = ([], [])
        end = self._clock() + OVERTIME * seconds
        for _ in range(max(1, math.ceil(seconds / max(block, SHORTEST_BLOCK)))):
            for side in self._order():
                times[side].append(self._timed(calls[side], repeat))
            if self._clock() >= end:
                break
        return times

    def _warmed(self, calls: Sequence[Call]) -> dict[int, _Warm]:
        """Which is warmed up first is drawn too: the other one's memory has been idle since."""
        order = self._draw.sample(range(len(calls)), len(calls))
        return {at: self._warm_up(calls[at]) for at in order}

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

    def _warm_up(self, call: Call) -> _Warm:
        """Until the median falls no more, or it takes too long."""
        end = self._clock() + self._warm_up_time
        times = [self._timed(call, 1)]
        while not (settled := _settled(times)) and len(times) < MOST_CALLS:
            if len(times) >= LEAST_CALLS and self._clock() >= end:
                break
            times.append(self._timed(call, 1))
        return _Warm(times[0], statistics.median(times[-_window(times) :]), settled)

    def _repeats(self, one: float) -> int:
        """How often a call is repeated inside one timing, for the clock's steps to be small."""
        return 1 if one >= TICKS * self._tick else int(TICKS * self._tick / max(one, 1e-9)) + 1


def _window(times: Sequence[float]) -> int:
    return WINDOW if times[-1] < SLOW else 1


def _settled(times: Sequence[float]) -> bool:
    """Whether the last window's median is hardly below that of the window before."""
    window = _window(times)
    if len(times) < 2 * window or len(times) % window:
        return False
    before = statistics.median(times[-2 * window : -window])
    return statistics.median(times[-window:]) >= (1 - SETTLED) * before


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
