"""What makes a model file of another model, and the data that it may use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.layout import AS_THE_MODEL, Layout
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]
from pytest_edgegate.core.ports.models import SourceModel


@dataclass(frozen=True)
class Produced:
    """What a transform wrote. ``main`` is the file that a runtime opens."""

    main: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    layout: Layout = AS_THE_MODEL
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What is worth keeping of how it was made: JSON values. The artifact's provenance has them."""


@dataclass(frozen=True)
class ExternalProgram:
    """A converter whose needs fit no shared environment, run as a program of its own.

    It is looked for where the ini key ``edge_<name>`` says, then on PATH. ``remedy`` is what to
    type where it is missing.
    """

    name: str
    purpose: str
    remedy: str


class TrainingData(Protocol):
    """The train split as a training goes over it."""

    @property
    def settings(self) -> EdgeTraining:
        """What the user says about training: its loss, optimizer and seed are to be used."""

    @property
    def steps(self) -> int | None:
        """Batches an epoch, where that is known."""

    @property
    def progress(self) -> Progress:
        """Where a training tells how far it is."""

    def example(self) -> TrainingBatch:
        """Some samples, up to 256, as they are: drawn by the seed from arrays, the first ones of
        a stream. With the teacher's output for them."""

    def epoch(self, number: int) -> Iterator[TrainingBatch]:
        """Every sample once: shuffled by seed and *number* where the split is an array, augmented.

        No batch but an only one has a single sample: batch normalisation has no variance of one.
        """


class ChildProcess(Protocol):
    """A process of its own that runs one object of a backend."""

    def call(
        self, command: str, arrays: tuple[Array, ...] = (), longer: float = 0.0, **fields: Any
    ) -> tuple[Mapping[str, Any], tuple[Array, ...]]:
        """What its ``answer(command, fields, arrays)`` gives: JSON values and arrays.

        It is stopped when it does not answer within ``edge_runtime_timeout`` and *longer* seconds.
        Raises the ``EdgeGateError`` that it raised there, ``CompressionError`` where it ended.
        """


class TransformData(Protocol):
    """The data that a transform may use."""

    def training(self, inputs: Sequence[TensorInfo]) -> TrainingData:
        """The train split for the *inputs* of the transform's source.

        Raises ``ConfigurationError`` where there is none, or where it does not fit them.
        """

    def process(self, entry: str) -> AbstractContextManager[ChildProcess]:
        """A new process that holds what ``module:attribute`` makes when it is called there."""

    def calibration(self, count: int, inputs: Sequence[TensorInfo]) -> Iterable[tuple[Array, ...]]:
        """Up to *count* calibration samples for the *inputs* of the transform's source.

        One tuple a sample: an array of shape (1, ...) for each input, in their order, dtypes and
        axes. Iterating raises ``ConfigurationError`` where samples and inputs do not fit.
        """

    def program(self, name: str) -> Path:
        """An external program that the transform has listed in ``programs``."""


class Transform(Protocol):
    """Makes a model file of one format from a model of another."""

    @property
    def moves(self) -> Sequence[Move]:
        """What it can do."""

    @property
    def packages(self) -> Sequence[str]:
        """The distributions that it runs; their versions are part of the cache key."""

    @property
    def programs(self) -> Sequence[ExternalProgram]:
        """The programs outside this environment that it runs; found before any work."""

    @property
    def version(self) -> int:
        """Raised whenever the same input would give other bytes than before."""

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        """(reason, remedy) where it can't do the step as it is written; no framework is loaded."""

    def constraints(self, target: Target) -> Mapping[str, object]:
        """The part of the target that changes the bytes it makes; in the cache key."""

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        """Writes the result into the folder *out*.

        Raises ``CompressionError``, ``UnsupportedError`` or ``BackendUnavailableError``.
        """


@runtime_checkable
class ChecksAhead(Protocol):
    """A transform that can tell before the trainings of earlier legs what it would refuse after."""

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        """Raises what ``apply`` would raise for the model's structure, the settings, the labels
        and the packages, without training. *model* is what the plan starts from."""


@runtime_checkable
class TakesGraphs(Protocol):
    """A transform that makes the same bytes of a written graph as of the live model itself."""

    @property
    def takes_graphs(self) -> bool:
        """Always true."""
