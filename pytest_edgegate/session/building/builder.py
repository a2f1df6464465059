"""Builds artifacts from plans: each leg is built once per content and then cached."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.digests import file_digest, files_digest
from pytest_edgegate.core.environment import versions
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.plan import Leg, Plan
from pytest_edgegate.core.ports import (
    ChecksAhead,
    ChildProcess,
    Produced,
    SourceModel,
    Transform,
)
from pytest_edgegate.core.progress import StagedProgress, silent
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.training import EdgeTraining
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.building.external_programs import Programs
from pytest_edgegate.session.building.kept_leg import KEPT_VERSION, KeptLeg
from pytest_edgegate.session.intake.foreign_files import converting
from pytest_edgegate.session.intake.recognition import Recogniser
from pytest_edgegate.session.intake.signatures import selecting
from pytest_edgegate.session.intake.taken_in import TakenIn, ready
from pytest_edgegate.session.leg_data import LegData, train_split, wanted
from pytest_edgegate.storage.cache import Cache, key_of

if TYPE_CHECKING:
    from pytest_edgegate.data.dataset import Dataset
    from pytest_edgegate.session.building.teaching import TeacherModel
    from pytest_edgegate.session.frameworks.process import FrameworkProcess
    from pytest_edgegate.session.frameworks.sources import Source
    from pytest_edgegate.session.frameworks.tasks import Job


@dataclass(frozen=True)
class Order:
    """A request to build a plan, with its inputs."""

    source: SourceModel
    """The model that the plan starts from: the model under test, or the student."""
    plan: Plan
    target: Target
    dataset: Dataset | None = None
    training: EdgeTraining = field(default_factory=EdgeTraining)
    teacher: TeacherModel | None = None
    """The teacher, if the plan distils."""


class Builder:
    """Builds plans through the cache."""

    def __init__(
        self,
        registry: Registry,
        cache: Cache,
        recogniser: Recogniser,
        programs: Programs,
        hire: Callable[[str, str], AbstractContextManager[ChildProcess]],
        frameworks: Callable[[], FrameworkProcess],
        progress: StagedProgress = silent,
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._recogniser = recogniser
        self._programs = programs
        self._hire = hire
        self._frameworks = frameworks
        self._progress = progress
        self._warned: set[str] = set()

    def build(self, order: Order) -> Artifact:
        """The artifact of a plan that has at least one leg."""
        self.check(order)
        source, before, layout = order.source, order.source.digest(), Layout()
        notes: list[str] = []
        facts: dict[str, Any] = {}
        tools: dict[str, str] = {}
        for leg in order.plan.legs:
            kept = self._leg(order, source, leg, before, layout)
            before = kept.key
            layout = kept.layout
            notes += kept.notes
            tools |= kept.provenance["tools"]
            if kept.facts:
                facts[str(leg.step or leg.transform)] = kept.facts
            if leg is not order.plan.legs[-1]:
                source = self._recogniser.model(kept.main)
        self._warn(notes)
        whole = {
            "model": order.source.name,
            "model_digest": order.source.digest(),
            "tools": tools,
            "notes": notes,
            "facts": facts,
        }
        made = _artifact(kept, order.plan, whole)
        self._cache.name(made.digest, kept.key)
        return made

    def kept(self, digest: str, form: str, target: Target) -> Artifact | None:
        """An artifact that an earlier run built, by the digest over its files.

        Its recipe is not known; its layout is.
        """
        found = self._cache.named(digest, KeptLeg.read)
        if found is None or files_digest(found.files) != digest:
            return None
        return Artifact(
            path=found.main,
            format=form,
            dtype=None,
            files=found.files,
            size_bytes=sum(each.stat().st_size for each in found.files),
            sha256=file_digest(found.main),
            recipe=(),
            target=target.name,
            cached=True,
            provenance=MappingProxyType(dict(found.provenance)),
        )

    def check(self, order: Order) -> None:
        """Raises EdgeGateError for what is known to be missing or to fail, before any work."""
        for leg in order.plan.legs:
            for program in self._transform(leg).programs:
                self._programs.find(program)
        if order.dataset is not None:
            order.dataset.check()
        self._check_ahead(order)

    def _check_ahead(self, order: Order) -> None:
        """Checks the legs after a training before that training starts."""
        legs = order.plan.legs
        first = next((at for at, leg in enumerate(legs) if _trains(leg)), len(legs))
        if not any(_checks(self._transform(leg)) for leg in legs[first + 1 :]):
            return
        if self.is_cached(order):
            return
        layout = self._layout_of_source(order)
        for leg in legs[first + 1 :]:
            transform = self._transform(leg)
            if _checks(transform):
                with self._progress.stage(f"check of {leg.step}", told=False):
                    self._check(transform, order, leg, layout)

    def _check(self, transform: ChecksAhead, order: Order, leg: Leg, layout: Layout) -> None:
        from pytest_edgegate.session.frameworks.sources import source_of

        model, data = ready(order.source), self._data(order, leg, layout, str(leg.step))
        work = self._work(order, leg, data, str(leg.step), lambda: source_of(model))
        if work is not None:
            self._frameworks().check(work)
        else:
            transform.check(model, leg.step, order.target, data)

    def _layout_of_source(self, order: Order) -> Layout:
        """The layout of a student relative to the data, which is in its teacher's layout."""
        if order.teacher is None:
            return Layout()
        from pytest_edgegate.data.laid_out import layout_by_samples
        from pytest_edgegate.session.frameworks.sources import source_of

        model, example = ready(order.source), wanted(order.dataset).example()
        found = source_of(model)
        if found is not None:
            return layout_by_samples(example, self._frameworks().inputs(found, model.name))
        return layout_by_samples(example, model.load().inputs)

    def is_cached(self, order: Order) -> bool:
        """Whether the plan's artifact is in the cache; builds nothing."""
        key = order.source.digest()
        for leg in order.plan.legs:
            key = self._key(order, leg, key)
        return self._cache.find(key, KeptLeg.read) is not None

    def _leg(
        self, order: Order, source: SourceModel, leg: Leg, before: str, layout: Layout
    ) -> KeptLeg:
        transform = self._transform(leg)
        what = f"{leg.step or leg.transform} on {order.source.name}"
        data = self._data(order, leg, layout, what)
        key = self._key(order, leg, before)

        def build(folder: Path) -> Mapping[str, Any]:
            with (
                self._progress.stage(what),
                _naming_what_ended(leg, what),
                _teacher(order, leg) or nullcontext(),
                _as_compression_error(leg, what, source),
            ):
                produced = self._applied(order, ready(source), leg, data, what, folder)
            return {
                "main": produced.main.relative_to(folder).as_posix(),
                "files": [each.relative_to(folder).as_posix() for each in produced.files],
                "model": source.name,
                "model_digest": source.digest(),
                "tools": versions(*transform.packages),
                "notes": [*produced.notes, *data.notes],
                "calibration_ranges": data.calibration_ranges,
                "calibration_samples": list(data.calibration_samples),
                "layout": data.layout.then(produced.layout).as_lists(),
                "facts": dict(produced.facts),
            }

        return self._cache.fetch(key, build, KeptLeg.read)

    def _applied(
        self, order: Order, source: SourceModel, leg: Leg, data: LegData, what: str, out: Path
    ) -> Produced:
        transform = self._transform(leg)

        def find() -> Source | None:
            return self._frameworks().source(source, transform, leg.step)

        work = self._work(order, leg, data, what, find)
        if work is not None:
            return self._frameworks().apply(work, out)
        return transform.apply(source, leg.step, order.target, data, out)

    def _work(
        self, order: Order, leg: Leg, data: LegData, what: str, find: Callable[[], Source | None]
    ) -> Job | None:
        """The leg as a job for the framework process, with the source that *find* returns.

        None if it can't be sent there and runs here: objects without a graph, functions,
        registrations of a conftest.py.
        """
        from pytest_edgegate.session.frameworks.tasks import Job, can_be_sent

        entry = self._registry.entry("transform", leg.transform)
        if entry is None or not can_be_sent(leg.step, data):
            return None
        found = find()
        return None if found is None else Job(entry, found, leg.step, order.target, data, what)

    def _data(self, order: Order, leg: Leg, layout: Layout, what: str) -> LegData:
        programs = self._transform(leg).programs
        return LegData(
            order.dataset,
            order.training,
            layout,
            _teacher(order, leg),
            {each.name: self._programs.find(each) for each in programs},
            lambda entry: self._hire(entry, what),
            self._progress,
        )

    def _key(self, order: Order, leg: Leg, before: str) -> str:
        transform, step = self._transform(leg), leg.step
        count = None if step is None else step.calibration_samples
        samples = None if count is None else wanted(order.dataset).calibration(count).digest()
        learnt = {}
        if _trains(leg):
            teacher = _teacher(order, leg)
            learnt = {
                "train": train_split(wanted(order.dataset)).digest(),
                "training": order.training.identity(),
                "teacher": None if teacher is None else teacher.identity(),
                "trained": _training_identity(order, leg),
            }
        return key_of(
            kind="artifact",
            kept=KEPT_VERSION,
            before=before,
            transform=leg.transform,
            version=transform.version,
            step="None" if step is None else step.in_full,
            result=leg.move.result,
            constraints=dict(transform.constraints(order.target)),
            calibration=samples,
            tools=versions(*transform.packages),
            programs=self._programs.versions(transform.programs),
            **learnt,
        )

    def _transform(self, leg: Leg) -> Transform:
        transform: Transform = self._registry.get("transform", leg.transform)
        return transform

    def _warn(self, notes: list[str]) -> None:
        for note in notes:
            if note not in self._warned:
                self._warned.add(note)
                warnings.warn(note, EdgeGateWarning, stacklevel=2)


