"""Progress of long work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

T = TypeVar("T")
_SELDOM = 0.5
"""Seconds."""

Progress = Callable[[str, float, float | None], None]
"""Called with (what is being done, amount done, total amount or None if unknown)."""
CALIBRATING = "calibration samples"


class StagedProgress(Protocol):
    """``Progress`` that also knows stages: work that can't count what it has done."""

    def __call__(self, what: str, done: float, total: float | None) -> None: ...

    def stage(self, what: str, *, told: bool = True) -> AbstractContextManager[None]:
        """Around a stage; stages nest. *told*: whether a log has a line for it once it is over."""


class _Silent:
    """Ignores progress."""

    def __call__(self, what: str, done: float, total: float | None) -> None:
        return

    def stage(self, what: str, *, told: bool = True) -> AbstractContextManager[None]:
        return nullcontext()


silent = _Silent()


def counted(
    samples: Iterable[T], progress: Progress, what: str, total: int | None = None
) -> Iterator[T]:
    """The samples, each reported as done when the next one is asked for."""
    done = 0
    for done, each in enumerate(samples, 1):
        yield each
        progress(what, done, total)
    progress(what, done, done)  # the work that follows has a clock of its own


def seldom(progress: Progress, clock: Callable[[], float] = time.monotonic) -> Progress:
    """The same, called twice a second at most, for a receiver in another process."""
    last = 0.0
    told = False

    def throttled(what: str, done: float, total: float | None) -> None:
        nonlocal last, told
        now = clock()
        ends = total is not None and done >= total
        if (ends and told) or (not ends and now - last >= _SELDOM):
            last, told = now, not ends
            progress(what, done, total)

    return throttled
