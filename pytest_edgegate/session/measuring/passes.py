"""``measures.providers.Passes``: an artifact and its reference over the samples of a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from typing import cast

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    EdgeGateError,
    UnknownNameError,
    UnsupportedError,
)
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.data.feeding import bare_name
from pytest_edgegate.data.splits import Array, ArraySplit, Split
from pytest_edgegate.emulation.sysroot import EmulatorUnavailableError
from pytest_edgegate.measures.activations import Activation
from pytest_edgegate.measures.channels import ON_AXIS_1
from pytest_edgegate.measures.comparison import (
    COMPARED,
    misplaced,
)
from pytest_edgegate.measures.dead_channels import DeadChannels, dead_channels, output_steps
from pytest_edgegate.measures.evidence import Evidence, Paired, on_both, same_samples
from pytest_edgegate.measures.fed_inputs import FedInput
from pytest_edgegate.measures.labels import refuse_integers
from pytest_edgegate.measures.like_channels import SUMS_TO_1, off_key, rows_key
from pytest_edgegate.measures.matching import OutputsDifferError, matched
from pytest_edgegate.measures.metrics import Resampling, Scoring, TopN
from pytest_edgegate.measures.parity import SHOWN, alone_in, bad_in
from pytest_edgegate.measures.providers import Emulated, Shown
from pytest_edgegate.measures.steadiness import Steadiness
from pytest_edgegate.measures.tries import Aim, Tries
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.case_reference import CaseReference, PassRules
from pytest_edgegate.session.measuring.file import CaseFile
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.scored_pass import scored_output
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.wrong_reference import fed_otherwise

Ranges = Mapping[str, Array]
"""Of the channels of a model, as in ``Evidence.channels``."""
_A_FEW = 32
"""The number of samples that channels are looked at on where no budget runs both models."""


class CasePasses:
    """*asked*: the budgets that are judged together, by metric."""

    def __init__(
        self,
        case: Case,
        file: CaseFile,
        observer: Observer,
        rules: PassRules,
        asked: Mapping[str, Budget],
    ) -> None:
        self._case = case
        self._file = file
        self._observer = observer
        self._under_test = CaseReference(case, observer, rules)
        self._asked = asked
        self._cautions: tuple[str, ...] = ()

    @property
    def scoring(self) -> Scoring:
        return self._case.subject.scoring

    @property
    def resampling(self) -> Resampling:
        return self._under_test.resampling

    @property
    def samples(self) -> int | None:
        return self._split.size

    def reads_classes(self, outputs: Sequence[str], at: int, rows: int) -> bool:
        return self._case.subject.reads_classes(outputs, at, rows)

    def cautions(self) -> tuple[str, ...]:
        return (*self._cautions, *self._of_reference)

    @cached_property
    def _of_reference(self) -> tuple[str, ...]:
        """That the model under test is measured one sample at a time, and why."""
        model = self._model
        if isinstance(model, NotMeasured):
            return ()
        note = self._observer.steadiness(model, self._split).note
        return (f"caution: the model under test {note}",) if note else ()

    def steadiness(self) -> Steadiness:
        is_run = self._file.description().compiled is None
        if not is_run or not self._case.subject.has_evaluation:
            return Steadiness()
        return self._observer.steadiness(self._file.specimen, self._split)

    @property
    def _split(self) -> Split:
        return self._case.subject.dataset.evaluation

    def reference(self) -> Evidence | NotMeasured:
        return self._reference

    @cached_property
    def _reference(self) -> Evidence | NotMeasured:
        model = self._model
        if isinstance(model, NotMeasured):
            return model
        found = self._under_test.predictions(model)
        same_samples(found, self.predictions(), "evaluation")
        self._cautions = self._under_test.check(found)
        return found

    @cached_property
    def _model(self) -> Specimen | NotMeasured:
        """The model under test; not measured if it is the artifact itself."""
        model = self._case.subject.model
        if model.path is None or model.digest() != self._file.specimen.digest:
            return Specimen.of_model(model)
        return NotMeasured(
            f"{model.path.name} is both the model under test and the artifact: a drop from "
            "itself is always 0",
            "gate accuracy_min (with --edge-model: ini edge_budgets), or give the float model "
            "as edge_model and gate this file with edge_gate.check",
        )

    def predictions(self) -> Evidence:
        return self._predictions

    @cached_property
    def _predictions(self) -> Evidence:
        self._refuse_class_ids()
        return self._under_test.predictions(self._file.specimen)

    def _refuse_class_ids(self) -> None:
        """Raises ConfigurationError, before any pass, for a file whose output holds no scores."""
        if isinstance(self.scoring, TopN):
            refuse_integers(scored_output(self.scoring, self._file.description().outputs))

    def shown(self) -> Shown | None:
        subject = self._case.subject
        split = self._split if subject.has_evaluation else None
        if split is None or self._file.description().compiled is not None:
            return None
        try:
            self._refuse_class_ids()
            artifact = self._observer.shown(self._file.specimen, split, self.scoring)
            model = self._model if subject.has_model else None
            if artifact is None:
                return None
            reference = None
            if isinstance(model, Specimen):
                reference = self._observer.shown(model, split, self.scoring)
            if reference is None:
                return Shown(None, self.scoring.value(artifact), artifact.n)
            reference, artifact = on_both(reference, artifact)
            return Shown(self.scoring.value(reference), self.scoring.value(artifact), artifact.n)
        except EdgeGateError:  # a budget that asks for it would tell; without one it is no fault
            return None

    def seen_so_far(self) -> Paired | None:
        subject = self._case.subject
        if not subject.has_model or not subject.has_evaluation:
            return None
        try:
            model = self._model
            if isinstance(model, NotMeasured) or self._file.description().compiled is not None:
                return None
            return self._observer.pairs.seen_so_far(
                model, self._file.specimen, self._split, self.scoring
            )
        except EdgeGateError:  # a budget that asks for it would tell
            return None

    def samples_at(self, numbers: Array) -> tuple[Array, ...]:
        split = self._split
        return split.take(numbers).inputs if isinstance(split, ArraySplit) else ()

    def exported(self, steps: Recipe) -> Evidence | NotMeasured:
        export = self._file.float_export(steps)
        if isinstance(export, NotMeasured):
            return export
        specimen = self._file.specimen.of_export(export)
        return self._observer.predictions(specimen, self._split, self.scoring)

    def paired(self) -> Paired | NotMeasured:
        return self._paired

    @cached_property
    def _paired(self) -> Paired | NotMeasured:
        self._refuse_class_ids()
        if not self._under_test.ends_early(self._asked):
            reference = self.reference()
            if isinstance(reference, NotMeasured):
                return reference
            return Paired(reference, self.predictions())
        model = self._model
        if isinstance(model, NotMeasured):
            return model
        found = self._observer.pairs.paired(
            model,
            self._file.specimen,
            cast("ArraySplit", self._split),
            cast("TopN", self.scoring),
            Fraction(str(self._early_limit)),
            self._under_test.is_trusted,
        )
        if found.total is None:
            self._cautions = self._under_test.check(found.reference)
        return found

    @property
    def _early_limit(self) -> float:
        """The limit of the budget that a part of the samples may decide."""
        return next(each.limit for each in self._asked.values() if each.kind.ends_early)

    def compared(self) -> Evidence | NotMeasured:
        return self._compared

    @cached_property
    def _compared(self) -> Evidence | NotMeasured:
        return self._against_reference(self._file.specimen, COMPARED)

    def dead_channels(self, *, look: bool = False) -> tuple[DeadChannels, ...]:
        ranges = self._ranges_so_far()
        if ranges is None:
            return self._dead_elsewhere if look else ()
        return self._dead_in_all(*ranges)

    def _dead_in_all(self, model: Ranges, file: Ranges) -> tuple[DeadChannels, ...]:
        if not dead_channels(model, file, {}):
            return ()  # the file need not be read for its steps
        names = [each for each in model if not each.endswith(ON_AXIS_1)]
        are_classes = [self.reads_classes(names, at, 1) for at in range(len(names))]
        return dead_channels(model, file, self._steps_of(names, are_classes))

    @cached_property
    def _dead_elsewhere(self) -> tuple[DeadChannels, ...]:
        """Those in passes for other tests, or on a few samples, where no budget here has both
        models run over them.

        The model under test need not run for such budgets, nor need there be a metric: where it
        can't, nothing is known.
        """
        subject = self._case.subject
        if not subject.has_model or not subject.has_evaluation:
            return ()
        if self._file.description().compiled is not None:
            return ()
        try:
            model = self._model
            if isinstance(model, NotMeasured):
                return ()
            sides = (model, self._file.specimen)
            known = [self._observer.known(each, self._split, self.scoring) for each in sides]
            if known[0] is not None and known[1] is not None:
                return self._dead_in_all(known[0].channels, known[1].channels)
            return self._dead_in(self._observer.ranges(*sides, self._split, _A_FEW))
        except EdgeGateError:
            return ()

    def _dead_in(self, found: Evidence) -> tuple[DeadChannels, ...]:
        """*found*: of a few samples."""
        ranges, names, arrays = (found.channels, found.other_channels), found.outputs, found.arrays
        if found.nonfinite or not dead_channels(*ranges, {}):
            return ()
        are_shares = [
            self.reads_classes(names, at, int(arrays[rows_key(at)].max()))
            or arrays[off_key(at)].max() <= SUMS_TO_1
            for at in range(len(names))
        ]
        dead = dead_channels(*ranges, self._steps_of(names, are_shares))
        return tuple(replace(each, samples=found.n) for each in dead)

    def _ranges_so_far(self) -> tuple[Ranges, Ranges] | None:
        """The ranges of the channels of model and artifact; None before a pass over both."""
        made = self.__dict__
        paired, compared = made.get("_paired"), made.get("_compared")
        if isinstance(paired, Paired):
            return paired.reference.channels, paired.artifact.channels
        reference = made.get("_reference")
        if isinstance(reference, Evidence):
            return reference.channels, self.predictions().channels
        if isinstance(compared, Evidence):
            return compared.channels, compared.other_channels
        return None

    def _steps_of(self, names: Sequence[str], some: Sequence[bool]) -> dict[str, float]:
        """The step of some of the outputs: of class scores.

        The score of a class that is not among the samples changes by less, which an integer can't
        show.
        """
        steps = output_steps(self._file.description())
        if len(steps) != len(names):
            return {}
        order = matched(names, [bare_name(each.name) for each in self._file.description().outputs])
        found = {name: steps[order[at]] for at, name in enumerate(names) if some[at]}
        return found | {name + ON_AXIS_1: step for name, step in found.items()}

    def export_compared(self) -> Evidence | NotMeasured:
        export = self._file.float_export()
        if isinstance(export, NotMeasured):
            return export
        return self._against_reference(self._file.specimen.of_export(export), COMPARED)

    def fed(self) -> tuple[FedInput, ...]:
        if not self._case.subject.has_evaluation:
            return ()
        seen = self.__dict__.get("_predictions")
        if seen is None and isinstance(paired := self.__dict__.get("_paired"), Paired):
            seen = paired.artifact
        if seen is None:
            seen = self._observer.fed(self._file.specimen, self._split, SHOWN)
        return seen.inputs

    def misplaced_outputs(self) -> tuple[str, ...]:
        return self._misplaced

    @cached_property
    def _misplaced(self) -> tuple[str, ...]:
        described = self._file.description()
        several = len(described.outputs) > 1 and described.compiled is None
        subject = self._case.subject
        if not several or not subject.has_model or not subject.has_evaluation:
            return ()
        try:
            found = self._against_reference(self._file.specimen, SHOWN)
        except (OutputsDifferError, BackendUnavailableError, UnsupportedError):
            return ()  # a file may have other outputs than its model, or be gated without it
        return () if isinstance(found, NotMeasured) else misplaced(found)

    def activations(self, *, of_export: bool = False) -> Mapping[str, Activation]:
        if not self._case.subject.has_model:
            return {}
        model, file = self._model, self._file.specimen
        export = self._file.float_export() if of_export else None
        if isinstance(model, NotMeasured) or isinstance(export, NotMeasured):
            return {}
        compared = file if export is None else file.of_export(export)
        return self._observer.activations(model, compared, self._split)

    def tried(self, as_fed: Evidence, aim: Aim) -> Tries:
        return fed_otherwise(self._case, self._observer, self._file.specimen, as_fed, aim)

    def _against_reference(self, specimen: Specimen, limit: int) -> Evidence | NotMeasured:
        if not self._case.subject.has_model:
            return NotMeasured(
                "there is no edge_model to compare with",
                "define the fixture edge_model: the float model that this file was made from",
            )
        model = self._model
        if isinstance(model, NotMeasured):
            return model
        return self._observer.compared(model, specimen, self._split, limit)

    def parity(self) -> tuple[Evidence, ...] | NotMeasured:
        return self._parity

    @cached_property
    def _parity(self) -> tuple[Evidence, ...] | NotMeasured:
        runtimes = self._runtimes
        alone = alone_in(runtimes, self._file.artifact.format, self._case.target.name)
        if alone is not None:
            return alone
        observer, specimen, split = self._observer, self._file.specimen, self._split
        try:
            here, elsewhere = self._by_place(runtimes)
            observer.opener.check(elsewhere)  # before the others take their time
            found = []
            if here[1:]:
                every = observer.runtimes.parity(specimen, here, split, None)
                found.append(self._under_test.grouped(every))
            if elsewhere:
                found.append(
                    observer.runtimes.parity_elsewhere(specimen, (here[0], *elsewhere), split)
                )
            return tuple(found)
        except (BackendUnavailableError, UnknownNameError) as error:
            return NotMeasured(error.message, error.remedy)

    def shown_parity(self) -> Evidence | NotMeasured:
        runtimes = self._runtimes
        alone = alone_in(runtimes, self._file.artifact.format, self._case.target.name)
        if alone is not None:
            return alone
        observer = self._observer
        try:
            here, elsewhere = self._by_place(runtimes)
            with suppress(BackendUnavailableError):
                observer.opener.check(elsewhere)
                here += elsewhere
            return observer.runtimes.parity(self._file.specimen, here, self._split, SHOWN)
        except EmulatorUnavailableError:  # found when it was started
            raise
        except (BackendUnavailableError, UnknownNameError) as error:
            return NotMeasured(error.message, error.remedy)

    @property
    def _runtimes(self) -> tuple[str, ...]:
        return self._case.target.runtimes[self._file.artifact.format]

    def _by_place(self, runtimes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The runtimes of this host and those of an emulator. The first measures accuracy, so it
        is of this host."""
        first, *others = runtimes
        elsewhere = tuple(each for each in others if self._observer.opener.runs_elsewhere(each))
        return (first, *(each for each in others if each not in elsewhere)), elsewhere

    def lacking_emulator(self) -> str:
        try:
            self._observer.opener.check(self._by_place(self._runtimes)[1])
        except BackendUnavailableError as error:
            return error.remedy
        except UnknownNameError:
            return ""  # the target lists what is not registered
        return ""

    def other_versions(self) -> str:
        try:
            _, elsewhere = self._by_place(self._runtimes)
            return self._observer.opener.other_versions(elsewhere)
        except (BackendUnavailableError, UnknownNameError):
            return ""

    def broken_elsewhere(self, found: Evidence) -> Mapping[str, int]:
        if not found.source.startswith("emulator:"):
            return {}
        here, elsewhere = self._by_place(self._runtimes)
        counts = {each: bad_in(found, at) for at, each in enumerate(elsewhere, len(here))}
        return {each: count for each, count in counts.items() if count}

    def emulated(self, count: int) -> tuple[Emulated, ...]:
        subject = self._case.subject
        if not subject.has_labels or not isinstance(self._split, ArraySplit) or not count:
            return ()  # the first samples of a stream are no random ones
        _, elsewhere = self._by_place(self._runtimes)
        if not elsewhere:
            return ()
        try:
            self._refuse_class_ids()
            self._observer.opener.check(elsewhere)
            return tuple(self._emulated(each, self._split, count) for each in elsewhere)
        except EdgeGateError:  # a budget of the accuracy would tell; this is shown beside it
            return ()

    def _emulated(self, runtime: str, split: ArraySplit, count: int) -> Emulated:
        observer, scoring, specimen = self._observer, self.scoring, self._file.specimen
        there = observer.runtimes.emulated(specimen.in_runtime(runtime), split, scoring, count)
        here = observer.known(specimen, split, scoring)
        source = observer.opener.source(runtime)
        if here is None or here.nonfinite:
            return Emulated(runtime, source, None, scoring.value(there), there.n)
        mine, others = on_both(here, there)
        return Emulated(runtime, source, scoring.value(mine), scoring.value(others), others.n)
