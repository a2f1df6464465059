"""Passes over the evaluation data, remembered by content. Latencies are never remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from pytest_edgegate.core.description import ExecutedOperator, TensorInfo
from pytest_edgegate.core.environment import processor, versions
from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.core.layout import AS_THE_MODEL, Layout
from pytest_edgegate.core.ports import Runner, Runtime, SourceModel
from pytest_edgegate.core.progress import Tell, silent
from pytest_edgegate.data.feeding import bare_name, noise
from pytest_edgegate.data.laid_out import LaidOutRunner
from pytest_edgegate.data.splits import Array, ArraySplit, Split
from pytest_edgegate.measures.comparison import check_compared, compare_models
from pytest_edgegate.measures.evidence import (
    Collector,
    Evidence,
    Paired,
    Told,
    check_figures,
    fed_batches,
)
from pytest_edgegate.measures.metrics import Scoring, TopN
from pytest_edgegate.measures.parity import FIGURES, compare
from pytest_edgegate.registry import Registry
from pytest_edgegate.session import early
from pytest_edgegate.session.framework import Frameworks
from pytest_edgegate.session.sources import source_of
from pytest_edgegate.session.taken_in import reading, ready
from pytest_edgegate.storage.cache import Cache, Entry, key_of
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.remote import RemoteRunner, executed_remotely

_ARRAYS = "evidence.npz"
_POSITIONS = "positions.npy"
_RAN = {"ran": True}
_KINDS = {
    "n": int, "fingerprint": str, "source": str, "nonfinite": int, "first_nonfinite": int,
    "outputs": list,
}  # fmt: skip
"""What the cache has of a pass beside its arrays."""
Fits = Callable[[Evidence], None]
"""Raises ValueError for evidence out of the cache that is of another kind."""
_VERSION = 3
"""Raised whenever a pass over the same samples would note other figures than before."""


@dataclass(frozen=True)
class Seen:
    """A model in a runtime, with the digest that it is known by."""

    model: Path | SourceModel
    digest: str
    runtime: str
    layout: Layout = AS_THE_MODEL
    made: bool = False
    """Whether this gate made the file, so that its bytes are known to be what was written."""

    @property
    def title(self) -> str:
        """For messages: which model, in which runtime."""
        path = self.model if isinstance(self.model, Path) else self.model.path
        name = path.name if path is not None else self.model.name
        return f"{name} in {self.runtime}"


class Observer:
    """Runs models over a split and keeps what it saw."""

    def __init__(
        self, registry: Registry, cache: Cache, workers: Workers, frameworks: Frameworks,
        tell: Tell = silent, early_after: float = 10.0,
    ) -> None:  # fmt: skip
        """*early_after*: seconds that the rest of a pass has to take for it to end early."""
        self._registry = registry
        self._cache = cache
        self._workers = workers
        self._frameworks = frameworks
        self._tell = tell
        self._early_after = early_after
        self._seen: dict[str, Evidence] = {}
        self._tried: set[str] = set()

    def predictions(self, seen: Seen, split: Split, scoring: Scoring) -> Evidence:
        """The figures that *scoring* keeps of each sample, for one model in one runtime."""

        def look() -> Evidence:
            with self.open(seen) as runner:
                told = partial(self._tell, f"{seen.title}, samples")
                return observe(runner, split, scoring, f"host:{seen.runtime}", told)

        keep = scoring.key is not None
        key = self._predictions_key(seen, split, scoring)
        return self._remembered(key, look, _fits(scoring)) if keep else look()

    def _predictions_key(self, seen: Seen, split: Split, scoring: Scoring) -> str:
        return key_of(
            kind="predictions",
            version=_VERSION,
            model=self.identity(seen),
            data=split.digest(),
            metric=scoring.key,
            output=scoring.output,
        )

    def paired(
        self, reference: Seen, artifact: Seen, split: ArraySplit, scoring: TopN, budget: Fraction,
        trusted: Callable[[Evidence], bool],
    ) -> Paired:  # fmt: skip
        """Both on the same samples; ended early where that spares time and decides the budget.

        Whatever ended early, now or in an earlier run, its part of the reference is *trusted*.
        """
        keys = [self._predictions_key(each, split, scoring) for each in (reference, artifact)]
        known = [self._known(key, scoring) for key in keys]
        if known[0] is not None and known[1] is not None:
            return Paired(known[0], known[1])
        clear = early.clear(known, split.size)
        if clear is not None:
            return clear
        key = key_of(kind="early", of=keys, budget=str(budget), after=self._early_after)
        stored = self._cache.find(key, partial(_read_paired, fits=_fits(scoring)))
        if stored is not None and _is_valid(stored, trusted):
            return stored
        sides = [
            early.Side(evidence, partial(self.open, each), f"host:{each.runtime}")
            for each, evidence in zip((reference, artifact), known, strict=True)
        ]

        def in_full(side: early.Side, runner: Runner) -> Evidence:
            return observe(runner, split, scoring, side.source, partial(self._tell, "samples"))

        def pick(runner: Runner, outputs: tuple[Array, ...]) -> Array:
            return outputs[_index(scoring.output, runner.outputs)]

        bet = early.Bet(split, scoring, budget, self._early_after, trusted, pick, in_full)
        found = early.run(bet, sides[0], sides[1], self._tell)
        if found.total is not None:
            if stored is None:
                read = partial(_read_paired, fits=_fits(scoring))
                self._cache.fetch(key, lambda folder: _write_paired(folder, found), read)
            return found
        pair = (found.reference, found.artifact)
        for name, evidence in zip(keys, pair, strict=True):
            look = partial(_given, evidence)
            self._seen[name] = self._through_cache(name, look, _fits(scoring))
        return found

    def _known(self, key: str, scoring: Scoring) -> Evidence | None:
        """What an earlier pass has left, in this session or in the cache."""
        if key not in self._seen:
            kept = self._cache.find(key, partial(_read, fits=_fits(scoring)))
            if kept is None:
                return None
            self._seen[key] = kept
        return self._seen[key]

    def parity(
        self, seen: Seen, runtimes: tuple[str, ...], split: Split, limit: int | None
    ) -> Evidence:
        """Differences of the same bytes in several runtimes."""
        everywhere = [replace(seen, runtime=name) for name in runtimes]

        def look() -> Evidence:
            with ExitStack() as stack:
                runners: list[Runner] = [
                    stack.enter_context(self.open(each)) for each in everywhere
                ]
                told = partial(self._tell, f"{seen.title} and others, samples")
                return compare(runners, split, f"host:{','.join(runtimes)}", limit, told)

        fits = partial(check_figures, figures=FIGURES)
        key = key_of(
            kind="parity",
            version=_VERSION,
            data=split.digest(limit),
            limit=limit,
            models=[self.identity(each) for each in everywhere],
        )
        return self._remembered(key, look, fits)

    def compared(self, reference: Seen, other: Seen, split: Split, limit: int) -> Evidence:
        """Differences of a model from its reference, output by output."""

        def look() -> Evidence:
            with self.open(reference) as one, self.open(other) as two:
                source = f"host:{reference.runtime},{other.runtime}"
                told = partial(self._tell, f"{other.title} against the model, samples")
                return compare_models(one, two, split, source, limit, told)

        key = key_of(
            kind="compared",
            version=_VERSION,
            data=split.digest(limit),
            limit=limit,
            models=[self.identity(reference), self.identity(other)],
        )
        return self._remembered(key, look, check_compared)

    def open(self, seen: Seen) -> Runner:
        """The model in its runtime, taking samples as the model under test does."""
        runner = self._opened(seen)
        fault = _never_runs(seen, runner)
        if fault is not None:
            runner.__exit__(None, None, None)
            raise fault
        return LaidOutRunner(runner, seen.layout) if seen.layout else runner

    def executed(
        self, seen: Seen, sample: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        """What the runtime makes of a file; *sample* in the dtypes and axes of the file."""
        runtime, entry = self._runtime(seen.runtime), self._entry(seen)
        path = _path(_opened_as(seen))
        if path is None:
            return None
        if entry is None or seen.made:
            return runtime.executed(path, sample)
        return executed_remotely(self._workers, entry, path, seen.title, sample)

    def _opened(self, seen: Seen) -> Runner:
        """A file that others made stays in a worker: what is wrong with it may end a process."""
        runtime, entry, model = self._runtime(seen.runtime), self._entry(seen), _opened_as(seen)
        path = _path(model)
        if path is None:
            return runtime.open(model)
        if entry is None:
            there = self._registry.entry("runtime", seen.runtime)
            source = None if isinstance(model, Path) else source_of(model)
            if there is not None and source is not None:
                return self._frameworks.open(there, source, seen.title)
            with reading(path):
                return runtime.open(model)
        if not seen.made:
            return RemoteRunner(self._workers, entry, path, seen.title)
        self._try_once(seen, entry, path)
        return runtime.open(path)

    def _entry(self, seen: Seen) -> str | None:
        """Where a worker finds the runtime; None for one that only this process can run."""
        entry = self._registry.entry("runtime", seen.runtime)
        return entry if entry is not None and self._runtime(seen.runtime).opens_files else None

    def _try_once(self, seen: Seen, entry: str, path: Path) -> None:
        """A file of our own runs here, once it has run in a worker without ending that."""

        def work(folder: Path) -> Mapping[str, Any]:
            with RemoteRunner(self._workers, entry, path, seen.title) as runner:
                runner.infer(tuple(map(noise, runner.inputs)))
            return _RAN

        key = key_of(kind="trial", version=_VERSION, model=self.identity(seen))
        if key not in self._tried:
            self._cache.fetch(key, work, _ran)
            self._tried.add(key)

    def _remembered(self, key: str, look: Callable[[], Evidence], fits: Fits) -> Evidence:
        if key not in self._seen:
            self._seen[key] = self._through_cache(key, look, fits)
        return self._seen[key]

    def _through_cache(self, key: str, look: Callable[[], Evidence], fits: Fits) -> Evidence:
        def work(folder: Path) -> Mapping[str, Any]:
            return _write(folder / _ARRAYS, look())

        return self._cache.fetch(key, work, partial(_read, fits=fits))

    def _runtime(self, name: str) -> Runtime:
        runtime: Runtime = self._registry.get("runtime", name)
        return runtime

    def identity(self, seen: Seen) -> dict[str, object]:
        """All that decides the outputs: the model, the runtime's version and what it runs on."""
        chip, runtime = processor(), self._runtime(seen.runtime)
        return {
            "model": seen.digest,
            "layout": seen.layout.as_lists(),
            "name": seen.runtime,
            "packages": versions(*runtime.packages),
            "options": dict(runtime.options),
            "machine": chip.machine,
            "isa": chip.isa,
        }


