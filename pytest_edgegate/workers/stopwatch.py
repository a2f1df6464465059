"""Timing of single inferences: of one model, or of two compared in ABBA blocks."""

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

Now = Callable[[], float]
TimedCall = Callable[[], object]

WINDOW = 5
"""The number of calls per window while a model warms up; windows are compared by median."""
SLOW = 0.05
"""From this many seconds per call, one call is a window: long calls hardly vary."""
SETTLED = 0.05
"""A warm-up ends when the median of a window falls by no more than this share."""
LEAST_CALLS, MOST_CALLS = 3, 200
"""Bounds in seconds between which the time limit of an unsettled warm-up lies."""
OVERTIME = 3
"""A round is cut short after this many times its planned seconds."""
SHORTEST_BLOCK = 1e-7
"""The shortest time assumed for a call, in seconds."""
WARM_UP_SHARE = 0.05
"""The share of the whole measurement that one warm-up may take."""
TICKS = 100
"""The smallest number of clock steps in one timing, which repeats short calls."""


@dataclass(frozen=True)
class TimedModel:
    """A model to time: the function that opens it, and its sample."""

    open: Callable[[], Runner]
    sample: tuple[Array, ...]


@dataclass(frozen=True)
class _Warm:
    """The result of a warm-up: the first time, the final median, and whether it has settled."""

    first: float
    typical: float
    settled: bool


class HostStopwatch:
    """Times runners in this process.

    Each round reopens every model, because the memory layout shifts all times of one opening
    together (by 0.2 to 0.6 %, and up to 2 %, between two openings of the same file). The garbage
    collector is off during timings.
    """

    def __init__(
        self,
        source: str,
        sides: Sequence[TimedModel],
        threads: object = None,
        clock: Now = time.perf_counter,
        patience: float = 20.0,
    ) -> None:
        """*patience*: the time for the whole measurement, in seconds."""
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
        self, calls: Sequence[TimedCall], seconds: float, repeat: int, block: float
    ) -> tuple[list[float], list[float]]:
        """Times as many blocks as the warm-up predicts, each of about *block* seconds.

        The number must not depend on the times themselves: if quick times made room for another
        block, longer rounds would be the quicker ones, and the median over rounds would be biased.
        """
        times: tuple[list[float], list[float]] = ([], [])
        end = self._clock() + OVERTIME * seconds
        for _ in range(max(1, math.ceil(seconds / max(block, SHORTEST_BLOCK)))):
            for side in self._order():
                times[side].append(self._timed(calls[side], repeat))
            if self._clock() >= end:
                break
        return times

    def _warmed(self, calls: Sequence[TimedCall]) -> dict[int, _Warm]:
        """Warms up in random order, because the memory of the other model is idle meanwhile."""
        order = self._draw.sample(range(len(calls)), len(calls))
        return {at: self._warm_up(calls[at]) for at in order}

    def _opened(self, stack: ExitStack) -> list[TimedCall]:
        """Opens in random order, because the first model often gets the better memory."""
        opened: dict[int, TimedCall] = {}
        for at in self._draw.sample(range(len(self._sides)), len(self._sides)):
            side = self._sides[at]
            opened[at] = stack.enter_context(side.open()).once(side.sample)
        return [opened[at] for at in range(len(self._sides))]

    def _order(self) -> tuple[int, ...]:
        if len(self._sides) == 1:
            return (0,)
        return self._draw.choice(((0, 1, 1, 0), (1, 0, 0, 1)))

    def _timed(self, call: TimedCall, repeat: int) -> float:
        clock = self._clock
        if repeat == 1:
            start = clock()
            call()
            return clock() - start
        start = clock()
        for _ in range(repeat):
            call()
        return (clock() - start) / repeat

    def _warm_up(self, call: TimedCall) -> _Warm:
        """Calls until the median stops falling, or the time limit is reached."""
        end = self._clock() + self._warm_up_time
        times = [self._timed(call, 1)]
        while not (settled := _settled(times)) and len(times) < MOST_CALLS:
            if len(times) >= LEAST_CALLS and self._clock() >= end:
                break
            times.append(self._timed(call, 1))
        return _Warm(times[0], statistics.median(times[-_window(times) :]), settled)

    def _repeats(self, one: float) -> int:
        """The number of calls per timing, so that the clock's steps are small."""
        return 1 if one >= TICKS * self._tick else int(TICKS * self._tick / max(one, 1e-9)) + 1


def _window(times: Sequence[float]) -> int:
    return WINDOW if times[-1] < SLOW else 1


def _settled(times: Sequence[float]) -> bool:
    """Whether the last window's median is hardly below the previous one's."""
    window = _window(times)
    if len(times) < 2 * window or len(times) % window:
        return False
    before = statistics.median(times[-2 * window : -window])
    return statistics.median(times[-window:]) >= (1 - SETTLED) * before


def _tick(clock: Now) -> float:
    """The smallest observed step of the clock; 0 if it does not advance by itself."""
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
