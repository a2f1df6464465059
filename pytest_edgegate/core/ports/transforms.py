"""The ports of transforms, which convert models, and of the data that they may use."""

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
from pytest_edgegate.core.ports.models import GraphBatch, SourceModel


@dataclass(frozen=True)
class Produced:
    """The output of a transform. ``main`` is the file that a runtime opens."""

    main: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    layout: Layout = AS_THE_MODEL
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Facts about the conversion for the artifact's provenance, as JSON values."""


@dataclass(frozen=True)
class ExternalProgram:
    """A converter with incompatible dependencies, run as an external program.

    It is looked up by the ini key ``edge_<name>``, then on PATH. ``remedy`` is the command that
    installs it.
    """

    name: str
    purpose: str
    remedy: str


class TrainingData(Protocol):
    """The train split as batches for a training."""

    @property
    def settings(self) -> EdgeTraining:
        """The user's training settings: loss, optimizer and seed have to be used."""

    @property
    def steps(self) -> int | None:
        """Batches per epoch, if known."""

    @property
    def progress(self) -> Progress:
        """Receives the progress of a training."""

    def example(self) -> TrainingBatch:
        """Up to 256 samples without augmentation, with the teacher's output: a seeded draw from
        arrays, the first ones of a stream."""

    def epoch(self, number: int) -> Iterator[TrainingBatch]:
        """Every sample once, augmented; shuffled by the seed and *number* if the split is an array.

        No batch has a single sample unless it is the only one, because batch normalisation needs
        a variance.
        """


class ChildProcess(Protocol):
    """A separate process that runs one object of a backend."""

    def call(
        self, command: str, arrays: tuple[Array, ...] = (), longer: float = 0.0, **fields: Any
    ) -> tuple[Mapping[str, Any], tuple[Array, ...]]:
        """Calls ``answer(command, fields, arrays)`` there; returns JSON values and arrays.

        The process is stopped if it does not answer within ``edge_runtime_timeout`` plus *longer*
        seconds. Raises the ``EdgeGateError`` raised there, or ``CompressionError`` if it exited.
        """


class TransformData(Protocol):
    """The data and helpers available to a transform."""

    def training(self, inputs: Sequence[TensorInfo]) -> TrainingData:
        """The train split, arranged for the *inputs* of the transform's source.

        Raises ``ConfigurationError`` if there is none, or if it does not fit the inputs.
        """

    def process(self, entry: str) -> AbstractContextManager[ChildProcess]:
        """A new process holding the object that calling ``module:attribute`` there creates."""

    def calibration(self, count: int, inputs: Sequence[TensorInfo]) -> Iterable[tuple[Array, ...]]:
        """Up to *count* calibration samples, arranged for the *inputs* of the transform's source.

        One tuple per sample: an array of shape (1, ...) for each input, in their order, dtypes and
        axes. Iterating raises ``ConfigurationError`` if samples and inputs do not fit.
        """

    def program(self, name: str) -> Path:
        """The path of an external program that the transform lists in ``programs``."""


class Transform(Protocol):
    """Converts a model into a file of another format or dtype."""

    @property
    def moves(self) -> Sequence[Move]:
        """The conversions that it offers."""

    @property
    def packages(self) -> Sequence[str]:
        """The distributions that it uses; their versions are part of the cache key."""

    @property
    def programs(self) -> Sequence[ExternalProgram]:
        """The external programs that it runs; they are located before any work."""

    @property
    def version(self) -> int:
        """Incremented whenever the same input would give different bytes than before."""

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        """(reason, remedy) if it can't do the given step; loads no framework."""

    def constraints(self, target: Target) -> Mapping[str, object]:
        """The properties of the target that affect its output; part of the cache key."""

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        """Converts the model into files in the folder *out*.

        Raises ``CompressionError``, ``UnsupportedError`` or ``BackendUnavailableError``.
        """


@runtime_checkable
class ChecksAhead(Protocol):
    """A transform that can check a model before earlier legs of the plan train it."""

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        """Raises the errors of ``apply`` about the model's structure, the settings, the labels and
        the packages, without training. *model* is the model that the plan starts from."""


@runtime_checkable
class TakesGraphs(Protocol):
    """A transform that may accept the written graph of a live model in the model's place."""

    @property
    def takes_graphs(self) -> GraphBatch | None:
        """The batch of the written graphs that it converts to the same bytes as the live models.

        If None, as without this property, live models are converted in the session's process.
        Trainings never get a graph.
        """
