"""What a user gives as a model, and who recognises it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pytest_edgegate.core.description import TensorInfo

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
