"""What opens and reads model files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_edgegate.core.description import ExecutedOperator, ModelDescription, TensorInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]
from pytest_edgegate.core.ports.models import SourceModel


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