def _trains(leg: Leg) -> bool:
    return leg.step is not None and leg.step.trains


def _checks(transform: Transform) -> TypeGuard[ChecksAhead]:
    return isinstance(transform, ChecksAhead)


def _training_identity(order: Order, leg: Leg) -> str | None:
    """The training identity of a live model, which its digest leaves out; None for a file."""
    first = next(each for each in order.plan.legs if _trains(each))
    if leg is not first or order.source.path is not None:
        return None
    identity = order.source.load().training_identity
    return None if identity is None else identity()


def _teacher(order: Order, leg: Leg) -> TeacherModel | None:
    return order.teacher if leg.step is not None and leg.step.has_teacher else None


@contextmanager
def _naming_what_ended(leg: Leg, what: str) -> Iterator[None]:
    """Reports which long work Ctrl-C has interrupted."""
    try:
        yield
    except KeyboardInterrupt as error:
        if leg.step is None or not leg.step.trains:
            raise
        raise KeyboardInterrupt(
            f"{what} was interrupted: nothing of it is kept, and the next run starts it again"
        ) from error


@contextmanager
def _as_compression_error(leg: Leg, what: str, source: SourceModel) -> Iterator[None]:
    """Around a conversion of a file: an exception of the tool becomes a CompressionError.

    Exceptions from a live model or a training may come from the user's code and pass unchanged; a
    full disk is reported by the cache.
    """
    if source.path is None or _trains(leg):
        yield
        return
    with converting(what):
        yield


