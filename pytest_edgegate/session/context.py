"""One artifact with all that its measures may ask for."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Protocol

import numpy as np

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EdgeGateWarning,
    InferenceError,
    UnknownNameError,
    UnsupportedError,
)
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import Inspector, Runtime
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.dataset import Dataset, value_range
from pytest_edgegate.data.feeding import real_range
from pytest_edgegate.data.splits import Array, ArraySplit
from pytest_edgegate.measures.accuracy import reference_fault
from pytest_edgegate.measures.evidence import Evidence, fed_batches, nonfinite_samples, same_samples
from pytest_edgegate.measures.metrics import Scoring, as_scoring
from pytest_edgegate.measures.parity import SHOWN
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.observing import Observer
from pytest_edgegate.session.subject import Recogniser, Subject
from pytest_edgegate.settings.options import Settings

_FEW = 100
"""Below this many samples a reference that is not proven better than chance is only a warning."""


class Workshop(Protocol):
    """What a context needs of the session."""

    @property
    def settings(self) -> Settings: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def recogniser(self) -> Recogniser: ...

    @property
    def observer(self) -> Observer: ...

    def inspector(self, form: str) -> Inspector: ...

    def float_export(self, subject: Subject, target: Target, form: str) -> Artifact: ...


class ArtifactContext:
    """``MeasureContext`` over the session's cache and backends."""

    def __init__(
        self, session: Workshop, artifact: Artifact, subject: Subject, target: Target
    ) -> None:
        self._session = session
        self._subject = subject
        self.artifact = artifact
        self.target = target
        self.machine = processor().machine

    @cached_property
    def scoring(self) -> Scoring:
        return as_scoring(self._subject.metric, indexable=self._dataset.evaluation.indexable)

    @cached_property
    def _dataset(self) -> Dataset:
        return self._session.recogniser.dataset(self._subject.data)

    @property
    def _runtimes(self) -> tuple[str, ...]:
        return self.target.runtimes[self.artifact.format]

    def description(self) -> ModelDescription:
        return self._description

    @cached_property
    def _description(self) -> ModelDescription:
        return self._session.inspector(self.artifact.format).describe(self.artifact.path)

    def float_export(self) -> Artifact | NotMeasured:
        if not self._subject.has_model:
            return NotMeasured(
                "compression",
                "there is no edge_model to export in float",
                "define the fixture edge_model: the model that this file was made from",
            )
        try:
            return self._session.float_export(self._subject, self.target, self.artifact.format)
        except UnsupportedError as error:
            return NotMeasured("compression", error.message, error.remedy)

    def reference(self) -> Evidence | NotMeasured:
        model = self._session.recogniser.model(self._subject.model)
        if model.path is not None and model.digest() == self.artifact.sha256:
            return NotMeasured(
                "accuracy_drop",
                f"{model.path.name} is the model under test and the artifact in one: a drop from "
                "itself says nothing",
                "gate accuracy_min (with --edge-model: ini edge_budgets), or give the float model "
                "as edge_model and gate this file with edge_gate.check",
            )
        seen = self._session.observer.predictions(
            model, model.digest(), model.runtime, self._dataset.evaluation, self.scoring
        )
        same_samples(seen, self.predictions(), "evaluation")
        self._check_reference(seen)
        return seen

    def predictions(self) -> Evidence:
        return self._predictions

    @cached_property
    def _predictions(self) -> Evidence:
        return self._session.observer.predictions(
            self.artifact.path, self.artifact.sha256, self._runtimes[0],
            self._dataset.evaluation, self.scoring,
        )  # fmt: skip

    def parity(self, limit: int | None = None) -> Evidence | NotMeasured:
        if len(self._runtimes) < 2:
            return NotMeasured(
                "parity",
                f"{self.target.name} lists one runtime for {self.artifact.format}",
                "list another one to compare with in the target's runtimes",
            )
        try:
            return self._session.observer.parity(
                self.artifact.path, self.artifact.sha256, self._runtimes,
                self._dataset.evaluation, limit,
            )  # fmt: skip
        except (BackendUnavailableError, UnknownNameError) as error:
            return NotMeasured("parity", error.message, error.remedy)

    def shown_parity(self) -> str:
        """The agreement of some samples, for the report when no budget asks for it."""
        if not self._subject.has_data or self._dataset.split("evaluation") is None:
            return ""
        try:
            seen = self.parity(SHOWN)
        except InferenceError as error:
            return f"parity, not gated: {error.message}"
        if isinstance(seen, NotMeasured) or np.isnan(seen.arrays["agreement"]).any():
            return ""
        share = float(seen.arrays["agreement"].mean())
        below = "" if share >= 0.99 else ", below the usual 0.99"
        return (
            f"parity, not gated: agreement {share:.3f}{below} on {seen.n} samples "
            f"({', '.join(self._runtimes)})"
        )

    def probe(self) -> str:
        runtime: Runtime = self._session.registry.get("runtime", self._runtimes[0])
        with runtime.open(self.artifact.path) as runner:
            if self._subject.has_data and self._dataset.split("evaluation") is not None:
                _, inputs = next(fed_batches(runner, self._dataset.evaluation, 1))
            else:
                inputs = tuple(map(_mid_range, runner.inputs))
            bad = bool(nonfinite_samples(runner.infer(inputs)).any())
        return "one inference gives NaN or Inf" if bad else ""

    def range_note(self) -> str:
        """How the evaluation samples lie apart from what the artifact was made for, or nothing."""
        evaluation = self._dataset.split("evaluation")
        if not isinstance(evaluation, ArraySplit):
            return ""
        own = value_range(evaluation.inputs)
        given = self.artifact.provenance.get("calibration_range")
        made_for = "the calibration samples go from"
        if given is None:  # a file of unknown making: its input tells what it was calibrated for
            tensors = self.description().inputs
            if len(tensors) != 1 or tensors[0].dtype not in ("int8", "uint8"):
                return ""
            if not tensors[0].scales:
                return ""
            given, made_for = real_range(tensors[0]), "the file's input stands for"
        if _alike(given, own):
            return ""
        return (
            f"{made_for} {given[0]:.4g} to {given[1]:.4g}, the evaluation samples from "
            f"{own[0]:.4g} to {own[1]:.4g}"
        )

    def _check_reference(self, seen: Evidence) -> None:
        if not self._session.settings.reference_check or seen.nonfinite:
            return
        fault = reference_fault(self.scoring, seen)
        if fault is None:
            return
        if seen.n >= _FEW:
            raise ConfigurationError(*fault)
        warnings.warn(f"{fault[0]}; {fault[1]}", EdgeGateWarning, stacklevel=2)


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two ranges overlap by at least half of the wider one."""
    wider = max(one[1] - one[0], other[1] - other[0])
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return wider <= 0 or shared >= wider / 2


def _mid_range(tensor: TensorInfo) -> Array:
    """A sample of seeded noise for an input, where there is no data to take one from."""
    shape = (1, *(max(size, 1) for size in tensor.shape[1:]))
    drawn = np.random.default_rng(0).random(shape, np.float32)
    if tensor.scales:
        low, high = real_range(tensor)
        return np.asarray(low + drawn * (high - low), np.float32)
    return drawn.astype(tensor.dtype)