def _never_runs(seen: Seen, runner: Runner) -> InferenceError | None:
    """What no sample can be given to, or nothing comes out of."""
    if not runner.outputs:
        return InferenceError(
            f"{seen.title} has no outputs", "make the file again, with the outputs of its model"
        )
    for each in runner.inputs:
        if 0 in each.shape:
            return InferenceError(
                f"{seen.title} takes the input {each.name} in shape {each.shape}, which no sample "
                "has",
                "make the file again, with a batch of 1 or a free one",
            )
    return None


def _opened_as(seen: Seen) -> Path | SourceModel:
    """What a runtime is given: never a file that somebody else may be writing to."""
    return seen.model if isinstance(seen.model, Path) else ready(seen.model)


def _path(model: Path | SourceModel) -> Path | None:
    return model if isinstance(model, Path) else model.path


def observe(
    runner: Runner, split: Split, scoring: Scoring, source: str,
    told: Told = lambda done, total: None,
) -> Evidence:  # fmt: skip
    """One pass. Raises ConfigurationError where data, labels and outputs do not fit."""
    collector = Collector()
    for batch, inputs in fed_batches(runner, split, told=told):
        if batch.labels is None:
            raise ConfigurationError(
                f"edge_data.{split.name} has no labels, and {scoring.name} compares with them",
                "give a pair: EdgeData(..., evaluation=(x_test, y_test))",
            )
        outputs = runner.infer(inputs)
        chosen = outputs[_index(scoring.output, runner.outputs)]
        collector.add(batch, outputs, scoring.observe(chosen, batch.labels))
    return collector.evidence(source)


