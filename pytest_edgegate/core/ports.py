"""The ports that backends fill. A backend is reached through an entry point, never imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pytest_edgegate.core.description import ExecutedOperator, ModelDescription, TensorInfo
from pytest_edgegate.core.layout import AS_THE_MODEL, Layout
from pytest_edgegate.core.measurement import Finding
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.progress import Tell, silent
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True)
class LoadedModel:
    """A framework's model as one function, the same for every way that it was saved in.

    ``function`` takes one tensor of the framework for each of ``inputs`` and returns one for each
    of ``outputs``. ``framework_model`` is the framework's own object, where there is one.
    """

    function: Callable[..., Sequence[Any]]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[str, ...]
    framework_model: Any = None
    notes: tuple[str, ...] = ()
    stateful: tuple[str, ...] = ()
    """The parts that keep something from one call to the next, by name."""
    reset: Callable[[], None] | None = None
    """Puts what they keep back to its beginning."""
    trainable: Callable[[], Any] | None = None
    """Gives a copy of the model that may be changed and trained, in the framework's own kind; None
    for what has no such thing (a graph whose weights are frozen)."""
    training_identity: Callable[[], str] | None = None
    """Of a live model: a digest of all that only a training reads (what is frozen, dropout rates,
    regularisers, code for training), which the digest of its outputs does not have. None for a
    file, whose bytes have it all."""


class SourceModel(Protocol):
    """A model under test: known by its content, loaded only when something must be built."""

    @property
    def name(self) -> str:
        """A short name for messages and file names."""

    @property
    def node(self) -> tuple[str, str]:
        """(format, dtype): the node of the planner's graph that it stands on."""

    @property
    def path(self) -> Path | None:
        """The file or folder that it was read from, or None for a live object."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that ships with it, ``path`` first; none for a live object."""

    @property
    def runtime(self) -> str:
        """The runtime that runs it as it is, for reference predictions."""

    @property
    def note(self) -> str:
        """Something to tell the user about it ("read by tf-keras"), or nothing."""

    def digest(self) -> str:
        """Of all that decides its outputs: graph and weights, or the bytes of its files."""

    def load(self) -> LoadedModel:
        """The model, ready to be called. The framework is imported here and not before."""


@dataclass(frozen=True)
class Example:
    """One sample of the user's data: an array of shape (1, ...) for each input.

    ``names`` are those of the inputs, where the data has them.
    """

    arrays: tuple[Array, ...]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Surroundings:
    """What a reader may know beside the candidate.

    ``example`` gives a sample of the user's data, for models that do not say what they take; it
    raises ``ConfigurationError`` where there is none. ``allow_code``: the user trusts the file.
    """

    example: Callable[[], Example]
    allow_code: bool = False


class ModelReader(Protocol):
    """Recognises what a user gives as a model."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        """The model, if *candidate* (an object or an existing ``Path``) is of this reader's kind.

        Imports no framework. Raises an ``EdgeGateError`` for what is of its kind but unusable.
        """


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
    def tell(self) -> Tell:
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
class HasGraph(Protocol):
    """A live model whose graph can be written down, so that another process converts it."""

    @property
    def graph_reader(self) -> str:
        """``module:attribute`` of the reader of what is written."""

    def write_graph(self, folder: Path) -> None:
        """Writes the graph, traced for one sample, its weights in it, into an empty *folder*.

        Raises whatever tracing or writing does.
        """


@runtime_checkable
class TakesGraphs(Protocol):
    """A transform that makes the same bytes of a written graph as of the live model itself."""

    @property
    def takes_graphs(self) -> bool:
        """Always true."""


@runtime_checkable
class ChecksAhead(Protocol):
    """A transform that can tell before the trainings of earlier legs what it would refuse after."""

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        """Raises what ``apply`` would raise for the model's structure, the settings, the labels
        and the packages, without training. *model* is what the plan starts from."""


class Runner(AbstractContextManager["Runner"], Protocol):
    """An opened model. It never times itself."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Name, shape (with -1 for what is free) and dtype of every input, in feeding order."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The same of every output."""

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """Outputs of a batch of samples, in real values (dequantised), as float32.

        Every input has shape (n, ...) and is in real values too: the runner quantises for a model
        whose inputs are integers with a scale. Loops inside where the model's batch is fixed, and
        resets what a stateful model keeps: every sample is the first one.
        """

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """As ``infer``, with inputs and outputs in the dtypes of the file."""

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        """One call of the model on *sample*, all that can be done before it done: for timing.

        *sample* is in real values and has shape (1, ...) for each input; a model whose batch is
        fixed to more gets it repeated. What the call returns means nothing.
        """


class Runtime(Protocol):
    """Opens files of its formats."""

    @property
    def formats(self) -> Sequence[str]:
        """The formats that it runs."""

    @property
    def packages(self) -> Sequence[str]:
        """The distributions that decide its results."""

    @property
    def options(self) -> Mapping[str, object]:
        """What else does: threads, kinds of kernels."""

    @property
    def opens_files(self) -> bool:
        """Whether the path of a file is all that it needs, so that another process can open it."""

    def open(self, model: Path | SourceModel) -> Runner:
        """Raises ``InferenceError`` or ``BackendUnavailableError``."""

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        """What really runs, after the runtime's own optimisations; None where it does not tell.

        *batch* is one sample for each input, in the dtypes of the file.
        """


class Inspector(Protocol):
    """Reads what is in a file without running it."""

    @property
    def formats(self) -> Sequence[str]:
        """The formats that it reads."""

    def describe(self, path: Path) -> ModelDescription:
        """Raises ``InferenceError`` for a file that is damaged or of another format."""


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
    """Where: what follows ``device:`` in the target's ``latency.source``; "host" for this one."""
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
    tell: Tell = silent
    """Takes what keeps the device from starting."""


class Device(Protocol):
    """A place where files are timed: this host, or a board that a URL leads to."""

    def open(self, job: TimingJob) -> Stopwatch:
        """Each opening is a fresh process there.

        Raises ``InferenceError``, ``BackendUnavailableError`` or ``UnsupportedError``.
        """


class Estimator(Protocol):
    """A vendor's tool that tells figures of a device that is not here."""

    @property
    def metrics(self) -> Sequence[str]:
        """The budgets that it can measure."""

    def estimate(self, path: Path, metric: str, target: Target) -> Finding:
        """The figure, or why there is none."""


@runtime_checkable
class Reporter(Protocol):
    """Writes the verdicts of a run to a file."""

    def write(
        self, path: Path, verdicts: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]
    ) -> None:
        """*verdicts* and *environment* are in the form of the JSON report, schema 1."""
