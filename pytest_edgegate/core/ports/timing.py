"""The ports for timing model files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_edgegate.core.progress import Progress, silent
from pytest_edgegate.core.target import HOST_URL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]
from pytest_edgegate.core.ports.runtimes import Runtime


@dataclass(frozen=True)
class Round:
    """Times of single inferences within one opening of the files, in seconds.

    In a comparison, ``artifact`` and ``reference`` each hold two times per ABBA or BAAB block, so
    that both have the same even length; otherwise ``artifact`` holds all times in order and
    ``reference`` is empty.
    """

    artifact: tuple[float, ...]
    reference: tuple[float, ...]
    first: float
    """The time of the artifact's first inference after opening."""
    opening: float
    """The time that opening the files took."""
    settled: bool = True
    """Whether the files were warm when the first of the times was taken."""
    repeat: int = 1
    """The number of inferences averaged per time: more than one if the clock is too coarse."""


class Stopwatch(AbstractContextManager["Stopwatch"], Protocol):
    """Times one or two files in the place where they run."""

    @property
    def source(self) -> str:
        """``host:<runtime>`` or ``device:<url>``."""

    @property
    def conditions(self) -> Mapping[str, object]:
        """Conditions that affect the times (threads, governor, load), before the first round."""

    def now(self) -> float:
        """The time on the clock for time limits, in seconds; it runs on between openings."""

    def round(self, seconds: float) -> Round:
        """Reopens the files, warms them up and times them for about *seconds*, at least once.

        With 0, only the first inference of the artifact is timed.

        Raises ``InferenceError``.
        """


@dataclass(frozen=True)
class Timed:
    """A file and the sample for timing it, in real values and in the axes of the file."""

    path: Path
    sample: tuple[Array, ...]
    files: tuple[Path, ...] = ()
    """Every file that ships with it, for a device without access to this disk."""


@dataclass(frozen=True)
class TimingJob:
    """A request to time one file, or to compare two."""

    url: str
    """The device's URL, or ``HOST_URL`` for this machine."""
    runtime: str
    opener: Runtime
    entry: str | None
    """``module:attribute`` of the runtime, if another process can import it."""
    artifact: Timed
    reference: Timed | None = None
    timeout: float = 120.0
    """The timeout of a round in seconds, after which the device is given up."""
    patience: float = 20.0
    """The time for all rounds together in seconds; the warm-up takes a small part of it."""
    progress: Progress = silent
    """Receives the reason for a delay while the device starts."""

    @property
    def source(self) -> str:
        """The source of the times: ``host:<runtime>`` or ``device:<url>``."""
        return f"host:{self.runtime}" if self.url == HOST_URL else f"device:{self.url}"


class Device(Protocol):
    """A place where files are timed: this host, or a board behind a URL."""

    def open(self, job: TimingJob) -> Stopwatch:
        """Each opening starts a fresh process there.

        Raises ``InferenceError``, ``BackendUnavailableError`` or ``UnsupportedError``.
        """
