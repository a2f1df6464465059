"""The model under test as a teacher in its own runtime."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from types import TracebackType

from pytest_edgegate.core.ports import Runner, SourceModel
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.lone_runner import one_at_a_time
from pytest_edgegate.data.splits import Array, Batch, Split
from pytest_edgegate.measures.steadiness import Conduct
from pytest_edgegate.session.measuring.kept_steadiness import KeptSteadiness, refuse_unsteady
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen


class TeacherModel:
    """``data.training_loop.Teacher`` of the train data.

    It is opened on first use, at the latest when it is entered, and has to answer alike: a student
    learns what was drawn at random, or what other samples of a batch have added. Raises
    ConfigurationError or InferenceError.
    """

    def __init__(
        self, model: SourceModel, opener: Opener, steadiness: KeptSteadiness, train: Split
    ) -> None:
        self._specimen = Specimen.of_model(model)
        self._opener = opener
        self._steadiness = steadiness
        self._train = train
        self._opened = ExitStack()

    def identity(self) -> dict[str, object]:
        """Everything that affects its outputs, for cache keys."""
        return self._opener.identity(self._specimen)

    def __enter__(self) -> TeacherModel:
        _ = self._runner
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__dict__.pop("_runner", None)
        self._opened.__exit__(kind, value, traceback)

    @cached_property
    def _runner(self) -> Runner:
        with ExitStack() as opened:
            runner = opened.enter_context(self._opener.open(self._specimen))
            found = self._steadiness.of(runner, self._specimen, self._train)
            refuse_unsteady(self._specimen, found)
            self._opened = opened.pop_all()
        by_batch = found.conduct in (Conduct.BY_BATCH, Conduct.BY_RANGE)
        return one_at_a_time(runner) if by_batch else runner

    def outputs(self, batch: Batch, names: tuple[str, ...] | None) -> Array:
        fed = arrange(batch.inputs, names, self._runner.inputs, "train")
        return self._runner.infer(fed)[0]
