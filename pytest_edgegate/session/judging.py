"""Measures and judges the budgets of an artifact, and diagnoses the red ones."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pytest_edgegate.core.accepted_record import AcceptedRecord
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.budget import ACCEPT, CONTRACT, MAPPED_OPS, UNDO, Budget
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.errors import EdgeGateError, EdgeGateWarning
from pytest_edgegate.core.json_values import plain_number
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.ports import Inspector
from pytest_edgegate.core.progress import StagedProgress
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.diagnosis.catalogue import diagnose, diagnose_artifact, guarded
from pytest_edgegate.judge import judge
from pytest_edgegate.measures import input_check
from pytest_edgegate.measures.catalogue import measure
from pytest_edgegate.measures.compiled import hidden
from pytest_edgegate.measures.contract import clipping
from pytest_edgegate.measures.providers import File, Passes, Providers
from pytest_edgegate.measures.steadiness import Conduct
from pytest_edgegate.measures.unmapped import ELSEWHERE
from pytest_edgegate.registry import Registry
from pytest_edgegate.session import notes
from pytest_edgegate.session.absolute import seen
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.accepted import CaseAccepted, FoundFiles
from pytest_edgegate.session.measuring.case_reference import PassRules
from pytest_edgegate.session.measuring.clock import CaseClock
from pytest_edgegate.session.measuring.file import CaseFile, Export
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.passes import CasePasses
from pytest_edgegate.session.measuring.timing import Timing, untimed
from pytest_edgegate.session.recording import Recorded, Recorder
from pytest_edgegate.session.tooling import told_mapping
from pytest_edgegate.session.tooling.tooling import Tooling
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.spelling import spell_bytes


@dataclass(frozen=True)
class Judging:
    """The session's judge of artifacts."""

    settings: Settings
    registry: Registry
    observer: Observer
    tooling: Tooling
    export: Export
    accepted_files: FoundFiles
    progress: StagedProgress

    def verdicts(
        self,
        case: Case,
        artifact: Artifact,
        budgets: tuple[Budget, ...],
        inspector: Inspector,
        *,
        contract: bool,
        show_parity: bool,
        source: Artifact | None = None,
        twin: Artifact | None = None,
        not_taken: str = "",
    ) -> list[Verdict]:
        """The verdicts on all budgets; *source*: the file that the artifact was compiled from, and
        *twin*: the one that was compiled from it. *not_taken*: why the file beside it is no source.
        """
        providers = self._providers(case, artifact, budgets, inspector, source, twin)
        asked = (*((Budget(CONTRACT.name, 0),) if contract else ()), *budgets)
        found = [self._judged(each, case, providers, source) for each in asked]
        if contract and providers.passes.steadiness().conduct is Conduct.BY_BATCH:
            found[0] = self._judged(asked[0], case, providers)  # a pass may have found it
        if contract:
            found[0] = self._with_inputs(found, case, providers)
            noted = self._with_file(
                found[0], case, providers, budgets, show_parity=show_parity, source=source
            )
            found[0] = _noted(replace(noted, no_budgets=not budgets), not_taken)
        if found:
            found[0] = _noted(
                found[0],
                artifact.provenance.get("plan", ""),
                notes.of_building(artifact),
                notes.of_dead_channels(providers.passes, look=contract),
            )
        self._tell_shared_samples(found, case, artifact)
        explained = [
            self._explained(each, providers, source) if each.red else each for each in found
        ]
        return _with_artifact(_without_accepting(explained), providers)

    def seen(
        self,
        case: Case,
        artifact: Artifact,
        inspector: Inspector,
        verdicts: Sequence[Verdict],
        *,
        look: bool,
    ) -> SeenRecord:
        """The artifact in absolute values, from its *verdicts* or, to *look*, without them."""
        providers = self._providers(case, artifact, (), inspector)
        pictures = self.settings.report_samples
        return seen(case, providers, verdicts, look=look, pictures=pictures)

    def has(self, budget: Budget, case: Case, artifact: Artifact, inspector: Inspector) -> bool:
        """Whether a regression can be measured on an artifact."""
        kind = budget.kind
        if kind.rule == "latency" and untimed(kind.name, case.target, self.registry) is not None:
            return False
        if kind.of_compiled_files:
            return True
        if inspector.describe(artifact.main).compiled is not None:
            return False
        known = case.before.artifact(artifact)
        was_scored = known is not None and any(each.scoring for each in known.figures.values())
        return not kind.needs or was_scored or case.subject.has_labels

    def predict(self, case: Case, artifact: Artifact, inspector: Inspector) -> None:
        """Runs an artifact over the samples; a fault in that is told by what asks for it."""
        with suppress(EdgeGateError):
            self._providers(case, artifact, (), inspector).passes.predictions()

    def record(
        self,
        to: Recorded,
        case: Case,
        artifact: Artifact,
        inspector: Inspector,
        verdicts: Sequence[Verdict],
    ) -> None:
        """Adds what was found of an artifact, to be accepted."""
        model = str(artifact.provenance.get("model_digest") or "")
        file = self._file(case, artifact, inspector)
        Recorder(self.registry, self.observer).add(to, case, file, verdicts, model)

    def _file(
        self,
        case: Case,
        artifact: Artifact,
        inspector: Inspector,
        budgets: tuple[Budget, ...] = (),
        source: Artifact | None = None,
        twin: Artifact | None = None,
    ) -> CaseFile:
        observer = self.observer
        asked = any(each.metric == MAPPED_OPS for each in (*case.budgets, *budgets))

        def gates_mapping() -> bool:
            """A budget that has no figure decides nothing."""
            return asked and isinstance(
                self.tooling.finding(MAPPED_OPS, artifact, case.target, source), Measurement
            )

        return CaseFile(
            case,
            artifact,
            inspector,
            observer.opener,
            observer.kept_steadiness,
            self.export,
            lambda: ELSEWHERE if twin else self.tooling.placed(artifact, case.target),
            gates_mapping,
        )

    def _remarks(self, file: File, source: Artifact | None) -> tuple[str, ...]:
        """What the tools found in a file, and what a compiled one was compared with."""
        found = self.tooling.remarks(file.artifact, file.target, source)
        named = "" if source is None else f"its source is {source.path.name}"
        return (*found, named) if found else ()

    def _tell_shared_samples(self, found: list[Verdict], case: Case, artifact: Artifact) -> None:
        """Cautions the first verdict that evaluation samples have decided, and warns."""
        at = next((at for at, each in enumerate(found) if each.measured and each.measured.n), None)
        if at is None:
            return
        samples = self.observer.samples
        caution = notes.of_calibration(
            artifact, lambda: samples.of(case.subject.dataset.evaluation)
        )
        if caution:
            found[at] = _noted(found[at], caution)
            warnings.warn(caution, EdgeGateWarning, stacklevel=2)

    def _judged(
        self, budget: Budget, case: Case, providers: Providers, source: Artifact | None = None
    ) -> Verdict:
        if case.before.updating and budget.kind.of_accepted:
            return self._accepting(budget, case, providers)
        timed = budget.kind.rule == "latency"  # in every run: such figures are not cached
        what = f"{budget.metric} of {providers.file.artifact.path.name}"
        with self.progress.stage(what, told=timed):
            finding = self._finding(budget.metric, providers, source)
            return self._verdict(finding, budget, case, providers.file)

    def _accepting(self, budget: Budget, case: Case, providers: Providers) -> Verdict:
        """A regression that this run accepts: the scores are measured, and nothing is judged."""
        if budget.metric == "accuracy_regression":
            providers.passes.predictions()
        known = _accepted(case, providers.file.artifact, budget)
        was = "nothing was accepted before"
        if known is not None:
            bare = spell_bytes(known.size_bytes)
            was = f"was {bare if known.value is None else _spelt(budget, known)}"
        return Verdict(
            budget,
            Outcome.PASS,
            f"accepted: {was}",
            proven=True,
            artifact=providers.file.artifact,
            target=case.target.name,
            test=case.test,
            accepted=known,
        )

    def _verdict(self, finding: Finding, budget: Budget, case: Case, file: File) -> Verdict:
        return replace(
            judge(finding, budget, self.settings.rules, case.target.name),
            artifact=file.artifact,
            target=case.target.name,
            test=case.test,
            accepted=_accepted(case, file.artifact, budget),
        )

    def _with_inputs(self, found: list[Verdict], case: Case, providers: Providers) -> Verdict:
        """The verdict on the contract, the first one, with what the inputs make of the samples.

        That is known, or decided, once the other budgets are judged.
        """
        file, passes, first = providers.file, providers.passes, found[0]
        if file.description().compiled is not None:
            return first  # nothing here runs it, so nothing is fed to it
        said = list(input_check.varied(passes, file))
        if not self.settings.input_check or not isinstance(first.measured, Measurement):
            return _noted(first, *said)
        offending = clipping(passes, file)
        if offending and not _outweighed(file.artifact, found[1:]):
            value = first.measured.value + len(offending)
            first = self._verdict(replace(first.measured, value=value), first.budget, case, file)
            return _noted(first, *said)
        return _noted(first, *said, *input_check.cautions(passes, file))

    def _explained(
        self, verdict: Verdict, providers: Providers, source: Artifact | None
    ) -> Verdict:
        """Adds the diagnosis; what more time or more samples would decide keeps that remedy."""
        verdict = _beside_reference(verdict, providers.passes)
        with self.progress.stage(f"diagnosis of {verdict.budget.metric}", told=False):
            found = guarded(lambda: self._diagnosis(verdict, providers, source))
        keeps = verdict.undecided or verdict.unproven
        remedy = verdict.remedy if keeps else found.remedy or verdict.remedy
        return replace(
            verdict, details=found.details, cause=found.cause, remedy=remedy, parts=found.parts
        )

    def _diagnosis(
        self, verdict: Verdict, providers: Providers, source: Artifact | None
    ) -> Diagnosis:
        """The diagnosis from a tool of the target, or else those that the budget names."""
        file, metric = providers.file, verdict.budget.metric
        found = self.tooling.diagnosis(metric, file.artifact, file.target, source)
        return diagnose(verdict, providers) if found is None else found

    def _finding(self, metric: str, providers: Providers, source: Artifact | None) -> Finding:
        """The figure from a tool of the target, or else a measurement."""
        file = providers.file
        found = self.tooling.finding(metric, file.artifact, file.target, source)
        found = found or hidden(metric, file) or measure(metric, providers)
        if metric != CONTRACT.name:
            return found
        found = told_mapping.decided(found, file, self.tooling)
        if not isinstance(found, Measurement) or found.value:
            return found
        return self.tooling.only_predicted(found, file.artifact, file.target) or found

    def _with_file(
        self,
        verdict: Verdict,
        case: Case,
        providers: Providers,
        budgets: tuple[Budget, ...],
        *,
        show_parity: bool,
        source: Artifact | None,
    ) -> Verdict:
        """The verdict on the contract with notes about the file."""
        file, passes = providers.file, providers.passes
        compiled = notes.of_compiled(file)
        shown = show_parity and case.subject.has_evaluation and not compiled
        execution, kernels = notes.of_execution(file), file.kernels()
        parity = notes.of_parity(file, passes) if shown else notes.Parity()
        gated = any(each.kind.in_every_runtime for each in budgets) and not compiled
        samples = notes.emulated_samples(passes) if gated else parity.samples
        emulated = notes.of_emulators(passes, samples)
        if not (shown or gated or compiled):
            emulated = notes.of_lacking_emulator(passes)
        noted = _noted(
            verdict,
            "" if budgets else "no budgets",
            compiled,
            *self._remarks(file, source),
            notes.of_mapping(file),
            notes.of_guesses(file),
            told_mapping.caution(file, self.tooling) if verdict.measured else "",
            notes.of_cpu_parts(file),
            notes.of_signatures(file),
            notes.of_layout(file),
            notes.of_state(file),
            execution,
            kernels,
            notes.of_batch(file, passes),
            parity.note,
            emulated,
        )
        is_plain = not kernels.startswith("caution")
        plain = (execution, kernels if is_plain else "", parity.note if parity.usual else "")
        return replace(noted, about_file=tuple(filter(None, plain)), agreement=parity.share)

    def _providers(
        self,
        case: Case,
        artifact: Artifact,
        budgets: tuple[Budget, ...],
        inspector: Inspector,
        source: Artifact | None = None,
        twin: Artifact | None = None,
    ) -> Providers:
        settings = self.settings
        asked = {each.metric: each for each in budgets}
        rules = PassRules.of(settings)
        observer = self.observer
        file = self._file(case, artifact, inspector, budgets, source, twin)
        timing = Timing(
            self.registry,
            case.target,
            inspector,
            settings.runtime_timeout,
            settings.latency_time,
            self.progress,
        )
        passes = CasePasses(case, file, observer, rules, asked)
        accepted = CaseAccepted(
            case,
            file,
            passes,
            observer,
            self.accepted_files,
            lambda other: self._file(case, other, inspector),
        )
        clock = CaseClock(file, timing, asked, settings.latency_floor, accepted.file)
        return Providers(passes, file, clock, accepted)


