"""Models under test, and the readers that recognise them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True)
class LoadedModel:
    """A framework's model as one function, independent of how it was saved.

    ``function`` takes one tensor of the framework for each of ``inputs`` and returns one for each
    of ``outputs``. ``framework_model`` is the framework's own object, if there is one.
    """

    function: Callable[..., Sequence[Any]]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[str, ...]
    framework_model: Any = None
    notes: tuple[str, ...] = ()
    stateful: tuple[str, ...] = ()
    """The parts that keep state between calls, by name."""
    reset: Callable[[], None] | None = None
    """Resets that state."""
    trainable: Callable[[], Any] | None = None
    """Returns a copy of the framework's model that may be changed and trained; None if the model
    cannot be trained (a graph with frozen weights)."""
    unexported: UnsupportedError | None = None
    """The reason why nothing can be made of the model, which can only be run."""
    training_identity: Callable[[], str] | None = None
    """For a live model: a digest of everything that only training uses (frozen layers, dropout
    rates, regularisers, training code), which ``digest`` leaves out. None for a file, whose bytes
    cover it."""
    unrolled: Callable[[], Unrolled] | None = None
    """Returns the model in a form without loops over time steps, for a conversion that can't take
    loops. None if the model has no recurrent layers, or none that can be reached (a SavedModel).
    Raises ``UnsupportedError`` if they can't be unrolled."""


@dataclass(frozen=True)
class Unrolled:
    """A model whose recurrent layers compute one time step after the other, without a loop.

    ``model`` has the inputs, the outputs and, up to rounding, the values of the model itself.
    """

    model: LoadedModel
    layers: tuple[str, ...]
    """The layers that are loops in the model itself, by name."""
    steps: int
    """The number of time steps that they loop over, added up."""


class SourceModel(Protocol):
    """A model under test: identified by its content, loaded only when something must be built."""

    @property
    def name(self) -> str:
        """A short name for messages and file names."""

    @property
    def node(self) -> tuple[str, str]:
        """(format, dtype): its node in the planner's graph."""

    @property
    def path(self) -> Path | None:
        """The file or folder that it was read from, or None for a live object."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that ships with it, ``path`` first; none for a live object."""

    @property
    def runtime(self) -> str:
        """The name of the runtime for its reference predictions."""

    @property
    def note(self) -> str:
        """A note for the user about it ("read by tf-keras"), or an empty string."""

    def digest(self) -> str:
        """Digest of all that determines its outputs: graph and weights, or its files."""

    def load(self) -> LoadedModel:
        """The model, ready to be called. The framework is imported here, not earlier."""


@dataclass(frozen=True)
class Example:
    """One sample of the user's data: an array of shape (1, ...) for each input.

    ``names`` are the names of the inputs, if the data has them.
    """

    arrays: tuple[Array, ...]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Surroundings:
    """The context that a reader may use besides the candidate.

    ``example`` returns a sample of the user's data, for models that do not declare their inputs; it
    raises ``ConfigurationError`` if there is none. ``allow_code``: the user trusts the file.
    """

    example: Callable[[], Example]
    allow_code: bool = False


@runtime_checkable
class HasSignatures(Protocol):
    """A model file with several entry points, of which a runtime runs the first."""

    @property
    def signatures(self) -> tuple[str, ...]:
        """Their names."""

    def select(self, name: str, out: Path) -> None:
        """Writes the same model with the signature *name* first to the file *out*."""


@runtime_checkable
class DeclaresInputs(Protocol):
    """A model file that may state its inputs where they can be read without its framework."""

    def declared_inputs(self) -> tuple[TensorInfo, ...]:
        """Its inputs; none where only the framework knows them."""


class ModelReader(Protocol):
    """Recognises models of its formats."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        """The model, if this reader supports *candidate* (an object or an existing ``Path``).

        Imports no framework. Raises an ``EdgeGateError`` for a supported but unusable model.
        """


class GraphBatch(Enum):
    """The batch of a written graph."""

    ONE = "one"
    """A single sample."""
    FREE = "free"
    """Any number of samples, where the model allows it."""


@runtime_checkable
class MayOnlyRun(Protocol):
    """A live model that may be one that can be run, as a reference, and not be converted."""

    @property
    def lasting(self) -> bool:
        """Whether another process gives the same model the same digest."""

    def runnable(self) -> LoadedModel:
        """As ``load``, which raises for a model that can't be converted."""


@runtime_checkable
class HasGraph(Protocol):
    """A live model whose graph can be written down, so that another process converts it."""

    @property
    def graph_reader(self) -> str:
        """``module:attribute`` of the reader of what is written."""

    def write_graph(self, folder: Path, batch: GraphBatch) -> None:
        """Writes the graph, traced for that *batch*, with its weights, into an empty *folder*.

        A framework that traces a model once writes the same graph for every batch. Raises whatever
        tracing or writing does.
        """
