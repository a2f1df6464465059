"""The session: the state and the operations of one process, behind the fixtures and the gate."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.core.accepted import AcceptedArtifact
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EdgeGateError,
    UnknownNameError,
    UnsupportedError,
)
from pytest_edgegate.core.evidence import Evidence
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.ports import Inspector, RunsElsewhere, SourceModel
from pytest_edgegate.core.progress import StagedProgress, silent
from pytest_edgegate.core.recipe import PTQ, Recipe, distils
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.before import NOTHING
from pytest_edgegate.session.building.builder import Builder, Order, adopted
from pytest_edgegate.session.building.external_programs import Programs
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.intake.foreign_files import RememberingInspector
from pytest_edgegate.session.intake.recognition import Recogniser
from pytest_edgegate.session.intake.signatures import with_signature
from pytest_edgegate.session.leg_data import train_split
from pytest_edgegate.session.subject import Subject
from pytest_edgegate.session.tooling.tooling import Tooling
from pytest_edgegate.settings.boards import find_target, known_targets
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.storage.cache import Cache
from pytest_edgegate.tidy.scratch import SCRATCH

if TYPE_CHECKING:
    from pytest_edgegate.session.ahead.look import LookAhead
    from pytest_edgegate.session.ahead.unmeasurable import Unmeasurable
    from pytest_edgegate.session.frameworks.process import FrameworkProcess
    from pytest_edgegate.session.judging import Judging
    from pytest_edgegate.session.ledger import Ledger
    from pytest_edgegate.session.measuring.input_orders import InputOrders
    from pytest_edgegate.session.measuring.observing import Observer
    from pytest_edgegate.session.recording import Recorded
    from pytest_edgegate.storage.exports import Exports
    from pytest_edgegate.workers.process import Hired, Workers


class EdgeSession:
    """One run in one process."""

    def __init__(
        self, settings: Settings, registry: Registry, progress: StagedProgress = silent
    ) -> None:
        """*progress* receives the progress of long work."""
        SCRATCH.join()
        # also when a session is dropped without being closed
        self._leave = weakref.finalize(self, SCRATCH.leave)
        self.settings = settings
        self.registry = registry
        self.progress = progress
        self.cache = Cache(settings.cache)
        self.recogniser = Recogniser(settings.root, registry, allow_code=settings.allow_code)
        programs = Programs(settings.programs, settings.root)
        self._builder = Builder(
            registry,
            self.cache,
            self.recogniser,
            programs,
            self._hire,
            lambda: self._frameworks,
            progress,
        )
        evidence = Evidence(settings.evidence)
        self.tooling = Tooling(registry, self.cache, settings.root, progress, evidence)
        self._targets: dict[str, Target] = {}
        self._built: dict[tuple[str, str], Artifact] = {}
        self._inspectors: dict[str, Inspector] = {}

    @cached_property
    def observer(self) -> Observer:
        from pytest_edgegate.session.measuring.observing import Observer
        from pytest_edgegate.session.measuring.opening import Opener

        opener = Opener(self.registry, self.cache, self._workers, lambda: self._frameworks)
        return Observer(opener, self.cache, self.progress, self.settings.early_after)

    @cached_property
    def ledger(self) -> Ledger:
        from pytest_edgegate.session.ledger import Ledger

        return Ledger(self.settings)

    @cached_property
    def _judging(self) -> Judging:
        from pytest_edgegate.session.judging import Judging
        from pytest_edgegate.session.measuring.accepted import FoundFiles

        return Judging(
            self.settings,
            self.registry,
            self.observer,
            self.tooling,
            self.float_export,
            FoundFiles(self._accepted_file, self._accepted_places),
            self.progress,
        )

    @property
    def _accepted_places(self) -> str:
        folder = self.settings.accepted
        more = "no folder is set by the ini key edge_accepted" if folder is None else str(folder)
        return f"the cache {self.cache.folder}; {more}"

    def _accepted_file(self, accepted: AcceptedArtifact, case: Case) -> Artifact | None:
        """The file of an accepted artifact, from the cache or the folder of accepted files."""
        found = self._builder.kept(accepted.sha256, accepted.format, case.target)
        if found is not None or self.settings.accepted is None:
            return found
        from pytest_edgegate.storage.accepted_files import AcceptedFiles

        path = AcceptedFiles(self.settings.accepted).find(accepted.sha256)
        if path is None:
            return None
        kept = adopted(self.recogniser.model(path), case.target)
        if kept.digest != accepted.sha256:
            raise ConfigurationError(
                f"{path} is not the file that was accepted: its bytes have another digest",
                "restore the file (git checkout, git lfs pull), or remove it",
            )
        return kept

    @cached_property
    def _look(self) -> LookAhead:
        from pytest_edgegate.session.ahead.look import LookAhead
        from pytest_edgegate.session.ahead.made_with import MadeWith
        from pytest_edgegate.session.ahead.trial import Trials
        from pytest_edgegate.session.measuring.case_reference import PassRules

        return LookAhead(
            self.registry,
            self.observer,
            Trials(self.observer, self.cache),
            MadeWith(self.observer.opener),
            PassRules.of(self.settings),
            self.settings.rules,
        )

    @cached_property
    def _unmeasurable(self) -> Unmeasurable:
        from pytest_edgegate.session.ahead.unmeasurable import Unmeasurable

        return Unmeasurable(self.registry, self.tooling, self.settings.rules)

    @cached_property
    def _workers(self) -> Workers:
        from pytest_edgegate.workers.process import Workers

        return Workers(self.settings.runtime_timeout)

    @cached_property
    def _frameworks(self) -> FrameworkProcess:
        from pytest_edgegate.session.frameworks.process import FrameworkProcess

        return FrameworkProcess(self.settings.runtime_timeout, self.progress)

    def _hire(self, entry: str, what: str) -> Hired:
        return self._workers.hire(entry, what)

    def close(self) -> None:
        """Ends the processes of the session, and removes its temporary files."""
        for started in ("_workers", "_frameworks"):
            if started in self.__dict__:
                self.__dict__[started].close()
        self._leave()

    def known_targets(self) -> list[str]:
        return known_targets(self.settings.root, self.registry)

    def target(self, name: str) -> Target:
        if name not in self._targets:
            self._targets[name] = find_target(name, self.settings.root, self.registry)
        return self._targets[name]

    def emulated(self, target: Target) -> dict[str, str]:
        """The runtimes of a target in an emulator, with the sources of their figures."""
        found = {}
        for name in {each for names in target.runtimes.values() for each in names}:
            with suppress(BackendUnavailableError, UnknownNameError):  # a budget tells of those
                runtime = self.registry.get("runtime", name)
                if isinstance(runtime, RunsElsewhere):
                    found[name] = runtime.source
        return found

    def has_emulator(self, target: Target) -> bool:
        """Whether the runtimes of a target in an emulator are here, if it has any."""
        names = tuple(self.emulated(target))
        try:
            self.observer.opener.check(names)
        except BackendUnavailableError:
            return False
        return bool(names)

    def case(
        self,
        given: Given,
        target: Target,
        budgets: tuple[Budget, ...] = (),
        test: str = "",
        *,
        by_model: bool = False,
    ) -> Case:
        """The case of a test on a target. Its parts are evaluated lazily.

        *by_model*: whether several models may be gated under the name of the test, so that what was
        accepted is known by the path of the model, too.
        """
        model = Path(str(given.model)) if by_model else None
        before = self.ledger.before(test, target.name, model) if test else NOTHING
        return Case(Subject(given, self.recogniser), target, budgets, test, before)

    def inspector(self, form: str) -> Inspector:
        """The inspector of a format. Raises UnsupportedError."""
        if form in self._inspectors:
            return self._inspectors[form]
        for inspector in self.registry.all("inspector").values():
            if form in inspector.formats:
                return self._inspectors.setdefault(form, RememberingInspector(inspector))
        raise UnsupportedError(
            f"nothing installed reads {form} files", "pip install 'pytest-edgegate[all]'"
        )

    def plan(self, case: Case, recipe: Recipe | None) -> Plan:
        """The plan for a recipe; None is the default: PTQ, or a finished file unchanged.

        Raises UnsupportedError before any work.
        """
        from pytest_edgegate.planner import make_plan
        from pytest_edgegate.session.intake.compiled_models import refuse_compiled

        if case.subject.has_data:
            self._orders(case).check_model()
        if recipe is None:
            recipe = () if _is_finished(case.subject.model, case.target) else (PTQ(),)
        source = case.subject.source(recipe)
        refuse_compiled(source, case.target, self.registry)
        return make_plan(source, recipe, case.target, self.registry.all("transform"))

    def look_ahead(self, case: Case, plan: Plan) -> None:
        """Raises EdgeGateError if no artifact of the plan could be judged by the case's budgets, or
        if it can't be built."""
        self.tooling.check(case.target)
        with self.progress.stage("checks before the build", told=False):
            self._look.check(case, plan, lambda: self.is_cached(case, plan))
        if self.settings.explain and plan.legs:
            self._builder.check(self._order(case, plan))

    def look_at_body(self, case: Case, *, compresses: bool) -> None:
        """As ``look_ahead``, where the body of a test decides what is judged by the case's budgets.

        *compresses*: whether it may be an artifact of the model under test.
        """
        self.tooling.check(case.target)
        with self.progress.stage("checks before the test", told=False):
            self._look.check_body(case, compresses=compresses, orders=self._orders(case))

    def unmeasurable(self, case: Case, plan: Plan | None = None) -> list[Verdict]:
        """The red verdicts on budgets of the case that are known not to be measurable.

        Without a plan: of any file that the target takes.
        """
        if plan is None:
            return self._unmeasurable.verdicts(case, case.target.formats)
        made = bool(plan.legs)
        return self._unmeasurable.verdicts(case, (plan.format,), plan.dtype, made=made)

    def _orders(self, case: Case) -> InputOrders:
        from pytest_edgegate.session.measuring.input_orders import InputOrders

        return InputOrders(self.observer.opener, case.subject)

    def compress(self, case: Case, recipe: Recipe | None) -> Artifact:
        """The artifact of a recipe, from the cache if possible."""
        return self.build(case, self.plan(case, recipe))

    def build(self, case: Case, plan: Plan) -> Artifact:
        """The artifact of a plan, from the cache if possible."""
        made = self._made(case, plan)
        if made.made:
            self._built[case.target.name, made.digest] = made
        return self.tooling.compiled(made, case.target)

    def _made(self, case: Case, plan: Plan) -> Artifact:
        if not plan.legs:
            return adopted(case.subject.model, case.target)
        return self._builder.build(self._order(case, plan))

    @property
    def exports(self) -> Exports | None:
        """The folder of --edge-export."""
        if self.settings.export is None:
            return None
        from pytest_edgegate.storage.exports import Exports

        return Exports(self.settings.export)

    def is_cached(self, case: Case, plan: Plan) -> bool:
        """Whether a plan's artifact is in the cache. Builds nothing."""
        return bool(plan.legs) and self._builder.is_cached(self._order(case, plan))

    def _order(self, case: Case, plan: Plan) -> Order:
        """The order for a plan. Raises ConfigurationError if its data is missing."""
        subject = case.subject
        steps = [leg.step for leg in plan.legs if leg.step is not None]
        trains = any(step.trains for step in steps)
        asks = trains or any(step.calibration_samples is not None for step in steps)
        # without data this raises the error with the lines to paste
        data = subject.dataset if subject.has_data or asks else None
        if data is not None and trains:
            train_split(data)
        teacher = None
        if data is not None and distils(plan.recipe):
            from pytest_edgegate.session.building.teaching import TeacherModel

            observer = self.observer
            teacher = TeacherModel(
                subject.model, observer.opener, observer.kept_steadiness, train_split(data)
            )
        return Order(
            subject.source(plan.recipe), plan, case.target, data, subject.training, teacher
        )

    def adopt(self, path: object, target: Target, signature: str = "") -> Artifact:
        """A file that the user built, as an artifact; *signature*: the one to gate.

        One with the bytes of an artifact of this session is that artifact, wherever it lies: it
        has its recipe, and the remedies for it.
        Raises ConfigurationError, UnknownNameError, InferenceError.
        """
        from dataclasses import replace

        from pytest_edgegate.planner import no_road
        from pytest_edgegate.session.intake.compiled_models import refuse_compiled

        model = self.recogniser.model(path)
        refuse_compiled(model, target, self.registry)
        nowhere = no_road(model, target, self.registry.all("transform"))
        if nowhere is not None:
            raise ConfigurationError(
                nowhere.message,
                f"{nowhere.remedy}, and let edge_ptq make the file; or gate this one for a target "
                "of its format (--edge-list-targets)",
            )
        artifact = replace(self._known_again(adopted(model, target), target), given=True)
        if signature:
            artifact = with_signature(artifact, model, signature)
        return self.tooling.compiled(artifact, target)

    def _known_again(self, found: Artifact, target: Target) -> Artifact:
        from dataclasses import replace

        made = self._built.get((target.name, found.digest))
        if made is None:
            return found
        return replace(found, dtype=made.dtype, recipe=made.recipe, provenance=made.provenance)

    def check_compiled(self, compiled: Artifact, source: Artifact, target: Target) -> None:
        """Raises ConfigurationError unless a file may have been compiled from the *source*."""
        from pytest_edgegate.measures.compiled import differing_ends

        after = self.inspector(compiled.format).describe(compiled.main)
        before = self.inspector(source.format).describe(source.main)
        if after.compiled is None:
            raise ConfigurationError(
                f"{compiled.path.name} is not compiled for a chip, and source= is for such files",
                "take source= out",
            )
        if before.compiled is not None:
            raise ConfigurationError(
                f"{source.path.name} is compiled for {before.compiled.chip} itself",
                "give the file that the compiler was given as source=",
            )
        fault = differing_ends(before, after) or self.tooling.not_from(compiled, source, target)
        if fault:
            raise ConfigurationError(
                f"{compiled.path.name} was not compiled from {source.path.name}: {fault}",
                "give the file that the compiler was given as source=",
            )

    def float_export(self, case: Case, form: str, steps: Recipe = ()) -> Artifact:
        """The model under test in float, in the given format, after the float *steps*."""
        from dataclasses import replace

        from pytest_edgegate.planner import float_target

        wanted = replace(case, target=float_target(case.target, form))
        return self._made(wanted, self.plan(wanted, steps))

    def judge(
        self,
        case: Case,
        artifact: Artifact,
        budgets: tuple[Budget, ...],
        *,
        contract: bool = False,
        show_parity: bool = False,
        source: Artifact | None = None,
        twin: Artifact | None = None,
    ) -> list[Verdict]:
        """The verdicts on all budgets; *contract* also judges the target's contract. *source*: the
        file that a compiled artifact was compiled from, else the one beside it, if there is one.
        *twin*: the file that was compiled from the artifact, on which its mapping is judged.

        A pass that other budgets of the case need in full does not end early.
        """
        inspector = self.inspector(artifact.format)
        beside, not_taken = (None, "")
        if source is None:
            beside, not_taken = self._source_beside(artifact, case.target)
        return self._judging.verdicts(
            case,
            artifact,
            budgets,
            inspector,
            contract=contract,
            show_parity=show_parity,
            source=source or beside,
            twin=twin,
            not_taken=not_taken,
        )

    def _source_beside(self, artifact: Artifact, target: Target) -> tuple[Artifact | None, str]:
        """The file with the name that a third-party compiled file had before it was compiled, or
        why it is not taken for that."""
        from pytest_edgegate.measures.compiled import source_beside

        path = None if artifact.made else source_beside(artifact.path)
        if path is None:
            return None, ""
        try:
            found = self.adopt(path, target)
            self.check_compiled(artifact, found, target)
        except EdgeGateError as error:  # nobody has named it, and it need not be what it seems
            said = f"{path.name} beside it is not taken for its source: {error.message}"
            return None, said
        return found, ""

    def regressions(
        self, case: Case, artifact: Artifact, asked: Sequence[Budget]
    ) -> tuple[Budget, ...]:
        """The budgets that the ini sets on this artifact, beside those *asked* for."""
        if not case.before.regressions:
            return ()
        inspector, metrics = self.inspector(artifact.format), {each.metric for each in asked}
        return tuple(
            each.budget
            for each in case.before.regressions
            if each.budget.metric not in metrics
            and (not each.everywhere or self._judging.has(each.budget, case, artifact, inspector))
        )

    def predict(self, case: Case, artifact: Artifact) -> None:
        """Runs an artifact over the samples, so that what it answers can be accepted."""
        self._judging.predict(case, artifact, self.inspector(artifact.format))

    def record(
        self, to: Recorded, case: Case, artifact: Artifact, verdicts: Sequence[Verdict]
    ) -> None:
        """Adds what was found of an artifact, to be accepted."""
        self._judging.record(to, case, artifact, self.inspector(artifact.format), verdicts)

    def seen(
        self, case: Case, artifact: Artifact, verdicts: Sequence[Verdict], *, look: bool
    ) -> SeenRecord:
        """The artifact in absolute values: those of its *verdicts*, and to *look* others too."""
        inspector = self.inspector(artifact.format)
        return self._judging.seen(case, artifact, inspector, verdicts, look=look)


def _is_finished(model: SourceModel, target: Target) -> bool:
    form, dtype = model.node
    return dtype == "int8" and form in target.formats
