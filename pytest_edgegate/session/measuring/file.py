"""``measures.providers.File``: the content of an artifact, and its execution in a runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import (
    ExecutedOperator,
    HeldTwice,
    ModelDescription,
    SignatureInfo,
    TensorInfo,
)
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    UnsupportedError,
)
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import FindsHeldTwice, Inspector, Runner
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Placed
from pytest_edgegate.data.feeding import noise, quantised
from pytest_edgegate.data.input_order import InputOrder
from pytest_edgegate.data.lone_runner import LoneRunner
from pytest_edgegate.data.runners import Block
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import fed_batches, nonfinite_samples
from pytest_edgegate.measures.providers import TriedSignature
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.intake.signatures import SelectedCopy
from pytest_edgegate.session.measuring.input_orders import InputOrders
from pytest_edgegate.session.measuring.kept_steadiness import KeptSteadiness
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import AS_GIVEN, Specimen

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
        placed: Callable[[], Placed | None] = lambda: None,
        gates_mapping: Callable[[], bool] = lambda: False,
    ) -> None:
        """*steadiness* looks at the artifact while it is opened for a first inference.

        *placed*: what a vendor's compiler says of its operators; *gates_mapping*: whether a budget
        on mapped_ops decides about them.
        """
        self.placed = placed
        self._gates_mapping = gates_mapping
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

    @cached_property
    def gates_mapping(self) -> bool:
        return self._gates_mapping()

    def description(self) -> ModelDescription:
        return self._description

    @cached_property
    def _description(self) -> ModelDescription:
        return self._inspector.describe(self.artifact.main)

    def described(self, export: Artifact) -> ModelDescription:
        return self._inspector.describe(export.main)

    def held_twice(self, export: Artifact) -> HeldTwice:
        inspector = self._inspector
        if not isinstance(inspector, FindsHeldTwice):
            return HeldTwice()
        return self._opener.held_twice(export.digest, lambda: inspector.held_twice(export.main))

    @cached_property
    def specimen(self) -> Specimen:
        """The artifact in the runtime that measures accuracy. Raises ConfigurationError."""
        runtime = self.target.runtimes[self.artifact.format][0]
        if self._opener.runs_elsewhere(runtime):
            raise ConfigurationError(
                f"target {self.target.name!r} lists {runtime} first, and an emulator is too slow "
                "to measure accuracy on all samples",
                "list a runtime of this machine first: the emulated one is compared with it",
            )
        return Specimen.of_artifact(
            self.artifact,
            runtime,
            self._case.subject,
            self.description,
            self._order_of_inputs(),
            self._names_of_model,
        )

    def _names_of_model(self) -> tuple[str, ...]:
        if not self._case.subject.has_model:
            return ()
        try:
            return self._opener.output_names(Specimen.of_model(self._case.subject.model))
        except (BackendUnavailableError, UnsupportedError):
            return ()

    def _order_of_inputs(self) -> InputOrder:
        """Of a third-party file; the gate's own files have the order of the model."""
        if self.artifact.made:
            return AS_GIVEN
        orders = InputOrders(self._opener, self._case.subject)
        return orders.of_file(self.artifact.path.name, lambda: self._description.inputs)

    def probe(self) -> str:
        return "one inference gives NaN or Inf" if self._trial.nonfinite else ""

    def layout(self) -> Layout:
        return self.specimen.layout

    def runs_alone(self) -> bool:
        return self._trial.alone

    @cached_property
    def _trial(self) -> _Trial:
        if self.description().compiled is not None:
            return _Trial(nonfinite=False, alone=False)  # nothing here runs it
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
        if self.description().compiled is not None:
            return None
        with self._opener.open(self.specimen) as runner:
            sample = self._one_sample(runner)
            batch = Block.of(sample, 0, 1, _fixed_batch(sample, runner.inputs))
            raw = tuple(map(quantised, batch.arrays, runner.inputs))
        return self._opener.executed(self.specimen, self.specimen.as_file(raw))

    def kernels(self) -> str:
        described = self.description()
        if described.compiled is not None:
            return ""
        return self._opener.kernels(self.specimen, described)

    def _one_sample(self, runner: Runner) -> tuple[Array, ...]:
        """A real sample where there is one, else noise."""
        subject = self._case.subject
        if subject.has_evaluation:
            first = next(fed_batches(runner, subject.dataset.evaluation))[1]
            return tuple(each[:1] for each in first)
        return tuple(map(noise, runner.inputs))

    def other_signatures(self) -> tuple[TriedSignature, ...]:
        return self._other_signatures

    @cached_property
    def _other_signatures(self) -> tuple[TriedSignature, ...]:
        found = self._description.signatures
        return tuple(map(self._tried, (each for each in found if not each.gated)))

    def _tried(self, signature: SignatureInfo) -> TriedSignature:
        select = self.artifact.select
        if select is None:
            return TriedSignature(signature.name, caution="was not run")
        if not signature.runnable:
            return TriedSignature(
                signature.name,
                caution="was not run: it takes other things than numbers, or has operators of "
                "its own",
            )
        copy = SelectedCopy(self.artifact.path.name)
        select(signature.name, copy.files[0])
        chosen = Specimen(
            copy.files[0], file_digest(copy.files[0]), self.specimen.runtime, content=copy.files
        )
        return self._opener.on_zeros(chosen, signature.name)

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


def _fixed_batch(sample: tuple[Array, ...], inputs: Sequence[TensorInfo]) -> int:
    """The number of samples that a file takes at a time; 1 if it is free or has no axis."""
    pairs = zip(sample, inputs, strict=True)
    return max((each.shape[0] for array, each in pairs if array.ndim == len(each.shape)), default=1)