def _accepted(case: Case, artifact: Artifact, budget: Budget) -> AcceptedRecord | None:
    """What was accepted of the figure that a budget is about."""
    known = case.before.artifact(artifact)
    if known is None or budget.kind is CONTRACT:
        return None
    metric, size = budget.metric, known.size_bytes
    if metric in ("size", "size_regression"):
        return AcceptedRecord(size, known.sha256, size, None, "file")
    named = metric
    if metric in ("accuracy_min", "accuracy_regression"):
        named = case.subject.metric_name
    figure = known.figures.get(named)
    if figure is None:
        return AcceptedRecord(None, known.sha256, size)
    return AcceptedRecord(plain_number(figure.value), known.sha256, size, figure.n, figure.source)


def _spelt(budget: Budget, known: AcceptedRecord) -> str:
    value = known.value or 0
    return spell_bytes(value) if budget.metric == "size_regression" else f"{value:.4g}"


def _outweighed(artifact: Artifact, judged: list[Verdict]) -> bool:
    """Whether clipped inputs are meant, or proven to do no harm to the accuracy."""
    meant = artifact.made and any(step.clips_outliers for step in artifact.recipe)
    return meant or any(
        each.outcome is Outcome.PASS and each.proven and each.budget.kind.is_accuracy
        for each in judged
    )


