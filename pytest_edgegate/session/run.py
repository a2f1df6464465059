"""The session: what one process knows and has done, behind the fixtures and the gate."""

from __future__ import annotations

import weakref
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import CONTRACT, Budget
from pytest_edgegate.core.errors import ConfigurationError, UnsupportedError
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.ports import Inspector, SourceModel
from pytest_edgegate.core.progress import Tell, silent
from pytest_edgegate.core.recipe import PTQ, Recipe, distils
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.building import Builder, Order, adopted
from pytest_edgegate.session.foreign_files import ForeignInspector
from pytest_edgegate.session.leg_data import train_split
from pytest_edgegate.session.programs import Programs
from pytest_edgegate.session.subject import Recogniser, Subject
from pytest_edgegate.settings.boards import find_target, known_targets
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.storage.cache import Cache
from pytest_edgegate.tidy.scratch import SCRATCH

if TYPE_CHECKING:
    from pytest_edgegate.session.framework import Frameworks
    from pytest_edgegate.session.observing import Observer
    from pytest_edgegate.workers.process import Hired, Workers


class EdgeSession:
    """One run in one process."""

    def __init__(self, settings: Settings, registry: Registry, tell: Tell = silent) -> None:
        SCRATCH.join()
        # also when a session is dropped without being closed
        self._leave = weakref.finalize(self, SCRATCH.leave)
        self.settings = settings
        self.registry = registry
        self.cache = Cache(settings.cache)
        self.recogniser = Recogniser(settings.root, registry, allow_code=settings.allow_code)
        programs = Programs(settings.programs, settings.root)
        self._builder = Builder(
            registry, self.cache, self.recogniser, programs, self._hire,
            lambda: self._frameworks, tell,
        )  # fmt: skip
        self._targets: dict[str, Target] = {}
        self.tell = tell
        """Where long work tells how far it is."""

    @cached_property
    def observer(self) -> Observer:
        from pytest_edgegate.session.observing import Observer

        return Observer(
            self.registry, self.cache, self._workers, self._frameworks, self.tell,
            self.settings.early_after,
        )  # fmt: skip

    @cached_property
    def _workers(self) -> Workers:
        from pytest_edgegate.workers.process import Workers

        return Workers(self.settings.runtime_timeout)

    @cached_property
    def _frameworks(self) -> Frameworks:
        from pytest_edgegate.session.framework import Frameworks

        return Frameworks(self.settings.runtime_timeout)

    def _hire(self, entry: str, what: str) -> Hired:
        return self._workers.hire(entry, what)

    def close(self) -> None:
        """Ends the processes that the session has started, and removes what it has on the disk."""
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

    def inspector(self, form: str) -> Inspector:
        """The inspector of a format. Raises UnsupportedError."""
        for inspector in self.registry.all("inspector").values():
            if form in inspector.formats:
                return ForeignInspector(inspector)
        raise UnsupportedError(
            f"nothing installed reads {form} files", "pip install 'pytest-edgegate[all]'"
        )

    def plan(self, subject: Subject, recipe: Recipe | None, target: Target) -> Plan:
        """The chain of moves for a recipe; None is the default: PTQ, or a finished file as it is.

        Raises UnsupportedError before any work.
        """
        from pytest_edgegate.planner import make_plan

        if recipe is None:
            model = self.recogniser.subject(subject)
            recipe = () if _finished(model, target) else (PTQ(),)
        source = self._source(subject, recipe)
        return make_plan(source, recipe, target, self.registry.all("transform"))

    def _source(self, subject: Subject, recipe: Recipe) -> SourceModel:
        """What a recipe starts from: the student, where the model under test is its teacher."""
        if distils(recipe):
            return self.recogniser.student(subject)
        return self.recogniser.subject(subject)

    def compress(self, subject: Subject, recipe: Recipe | None, target: Target) -> Artifact:
        """The artifact of a recipe, built or from the cache."""
        return self._made(subject, self.plan(subject, recipe, target), target)

    def is_cached(self, subject: Subject, plan: Plan, target: Target) -> bool:
        """Whether a plan's artifact lies in the cache. Builds nothing."""
        return bool(plan.legs) and self._builder.is_cached(self._order(subject, plan, target))

    def _order(self, subject: Subject, plan: Plan, target: Target) -> Order:
        """What a plan is built of. Raises ConfigurationError where its data is missing."""
        steps = [leg.step for leg in plan.legs if leg.step is not None]
        trains = any(step.trains for step in steps)
        asks = trains or any(step.calibration_samples is not None for step in steps)
        # without data this raises the error with the lines to paste
        data = self.recogniser.dataset(subject.data) if subject.has_data or asks else None
        if data is not None and trains:
            train_split(data)
        teacher = None
        if distils(plan.recipe):
            from pytest_edgegate.session.teaching import TeacherModel

            teacher = TeacherModel(self.recogniser.subject(subject), self.observer)
        source, training = self._source(subject, plan.recipe), self.recogniser.training(subject)
        return Order(source, plan, target, data, training, teacher)

    def adopt(self, path: object, target: Target) -> Artifact:
        """A file of the user's own making, as an artifact."""
        return adopted(self.recogniser.model(path), target)

    def float_export(
        self, subject: Subject, target: Target, form: str, steps: Recipe = ()
    ) -> Artifact:
        """The model under test in float, in the given format; after *steps* that keep it so."""
        from pytest_edgegate.planner import float_target

        wanted = float_target(target, form)
        return self._made(subject, self.plan(subject, steps, wanted), wanted)

    def _made(self, subject: Subject, plan: Plan, target: Target) -> Artifact:
        if not plan.legs:
            return adopted(self.recogniser.subject(subject), target)
        order = self._order(subject, plan, target)
        if order.dataset is not None:
            order.dataset.check()  # a fault of the evaluation data is told before any work
        return self._builder.build(order)

    def judge(
        self,
        artifact: Artifact,
        subject: Subject,
        target: Target,
        budgets: tuple[Budget, ...],
        *,
        contract: bool = False,
        show_parity: bool = False,
        beside: tuple[Budget, ...] = (),
    ) -> list[Verdict]:
        """The verdicts on all budgets, none of them skipped; ``contract`` judges the file too.

        ``beside`` are others that the same test asks for: a pass over the samples that they need
        in full is not ended early.
        """
        from dataclasses import replace

        from pytest_edgegate.judge import judge
        from pytest_edgegate.measures.catalogue import measure
        from pytest_edgegate.session.context import ArtifactContext

        context = ArtifactContext(self, artifact, subject, target, budgets, beside)
        asked = (*((Budget(CONTRACT.name, 0),) if contract else ()), *budgets)
        verdicts = []
        for budget in asked:
            verdict = judge(
                measure(budget.metric, context), budget, self.settings.rules, target.name
            )
            notes = [verdict.note]
            if budget.metric == CONTRACT.name:
                notes += [] if budgets else ["no budgets"]
                notes += [context.execution_note(), context.pruning_note()]
                notes += [context.shown_parity()] if show_parity else []
            notes += [artifact.provenance.get("plan", "")] if budget is asked[0] else []
            verdicts.append(
                replace(
                    verdict,
                    artifact=artifact,
                    target=target.name,
                    note="; ".join(filter(None, notes)),
                )
            )
        return verdicts

    def check_budgets(self, budgets: tuple[Budget, ...], subject: Subject) -> None:
        """Refuses limits that can't be meant, before any work."""
        from pytest_edgegate.measures.metrics import as_scoring

        for budget in budgets:
            doubtful = budget.kind.doubtful_from
            if doubtful is not None and budget.limit >= doubtful:
                scoring = as_scoring(subject.metric, indexable=True)
                if scoring.bounded:
                    raise ConfigurationError(
                        f"{budget.metric}={budget.written} would let half of the {scoring.name} "
                        "go: it is in points of 0 to 1",
                        f"did you mean {budget.limit / 100:g}?",
                    )


def _finished(model: SourceModel, target: Target) -> bool:
    form, dtype = model.node
    return dtype == "int8" and form in target.formats
