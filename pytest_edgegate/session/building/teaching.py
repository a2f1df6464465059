"""The model under test as a teacher in its own runtime."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType

from pytest_edgegate.core.ports import Runner, SourceModel
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, Batch
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen


class TeacherModel:
    """``data.training_loop.Teacher``, opened on first use."""

    def __init__(self, model: SourceModel, opener: Opener) -> None:
        self._specimen = Specimen.of_model(model)
        self._opener = opener

    def identity(self) -> dict[str, object]:
        """Everything that affects its outputs, for cache keys."""
        return self._opener.identity(self._specimen)

    def __enter__(self) -> TeacherModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if "_runner" in self.__dict__:
            self._runner.__exit__(kind, value, traceback)
            del self._runner

    @cached_property
    def _runner(self) -> Runner:
        return self._opener.open(self._specimen).__enter__()

    def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> Array:
        fed = arrange(batch.inputs, names, self._runner.inputs, "train")
        return self._runner.infer(fed)[0]