def _beside_reference(verdict: Verdict, passes: Passes) -> Verdict:
    """Adds what the model under test reaches to an accuracy that is of the artifact alone."""
    measured = verdict.measured
    if measured is None or not measured.scored_by or measured.reference_value is not None:
        return verdict
    try:
        reference = passes.reference()
    except EdgeGateError:  # there is none, or it has a fault, which this budget does not ask for
        return verdict
    if isinstance(reference, NotMeasured) or reference.nonfinite:
        return verdict
    value = passes.scoring.value(reference)
    return replace(verdict, measured=replace(measured, reference_value=value))


def _with_artifact(verdicts: list[Verdict], providers: Providers) -> list[Verdict]:
    """Adds the diagnoses of the artifact as a whole to the first red verdict."""
    at = next((at for at, each in enumerate(verdicts) if each.red and each.measured), None)
    if at is not None:
        found = diagnose_artifact(providers)
        details = (*verdicts[at].details, *found.details)
        cause = verdicts[at].cause or found.cause
        verdicts[at] = replace(verdicts[at], details=details, cause=cause)
    return verdicts


def _noted(verdict: Verdict, *more: str) -> Verdict:
    return replace(verdict, note="; ".join(filter(None, (verdict.note, *more))))


def _without_accepting(found: list[Verdict]) -> list[Verdict]:
    """Advises nobody to accept what is refused, since it is red by another budget, too."""
    if not any(each.red and not each.budget.kind.of_accepted for each in found):
        return found
    return [replace(each, remedy=UNDO) if each.remedy == ACCEPT else each for each in found]
