"""From a plan to an artifact on disk: each leg built once for its content, ever."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.environment import versions
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateWarning
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.plan import Leg, Plan
from pytest_edgegate.core.ports import ExternalProgram, SourceModel, Transform
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.programs import Programs
from pytest_edgegate.session.subject import Recogniser
from pytest_edgegate.storage.cache import Cache, Entry, key_of

if TYPE_CHECKING:
    from pytest_edgegate.data.dataset import Dataset
    from pytest_edgegate.data.laid_out import FedSamples

_KEPT = ("model", "model_digest", "tools", "notes", "calibration_range", "layout")


class Builder:
    """Builds plans through the cache."""

    def __init__(
        self, registry: Registry, cache: Cache, recogniser: Recogniser, programs: Programs
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._recogniser = recogniser
        self._programs = programs
        self._told: set[str] = set()

    def build(
        self, model: SourceModel, plan: Plan, target: Target, dataset: Dataset | None
    ) -> Artifact:
        """The artifact of a plan that has at least one leg."""
        for leg in plan.legs:
            for program in self._transform(leg).programs:
                self._programs.find(program)  # a missing one is told before anything is built
        source, before, layout = model, model.digest(), Layout()
        notes: list[str] = []
        for leg in plan.legs:
            entry = self._leg(source, leg, target, dataset, before, layout)
            before = str(entry.info["key"])
            layout = Layout.from_lists(entry.info["layout"])
            notes += entry.info["notes"]
            if leg is not plan.legs[-1]:
                source = self._recogniser.model(entry.file(entry.info["main"]))
        self._tell(notes)
        return _artifact(entry, plan)

    def is_cached(
        self, model: SourceModel, plan: Plan, target: Target, dataset: Dataset | None
    ) -> bool:
        """Whether the plan's artifact is in the cache; nothing is built."""
        key = model.digest()
        for leg in plan.legs:
            key = self._key(leg, target, dataset, key)
        return self._cache.find(key) is not None

    def _leg(
        self, source: SourceModel, leg: Leg, target: Target, dataset: Dataset | None, before: str,
        layout: Layout,
    ) -> Entry:  # fmt: skip
        transform = self._transform(leg)
        data = LegData(dataset, layout, transform.programs, self._programs)
        key = self._key(leg, target, dataset, before)

        def work(folder: Path) -> Mapping[str, Any]:
            produced = transform.apply(source, leg.step, target, data, folder)
            return {
                "key": key,
                "main": produced.main.relative_to(folder).as_posix(),
                "files": [each.relative_to(folder).as_posix() for each in produced.files],
                "model": source.name,
                "model_digest": source.digest(),
                "tools": versions(*transform.packages),
                "notes": [*produced.notes, *data.notes],
                "calibration_range": data.range,
                "layout": layout.then(produced.layout).as_lists(),
            }

        return self._cache.fetch(key, work)

    def _key(self, leg: Leg, target: Target, dataset: Dataset | None, before: str) -> str:
        transform = self._transform(leg)
        count = getattr(leg.step, "samples", None)
        samples = None if count is None else _wanted(dataset).calibration(count).digest()
        return key_of(
            kind="artifact",
            before=before,
            transform=leg.transform,
            version=transform.version,
            step=repr(leg.step),
            result=leg.move.result,
            constraints=dict(transform.constraints(target)),
            calibration=samples,
            tools=versions(*transform.packages),
            programs=self._programs.versions(transform.programs),
        )

    def _transform(self, leg: Leg) -> Transform:
        transform: Transform = self._registry.get("transform", leg.transform)
        return transform

    def _tell(self, notes: list[str]) -> None:
        for note in notes:
            if note not in self._told:
                self._told.add(note)
                warnings.warn(note, EdgeGateWarning, stacklevel=2)


class LegData:
    """The data as a transform asks for it, with what was noticed about it on the way."""

    def __init__(
        self, dataset: Dataset | None, layout: Layout, wanted: Sequence[ExternalProgram],
        programs: Programs,
    ) -> None:  # fmt: skip
        self._dataset = dataset
        self._layout = layout
        self._wanted = {each.name: each for each in wanted}
        self._programs = programs
        self.notes: list[str] = []
        self.range: tuple[float, float] | None = None

    def calibration(self, count: int, inputs: Sequence[TensorInfo]) -> FedSamples:
        from pytest_edgegate.data.dataset import finite_or_error, shared_samples, value_range
        from pytest_edgegate.data.laid_out import FedSamples

        dataset = _wanted(self._dataset)
        samples = dataset.calibration(count)
        finite_or_error(samples)
        self.range = value_range(samples.arrays())
        evaluation = dataset.split("evaluation")
        shared = 0 if evaluation is None else shared_samples(samples, evaluation)
        if shared:
            self.notes.append(
                f"{shared} calibration samples are evaluation samples too: the accuracy is "
                "measured on what the ranges were chosen by; draw them from the train data"
            )
        return FedSamples(samples, inputs, self._layout)

    def program(self, name: str) -> Path:
        return self._programs.find(self._wanted[name])


def adopted(model: SourceModel, target: Target) -> Artifact:
    """A file that others made, as an artifact. Raises ConfigurationError for another format."""
    form, _ = model.node
    if model.path is None or form not in target.formats:
        raise ConfigurationError(
            f"{model.name if model.path is None else model.path.name} is a {form} model, and "
            f"{target.name} takes {' or '.join(target.formats)}",
            "let edge_ptq convert it, or gate it for a target of its format",
        )
    return Artifact(
        path=model.path,
        format=form,
        dtype=None,
        files=model.files,
        size_bytes=sum(each.stat().st_size for each in model.files),
        sha256=file_digest(model.path),
        recipe=(),
        target=target.name,
        cached=False,
    )


def _wanted(dataset: Dataset | None) -> Dataset:
    if dataset is None:
        raise ConfigurationError(
            "this recipe needs samples, and there is no edge_data", "define the fixture edge_data"
        )
    return dataset


def _artifact(entry: Entry, plan: Plan) -> Artifact:
    info = entry.info
    main = entry.file(info["main"])
    files = tuple(entry.file(name) for name in info["files"])
    return Artifact(
        path=main,
        format=plan.format,
        dtype=plan.dtype,
        files=files,
        size_bytes=sum(each.stat().st_size for each in files),
        sha256=file_digest(main),
        recipe=plan.recipe,
        target=plan.target,
        cached=entry.cached,
        provenance=MappingProxyType({key: info[key] for key in _KEPT} | {"plan": plan.note}),
    )
