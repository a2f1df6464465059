"""Where model files are timed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_edgegate.core.progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]
from pytest_edgegate.core.ports.runtimes import Runtime


@dataclass(frozen=True)
class Round:
    """Times in seconds, of single inferences between one opening of the files and the next.

    ``artifact`` and ``reference`` hold two times of each block, which went ABBA or BAAB, so that
    both are of one even length; where nothing is compared, ``artifact`` holds all times in order
    and ``reference`` none.
    """

    artifact: tuple[float, ...]
    reference: tuple[float, ...]
    first: float
    """The artifact's first inference after it was opened."""
    opening: float
    """What opening the files took."""
    settled: bool = True
    """Whether the files were warm when the first of the times was taken."""
    repeat: int = 1
    """How many inferences each time is the mean of: more than one below the clock's steps."""


class Stopwatch(AbstractContextManager["Stopwatch"], Protocol):
    """Files that are about to be timed, where they run."""

    @property
    def source(self) -> str:
        """``host:<runtime>`` or ``device:<url>``."""

    @property
    def conditions(self) -> Mapping[str, object]:
        """What the times depend on: threads, governor, load; read before the first round."""

    def now(self) -> float:
        """Seconds on the clock that a time limit is kept by, which goes on between openings."""

    def round(self, seconds: float) -> Round:
        """Opens the files anew, warms them up and times them for about that long, at least once.

        For no time at all, only the first inference of the artifact is timed.

        Raises ``InferenceError``.
        """


@dataclass(frozen=True)
class Timed:
    """A file and the sample that it is timed on, in real values and in the axes of the file."""

    path: Path
    sample: tuple[Array, ...]
    files: tuple[Path, ...] = ()
    """Those that belong to it and lie beside it, for a place that shares no disk with this one."""


@dataclass(frozen=True)
class TimingJob:
    """What is timed: one file, or two against each other."""

    url: str
    """Where: the device's URL, ``host`` for this one."""
    runtime: str
    opener: Runtime
    entry: str | None
    """``module:attribute`` of the runtime, where another process can import it."""
    artifact: Timed
    reference: Timed | None = None
    timeout: float = 120.0
    """Seconds that a round may take before the device is given up."""
    patience: float = 20.0
    """Seconds that all rounds may take together; a warm-up may take a small part of them."""
    progress: Progress = silent
    """Takes what keeps the device from starting."""


class Device(Protocol):
    """A place where files are timed: this host, or a board that a URL leads to."""

    def open(self, job: TimingJob) -> Stopwatch:
        """Each opening is a fresh process there.

        Raises ``InferenceError``, ``BackendUnavailableError`` or ``UnsupportedError``.
        """