def _index(output: int | str | None, outputs: tuple[TensorInfo, ...]) -> int:
    names = [bare_name(each.name) for each in outputs]
    if output is None and len(outputs) == 1:
        return 0
    if isinstance(output, int) and -len(outputs) <= output < len(outputs):
        return output
    if isinstance(output, str) and output in names:
        return names.index(output)
    said = "edge_metric does not say which it reads" if output is None else f"none is {output!r}"
    raise ConfigurationError(
        f"the model has {len(outputs)} outputs ({', '.join(names)}), and {said}",
        'return Metric("top1", output=0) from edge_metric',
    )


def _is_valid(kept: Paired, trusted: Callable[[Evidence], bool]) -> bool:
    """Whether the pass would end there now as well: the reference may not have been checked."""
    broken = kept.reference.nonfinite or kept.artifact.nonfinite
    return bool(broken) or trusted(kept.reference)


def _write(path: Path, evidence: Evidence) -> dict[str, Any]:
    """Writes the arrays; returns what else there is to know."""
    np.savez(path, **evidence.arrays)  # type: ignore[arg-type]
    return {
        "n": evidence.n,
        "fingerprint": evidence.fingerprint,
        "source": evidence.source,
        "nonfinite": evidence.nonfinite,
        "first_nonfinite": evidence.first_nonfinite,
        "outputs": list(evidence.outputs),
    }