def adopted(model: SourceModel, target: Target) -> Artifact:
    """A third-party file as an artifact. Raises ConfigurationError for another format."""
    form, _ = model.node
    if model.path is None or form not in target.formats:
        raise ConfigurationError(
            f"{model.name if model.path is None else model.path.name} is a {form} model, and "
            f"{target.name} takes {' or '.join(target.formats)}",
            "let edge_ptq convert it, or gate it for a target of its format",
        )
    held = ready(model).files
    return Artifact(
        path=model.path,
        format=form,
        dtype=None,
        files=model.files,
        size_bytes=sum(each.stat().st_size for each in held),
        sha256=file_digest(held[0]),
        recipe=(),
        target=target.name,
        cached=False,
        select=selecting(model),
        copy=model.copy if isinstance(model, TakenIn) else None,
    )


def _artifact(kept: KeptLeg, plan: Plan, whole: Mapping[str, Any]) -> Artifact:
    """*whole*: what is known of all legs together; the rest is of the last one, *kept*."""
    return Artifact(
        path=kept.main,
        format=plan.format,
        dtype=plan.dtype,
        files=kept.files,
        size_bytes=sum(each.stat().st_size for each in kept.files),
        sha256=file_digest(kept.main),
        recipe=plan.recipe,
        target=plan.target,
        cached=kept.cached,
        provenance=MappingProxyType({**kept.provenance, "plan": plan.note, **whole}),
    )
