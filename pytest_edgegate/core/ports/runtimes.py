"""Runtimes and inspectors: ports that open and read model files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_edgegate.core.description import (
    ExecutedOperator,
    HeldTwice,
    ModelDescription,
    TensorInfo,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_edgegate.workers.launcher import Launcher

    Array = NDArray[np.generic]
from pytest_edgegate.core.ports.models import SourceModel


class Runner(AbstractContextManager["Runner"], Protocol):
    """An opened model. It never times itself."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Name, shape (-1 for a dynamic dimension) and dtype of every input, in feeding order."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The same of every output."""

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """Outputs of a batch of samples, in real values (dequantised), as float32.

        Every input has shape (n, ...) and is in real values too: the runner quantises for a model
        with quantised inputs. It loops if the model's batch size is fixed, and resets a stateful
        model, so that every sample is processed as the first.
        """

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """As ``infer``, with inputs and outputs in the dtypes of the file."""

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        """A function that calls the model once on *sample*, with all preparation done: for timing.

        *sample* is in real values and has shape (1, ...) for each input; it is repeated to fill a
        larger fixed batch. The return value of the call has no meaning.
        """


class Runtime(Protocol):
    """Opens files of its formats."""

    @property
    def formats(self) -> Sequence[str]:
        """The formats that it runs."""

    @property
    def packages(self) -> Sequence[str]:
        """The distributions that affect its results."""

    @property
    def options(self) -> Mapping[str, object]:
        """Other settings that affect its results: threads, kinds of kernels."""

    @property
    def opens_files(self) -> bool:
        """Whether it needs only the path of a file, so that another process can open it."""

    def open(self, model: Path | SourceModel) -> Runner:
        """Raises ``InferenceError`` or ``BackendUnavailableError``."""

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        """The operators as executed, after the runtime's optimisations; None if it hides them.

        *batch* is one sample for each input, in the dtypes of the file.
        """


@runtime_checkable
class RunsElsewhere(Protocol):
    """A runtime whose files are run by a process on another processor, which is emulated here."""

    @property
    def formats(self) -> Sequence[str]:
        """As ``Runtime.formats``."""

    @property
    def source(self) -> str:
        """The source of its figures: ``emulator:NAME``."""

    @property
    def entry(self) -> str:
        """``module:attribute`` of the runtime there."""

    def versions(self) -> Mapping[str, str]:
        """What its figures rest on. Raises ``BackendUnavailableError``."""

    def check(self) -> None:
        """Starts nothing. Raises ``BackendUnavailableError`` if such a process can't be started."""

    def launcher(self) -> Launcher:
        """Starts the processes. Raises ``BackendUnavailableError``."""


@runtime_checkable
class HasOtherVersions(Protocol):
    """A runtime elsewhere whose packages may be of other versions than those here."""

    def other_versions(self) -> str:
        """Both versions of what differs; empty if nothing does.

        Raises ``BackendUnavailableError``.
        """


@runtime_checkable
class RemarksOnKernels(Protocol):
    """A runtime whose kernels on this processor are worth a remark."""

    def kernels(self, model: Path | None, described: ModelDescription) -> str:
        """How the results of a file depend on the processor; empty if they do not.

        *model*: None for a file of others, which this process does not open.
        """


@runtime_checkable
class FindsHeldTwice(Protocol):
    """An inspector that can compare the weights of a file with each other."""

    def held_twice(self, path: Path) -> HeldTwice:
        """Weights with the values of others, in another order of axes too. Reads all weights."""


class Inspector(Protocol):
    """Reads the content of a file without running it."""

    @property
    def formats(self) -> Sequence[str]:
        """The formats that it reads."""

    def describe(self, path: Path) -> ModelDescription:
        """Raises ``InferenceError`` for a damaged file or another format."""