def _fits(scoring: Scoring) -> Fits:
    return partial(check_figures, figures=scoring.figures)


def _ran(entry: Entry) -> bool:
    if entry.info != _RAN:
        raise ValueError("it is of no trial")
    return True


def _given(evidence: Evidence) -> Evidence:
    return evidence


def _read(entry: Entry, fits: Fits) -> Evidence:
    """Raises ValueError, KeyError, TypeError or what numpy does for what no pass has left."""
    return _evidence(entry, _ARRAYS, entry.info, fits)


def _evidence(entry: Entry, name: str, info: Mapping[str, Any], fits: Fits) -> Evidence:
    with np.load(entry.file(name), allow_pickle=False) as opened:
        arrays: dict[str, Array] = {name: opened[name] for name in opened.files}
    _check_kinds(info)
    named = {**info, "outputs": tuple(info["outputs"])}
    evidence = Evidence(arrays, **named, cached=entry.cached)
    fits(evidence)
    return evidence


def _check_kinds(info: Mapping[str, Any]) -> None:
    kinds = {name: type(value) for name, value in info.items()}
    if kinds != _KINDS or not all(isinstance(each, str) for each in info["outputs"]):
        raise ValueError("what it tells of the pass is of another shape")


def _write_paired(folder: Path, paired: Paired) -> dict[str, Any]:
    np.save(folder / _POSITIONS, cast("Array", paired.artifact.positions))
    return {
        "reference": _write(folder / f"reference-{_ARRAYS}", paired.reference),
        "artifact": _write(folder / f"artifact-{_ARRAYS}", paired.artifact),
        "within": paired.within,
        "total": paired.total,
    }


def _read_paired(entry: Entry, fits: Fits) -> Paired:
    info = entry.info
    within, total = info["within"], info["total"]
    positions: Array = np.load(entry.file(_POSITIONS), allow_pickle=False)
    reference, artifact = (
        _evidence(entry, f"{side}-{_ARRAYS}", info[side], fits)
        for side in ("reference", "artifact")
    )
    if within not in (None, True, False) or type(total) is not int:
        raise ValueError("what it tells of the whole set is of another shape")
    if positions.dtype.kind != "i" or not positions.shape == (reference.n,) == (artifact.n,):
        raise ValueError("its samples are not those of its figures")
    if not 0 <= positions.min() <= positions.max() < total:
        raise ValueError("its samples are none of the set's")
    reference, artifact = (replace(each, positions=positions) for each in (reference, artifact))
    return Paired(reference, artifact, within, total)
