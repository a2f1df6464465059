"""``measures.providers.File``: the content of an artifact, and its execution in a runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import Inspector, Runner
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.feeding import noise, quantised
from pytest_edgegate.data.laid_out import transposed
from pytest_edgegate.data.lone_runner import LoneRunner
from pytest_edgegate.data.runners import Block
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import fed_batches, nonfinite_samples
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.kept_steadiness import KeptSteadiness
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen

Export = Callable[[Case, str, Recipe], Artifact]
"""Exports the model under test of a case in float, in a format, after float steps."""


class _Trial(NamedTuple):
    """What a first inference shows."""

    nonfinite: bool
    alone: bool
    """Whether it takes one sample at a time only, though it declares a free batch."""


class CaseFile:
    """An artifact of a case. It is opened once for each query to its runtime."""

    def __init__(
        self,
        case: Case,
        artifact: Artifact,
        inspector: Inspector,
        opener: Opener,
        steadiness: KeptSteadiness,
        export: Export,
    ) -> None:
        """*steadiness* looks at the artifact while it is opened for a first inference."""
        self._case = case
        self.artifact = artifact
        self._inspector = inspector
        self._opener = opener
        self._steadiness = steadiness
        self._export = export
        self._exports: dict[Recipe, Artifact | NotMeasured] = {}

    @property
    def target(self) -> Target:
        return self._case.target

    def description(self) -> ModelDescription:
        return self._description

    @cached_property
    def _description(self) -> ModelDescription:
        return self._inspector.describe(self.artifact.main)

    def described(self, export: Artifact) -> ModelDescription:
        return self._inspector.describe(export.main)

    @cached_property
    def specimen(self) -> Specimen:
        """The artifact in the runtime that measures accuracy."""
        runtime = self.target.runtimes[self.artifact.format][0]
        return Specimen.of_artifact(self.artifact, runtime, self._case.subject, self.description)

    def probe(self) -> str:
        return "one inference gives NaN or Inf" if self._trial.nonfinite else ""

    def runs_alone(self) -> bool:
        return self._trial.alone

    @cached_property
    def _trial(self) -> _Trial:
        with self._opener.open(self.specimen) as runner:
            sample = self._one_sample(runner)
            nonfinite = bool(nonfinite_samples(runner.infer(sample)).any())
            if self._case.subject.has_evaluation and not nonfinite:
                self._steadiness.of(runner, self.specimen, self._case.subject.dataset.evaluation)
            if not isinstance(runner, LoneRunner):
                return _Trial(nonfinite, alone=False)
            runner.infer(tuple(np.repeat(each, 2, axis=0) for each in sample))
            return _Trial(nonfinite, runner.alone)

    def executed(self) -> tuple[ExecutedOperator, ...] | None:
        return self._executed

    @cached_property
    def _executed(self) -> tuple[ExecutedOperator, ...] | None:
        if not self.target.is_host(processor().machine):
            return None  # this host's kernels are not the device's
        with self._opener.open(self.specimen) as runner:
            sample = self._one_sample(runner)
            batch = Block.of(
                sample, 0, 1, max(each.shape[0] for each in runner.inputs if each.shape)
            )
            raw = tuple(map(quantised, batch.arrays, runner.inputs))
        return self._opener.executed(self.specimen, transposed(raw, self.specimen.layout.inputs))

    def _one_sample(self, runner: Runner) -> tuple[Array, ...]:
        """A real sample where there is one, else noise."""
        subject = self._case.subject
        if subject.has_evaluation:
            return next(fed_batches(runner, subject.dataset.evaluation, 1))[1]
        return tuple(map(noise, runner.inputs))

    def float_export(self, steps: Recipe = ()) -> Artifact | NotMeasured:
        if steps not in self._exports:
            self._exports[steps] = self._exported(steps)
        return self._exports[steps]

    def _exported(self, steps: Recipe) -> Artifact | NotMeasured:
        if not self._case.subject.has_model:
            return NotMeasured(
                "there is no edge_model to export in float",
                "define the fixture edge_model: the model that this file was made from",
            )
        try:
            return self._export(self._case, self.artifact.format, steps)
        except UnsupportedError as error:
            return NotMeasured(error.message, error.remedy)
