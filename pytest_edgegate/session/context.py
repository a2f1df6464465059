"""One artifact with all that its measures may ask for."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import Protocol, cast

import numpy as np

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EdgeGateError,
    EdgeGateWarning,
    InferenceError,
    UnknownNameError,
    UnsupportedError,
)
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import (
    Inspector,
    Runner,
    Stopwatch,
)
from pytest_edgegate.core.progress import Tell
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.rules import may_end_early
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.dataset import Dataset, value_range
from pytest_edgegate.data.feeding import noise, quantised, real_range
from pytest_edgegate.data.laid_out import layout_by_samples, transposed
from pytest_edgegate.data.splits import Array, ArraySplit
from pytest_edgegate.measures.accuracy import reference_fault
from pytest_edgegate.measures.comparison import COMPARED, OutputsDifferError, misplaced
from pytest_edgegate.measures.evidence import (
    Evidence,
    Paired,
    fed_batches,
    nonfinite_samples,
    same_samples,
)
from pytest_edgegate.measures.latency_percentiles import QUANTILES, Times, time_until_decided
from pytest_edgegate.measures.metrics import Scoring, TopN, as_scoring
from pytest_edgegate.measures.parity import SHOWN
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.observing import Observer, Seen
from pytest_edgegate.session.slimming import around_pruning, compare, timed
from pytest_edgegate.session.subject import Recogniser, Subject
from pytest_edgegate.session.timing import Form, Timing
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

    @property
    def tell(self) -> Tell: ...

    def inspector(self, form: str) -> Inspector: ...

    def float_export(
        self, subject: Subject, target: Target, form: str, steps: Recipe = ()
    ) -> Artifact: ...


class ArtifactContext:
    """``MeasureContext`` over the session's cache and backends."""

    def __init__(
        self, session: Workshop, artifact: Artifact, subject: Subject, target: Target,
        budgets: tuple[Budget, ...], beside: tuple[Budget, ...] = (),
    ) -> None:  # fmt: skip
        self._session = session
        self._subject = subject
        self.artifact = artifact
        self.target = target
        self.asked = {each.metric: each for each in budgets}
        self._beside = {each.metric for each in beside}
        self.patience = session.settings.latency_time
        self.floor = session.settings.latency_floor
        self.tell = session.tell

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
        return self._session.inspector(self.artifact.format).describe(self.artifact.main)

    @property
    def samples(self) -> int | None:
        return self._dataset.evaluation.size

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
        model = self._reference_model()
        if isinstance(model, NotMeasured):
            return model
        seen = self._session.observer.predictions(model, self._dataset.evaluation, self.scoring)
        same_samples(seen, self.predictions(), "evaluation")
        self._check_reference(seen)
        return seen

    def _reference_model(self) -> Seen | NotMeasured:
        model = self._session.recogniser.subject(self._subject)
        if model.path is not None and model.digest() == self.artifact.digest:
            return NotMeasured(
                "accuracy_drop",
                f"{model.path.name} is the model under test and the artifact in one: a drop from "
                "itself says nothing",
                "gate accuracy_min (with --edge-model: ini edge_budgets), or give the float model "
                "as edge_model and gate this file with edge_gate.check",
            )
        return Seen(model, model.digest(), model.runtime)

    def paired(self) -> Paired | NotMeasured:
        if not self._may_end_early:
            reference = self.reference()
            if isinstance(reference, NotMeasured):
                return reference
            return Paired(reference, self.predictions())
        model = self._reference_model()
        if isinstance(model, NotMeasured):
            return model
        found = self._session.observer.paired(
            model, self._seen, cast("ArraySplit", self._dataset.evaluation),
            cast("TopN", self.scoring), Fraction(str(self.asked["accuracy_drop"].limit)),
            self._is_trusted,
        )  # fmt: skip
        if found.total is None:
            self._check_reference(found.reference)
        return found

    @property
    def _may_end_early(self) -> bool:
        """Only the drop of a 0/1 metric is asked of arrays, and of this very set."""
        return (
            may_end_early(self._session.settings.policy, self.asked.keys() | self._beside)
            and isinstance(self._dataset.evaluation, ArraySplit)
            and isinstance(self.scoring, TopN)
        )

    def _is_trusted(self, seen: Evidence) -> bool:
        checks = self._session.settings.reference_check
        return not checks or reference_fault(self.scoring, seen) is None

    def predictions(self) -> Evidence:
        return self._predictions

    @cached_property
    def _predictions(self) -> Evidence:
        return self._session.observer.predictions(
            self._seen, self._dataset.evaluation, self.scoring
        )

    @cached_property
    def _seen(self) -> Seen:
        """The artifact in the runtime that measures accuracy."""
        made = bool(self.artifact.provenance)
        path, digest = self.artifact.main, self.artifact.digest
        return Seen(path, digest, self._runtimes[0], self._layout, made=made)

    @cached_property
    def _layout(self) -> Layout:
        """The artifact's own; of a file of unknown making, the one that its samples ask for."""
        if self.artifact.provenance or not self._has_evaluation:
            return self.artifact.layout
        return layout_by_samples(self._dataset.example(), self.description().inputs)

    @property
    def _has_evaluation(self) -> bool:
        return self._subject.has_data and self._dataset.split("evaluation") is not None

    def compared(self) -> Evidence | NotMeasured:
        return self._against_reference(self._seen, COMPARED)

    def export_compared(self) -> Evidence | NotMeasured:
        export = self.float_export()
        if isinstance(export, NotMeasured):
            return export
        seen = Seen(export.main, export.digest, self._runtimes[0], export.layout, made=True)
        return self._against_reference(seen, COMPARED)

    def misplaced_outputs(self) -> tuple[str, ...]:
        several = len(self.description().outputs) > 1
        if not several or not self._subject.has_model or not self._has_evaluation:
            return ()
        try:
            found = self._against_reference(self._seen, SHOWN)
        except (OutputsDifferError, BackendUnavailableError):
            return ()  # a file may end in other outputs than its model, or be gated without it
        return () if isinstance(found, NotMeasured) else misplaced(found)

    def _against_reference(self, seen: Seen, limit: int) -> Evidence | NotMeasured:
        if not self._subject.has_model:
            return NotMeasured(
                "comparison",
                "there is no edge_model to compare with",
                "define the fixture edge_model: the float model that this file was made from",
            )
        model = self._reference_model()
        if isinstance(model, NotMeasured):
            return model
        return self._session.observer.compared(model, seen, self._dataset.evaluation, limit)

    def parity(self, limit: int | None = None) -> Evidence | NotMeasured:
        if len(self._runtimes) < 2:
            return NotMeasured(
                "parity",
                f"{self.target.name} lists one runtime for {self.artifact.format}",
                "list another one to compare with in the target's runtimes",
            )
        try:
            return self._session.observer.parity(
                self._seen, self._runtimes, self._dataset.evaluation, limit
            )
        except (BackendUnavailableError, UnknownNameError) as error:
            return NotMeasured("parity", error.message, error.remedy)

    def shown_parity(self) -> str:
        """The agreement of some samples, for the report when no budget asks for it."""
        if not self._has_evaluation:
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
        with self._session.observer.open(self._seen) as runner:
            bad = bool(nonfinite_samples(runner.infer(self._one_sample(runner))).any())
        return "one inference gives NaN or Inf" if bad else ""

    def executed(self) -> tuple[ExecutedOperator, ...] | None:
        return self._executed

    @cached_property
    def _executed(self) -> tuple[ExecutedOperator, ...] | None:
        if not self._on_host:
            return None  # this host's kernels are not the device's
        with self._session.observer.open(self._seen) as runner:
            sample = self._one_sample(runner)
            raw = tuple(map(quantised, sample, runner.inputs))
        return self._session.observer.executed(self._seen, transposed(raw, self._layout.inputs))

    @property
    def _on_host(self) -> bool:
        return self.target.is_host(processor().machine)

    def stopwatch(self, metric: str) -> Stopwatch | NotMeasured:
        fault = self._timing.fault(metric)
        if fault is not None:
            return fault
        export = self.float_export() if metric == "latency_ratio" else None
        if isinstance(export, NotMeasured):
            return replace(export, metric=metric)
        if export is not None and export.digest == self.artifact.digest:
            return _itself(self.artifact)
        return self._timing.open(self._form(), None if export is None else _form_of(export))

    def times(self) -> Times | NotMeasured:
        return self._times

    @cached_property
    def _times(self) -> Times | NotMeasured:
        limits = {
            each: float(budget.limit) for each, budget in self.asked.items() if each in QUANTILES
        }
        opened = self.stopwatch(next(iter(limits)))
        if isinstance(opened, NotMeasured):
            return opened
        with opened as watch:
            return time_until_decided(watch, limits, self.patience, self.tell)

    @cached_property
    def _timing(self) -> Timing:
        example = self._dataset.example() if self._has_evaluation else None
        inspector = self._session.inspector(self.artifact.format)
        return Timing(
            self._session.registry, self.target, self._runtimes[0], inspector, example,
            self._session.settings.runtime_timeout, self.patience, self.tell,
        )  # fmt: skip

    def _form(self) -> Form:
        return Form(self.artifact.main, self._layout)

    def execution_note(self) -> str:
        """How many operators the file has, and how many the runtime makes of them."""
        executed = self._executed
        if executed is None:
            return ""
        kinds = Counter(each.kind for each in executed)
        shown = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
        devices = ", ".join(sorted({each.device for each in executed}))
        return (
            f"{self._runtimes[0]} runs the file's {len(self.description().operators)} operators "
            f"as {len(executed)} on {devices}: {shown}{' ...' if len(kinds) > 4 else ''}"
        )

    def pruning_note(self) -> str:
        """What pruning took off; with latencies only in the run that made the artifact."""
        cut = around_pruning(self.artifact.recipe)
        if cut is None:
            return ""
        form = self.artifact.format
        try:
            before, after = (
                self._session.float_export(self._subject, self.target, form, steps) for steps in cut
            )
        except EdgeGateError as error:  # of the two float files, not of the artifact
            return f"what pruning took off is not measured: {error.message}"
        found = compare(before, after, self._session.inspector(form))
        if self.artifact.cached or self._timing.fault("latency_ratio") is not None:
            return str(found)
        with self._timing.open(_form_of(after), _form_of(before)) as watch:
            return str(replace(found, seconds=timed(watch), source=watch.source))

    def _one_sample(self, runner: Runner) -> tuple[Array, ...]:
        """A real sample where there is one, else noise."""
        if self._has_evaluation:
            return next(fed_batches(runner, self._dataset.evaluation, 1))[1]
        return tuple(map(noise, runner.inputs))

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


def _itself(artifact: Artifact) -> NotMeasured:
    return NotMeasured(
        "latency_ratio",
        f"{artifact.path.name} is the float export of the model under test itself: a ratio to "
        "itself says nothing",
        "gate latency_p50 or latency_p95, or give the float model as edge_model and gate this "
        "file with edge_gate.check",
    )


def _form_of(artifact: Artifact) -> Form:
    return Form(artifact.main, artifact.layout)
