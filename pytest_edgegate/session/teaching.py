"""The model under test as a teacher: run as it is, in its own runtime."""

from __future__ import annotations

from functools import cached_property
from types import TracebackType

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import Runner, SourceModel
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, Batch
from pytest_edgegate.session.observing import Observer, Seen


class TeacherModel:
    """``data.training.Teacher``: opened when its first output is asked for."""

    def __init__(self, model: SourceModel, observer: Observer) -> None:
        if not model.runtime:
            raise UnsupportedError(
                f"nothing here runs {model.name} as it is, so nothing learns from it",
                "install the extra of its format, or give another edge_model",
            )
        self._seen = Seen(model, model.digest(), model.runtime)
        self._observer = observer

    def identity(self) -> dict[str, object]:
        """All that decides its outputs, for cache keys."""
        return self._observer.identity(self._seen)

    def __enter__(self) -> TeacherModel:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        if "_runner" in self.__dict__:
            self._runner.__exit__(kind, value, traceback)
            del self._runner

    @cached_property
    def _runner(self) -> Runner:
        return self._observer.open(self._seen).__enter__()

    def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> Array:
        fed = arrange(batch.inputs, names, self._runner.inputs, "train")
        return self._runner.infer(fed)[0]
