"""Opens specimens in their runtimes: in this process, or in a worker for third-party files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import (
    ExecutedOperator,
    HeldTwice,
    ModelDescription,
    TensorInfo,
)
from pytest_edgegate.core.environment import MeasuredWith, measured_with, processor, versions
from pytest_edgegate.core.errors import CrashedError, EdgeGateError, InferenceError
from pytest_edgegate.core.ports import (
    HasOtherVersions,
    RemarksOnKernels,
    Runner,
    RunsElsewhere,
    Runtime,
    SourceModel,
)
from pytest_edgegate.data.feeding import bare_names, noise, zeros
from pytest_edgegate.data.input_order import OrderedRunner
from pytest_edgegate.data.laid_out import LaidOutRunner
from pytest_edgegate.data.lone_runner import LoneRunner, declares_a_free_batch
from pytest_edgegate.measures.evidence import nonfinite_samples
from pytest_edgegate.measures.providers import TriedSignature
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.intake.foreign_files import ForeignInspector
from pytest_edgegate.session.intake.taken_in import reading_volatile
from pytest_edgegate.session.measuring.elsewhere import RawAnswers, opened_elsewhere
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import Cache, Entry, key_of
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.remote import RemoteRunner, executed_remotely

if TYPE_CHECKING:
    from pytest_edgegate.session.frameworks.process import FrameworkProcess

_RAN, _LEFT = {"ran": True}, {"ran": False}
_ZEROS_VERSION = 1
"""Incremented whenever a signature has to be tried again."""
_HELD_VERSION = 1
"""Incremented whenever other weights are found alike."""
_INPUTS_VERSION = 2
"""Incremented whenever the same model would show other inputs."""
_VERSION = 4
"""Incremented whenever a file that has run before has to be tried again."""

Sample = tuple[Any, ...]


class Opener:
    """Opens specimens, and identifies everything that affects their outputs."""

    def __init__(
        self,
        registry: Registry,
        cache: Cache,
        workers: Workers,
        frameworks: Callable[[], FrameworkProcess],
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._workers = workers
        self._frameworks = frameworks
        self._tried: dict[str, bool] = {}
        self._inputs: dict[str, tuple[TensorInfo, ...]] = {}
        self._elsewhere: dict[str, RawAnswers] = {}

    def open(self, specimen: Specimen) -> Runner:
        """A runner that accepts samples in the layout of the model under test."""
        runner = self._opened(specimen)
        fault = _never_runs(specimen, runner)
        if fault is not None:
            runner.__exit__(None, None, None)
            raise fault
        if specimen.layout:
            runner = LaidOutRunner(runner, specimen.layout)
        if specimen.order:
            runner = OrderedRunner(runner, specimen.order)
        if not declares_a_free_batch(runner):
            return runner
        return LoneRunner(runner, "" if isinstance(specimen.model, Path) else specimen.title)

    def by_range(self, specimen: Specimen) -> tuple[str, ...]:
        """The operators of a file that quantise by the range of a batch, by their kinds."""
        model = specimen.model
        if isinstance(model, Path):
            return specimen.by_range()
        path, form = _path(specimen.opened), model.node[0]
        for inspector in self._registry.all("inspector").values():
            if path is not None and form in inspector.formats:
                described: ModelDescription = ForeignInspector(inspector).describe(path)
                return described.by_range
        return ()

    def executed(self, specimen: Specimen, sample: Sample) -> tuple[ExecutedOperator, ...] | None:
        """The operators as executed; *sample* in the dtypes and axes of the file."""
        runtime, entry = self._runtime(specimen.runtime), self._entry(specimen)
        path = _path(specimen.opened)
        if path is None:
            return None
        if entry is None or specimen.made:
            return runtime.executed(path, sample)
        return executed_remotely(self._workers, entry, path, specimen.title, sample, specimen.files)

    def kernels(self, specimen: Specimen, described: ModelDescription) -> str:
        """What the runtime remarks on its kernels for a file on this processor."""
        runtime, path = self._runtime(specimen.runtime), _path(specimen.opened)
        if path is None or not isinstance(runtime, RemarksOnKernels):
            return ""
        return runtime.kernels(path if specimen.made else None, described)

    def inputs(self, specimen: Specimen) -> tuple[TensorInfo, ...]:
        """The inputs of a model, which is opened for them once."""

        def work(folder: Path) -> Mapping[str, Any]:
            return {"inputs": as_plain(_opened_inputs(self, specimen))}

        key = key_of(kind="inputs", version=_INPUTS_VERSION, model=self.identity(specimen))
        if key not in self._inputs:
            self._inputs[key] = (
                self._cache.fetch(key, work, _inputs_in)
                if specimen.lasting
                else _opened_inputs(self, specimen)
            )
        return self._inputs[key]

    def output_names(self, specimen: Specimen) -> tuple[str, ...]:
        """The bare names of a model's outputs; it is opened for them once."""

        def look() -> tuple[str, ...]:
            with self.open(specimen) as runner:
                return tuple(bare_names(runner.outputs))

        if not specimen.lasting:
            return look()
        key = key_of(kind="outputs", version=_INPUTS_VERSION, model=self.identity(specimen))
        return self._cache.fetch(key, lambda folder: {"names": list(look())}, _names_in)

    def held_twice(self, digest: str, look: Callable[[], HeldTwice]) -> HeldTwice:
        """What *look* finds in the file of this digest, kept for later runs."""

        def read(entry: Entry) -> HeldTwice:
            found = from_plain(HeldTwice, dict(entry.info))
            if type(found.size_bytes) is not int or not all(
                isinstance(each, str) for each in found.names
            ):
                raise ValueError("what it says of weights is malformed")
            return found

        key = key_of(kind="held twice", version=_HELD_VERSION, model=digest)
        return self._cache.fetch(key, lambda folder: as_plain(look()), read)

    def on_zeros(self, specimen: Specimen, name: str) -> TriedSignature:
        """The outcome of one run of a third-party file on zeros, in a worker, kept for later."""

        def work(folder: Path) -> Mapping[str, Any]:
            crashed, caution = _run_on_zeros(lambda: self.open(specimen))
            return {"crashed": crashed, "caution": caution}

        def read(entry: Entry) -> TriedSignature:
            found = from_plain(TriedSignature, {"name": name, **entry.info})
            if not all(isinstance(each, str) for each in (found.crashed, found.caution)):
                raise ValueError("its outcome is malformed")
            return found

        key = key_of(kind="on zeros", version=_ZEROS_VERSION, model=self.identity(specimen))
        return self._cache.fetch(key, work, read)

    def measured_with(self, runtime: str) -> MeasuredWith:
        """The versions and the processor that the figures of a runtime rest on."""
        return measured_with(*self._runtime(runtime).packages)

    def identity(self, specimen: Specimen) -> dict[str, object]:
        """Everything that affects the outputs: the model, the runtime's version, the processor."""
        chip, runtime = processor(), self._runtime(specimen.runtime)
        return {
            "model": specimen.digest,
            "layout": specimen.layout.as_lists(),
            "order": specimen.order.positions,
            "name": specimen.runtime,
            "packages": versions(*runtime.packages),
            "options": dict(runtime.options),
            "machine": chip.machine,
            "isa": chip.isa,
        }

    def _opened(self, specimen: Specimen) -> Runner:
        """Opens a third-party file in a worker, because it may crash the process."""
        runtime, entry = self._runtime(specimen.runtime), self._entry(specimen)
        model = specimen.opened
        path = _path(model)
        if isinstance(runtime, RunsElsewhere):
            return self._opened_elsewhere(specimen, runtime)
        if path is None:
            return runtime.open(model)
        if entry is None:
            sent = self._sent_to_frameworks(specimen)
            if sent is not None:
                return sent
            with reading_volatile(path):
                return runtime.open(model)
        if not specimen.made or not self._is_tried(specimen, entry, path):
            return self._in_worker(specimen, entry, path)
        return runtime.open(path)

    def _opened_elsewhere(self, specimen: Specimen, runtime: RunsElsewhere) -> Runner:
        """The file in a process on another processor."""
        path = _path(specimen.opened)
        if path is None:
            raise InferenceError(
                f"{specimen.title}: an emulator runs files only", "save the model as a file"
            )
        key = key_of(kind="elsewhere", model=self.identity(specimen))
        workers = self._workers.elsewhere(runtime.source, runtime.launcher)
        answers = self._elsewhere.setdefault(key, RawAnswers())
        return opened_elsewhere(specimen, runtime, path, workers, answers)

    def source(self, runtime: str) -> str:
        """The source of what a runtime computes."""
        known = self._runtime(runtime)
        return known.source if isinstance(known, RunsElsewhere) else f"host:{runtime}"

    def runs_elsewhere(self, runtime: str) -> bool:
        """Whether a runtime's process runs on another processor. Raises UnknownNameError."""
        return isinstance(self._runtime(runtime), RunsElsewhere)

    def check(self, runtimes: tuple[str, ...]) -> None:
        """Raises BackendUnavailableError if one that runs elsewhere can't be started."""
        for each in map(self._runtime, runtimes):
            if isinstance(each, RunsElsewhere):
                each.check()

    def other_versions(self, runtimes: tuple[str, ...]) -> str:
        """What is of other versions elsewhere than here. Raises BackendUnavailableError."""
        known = map(self._runtime, runtimes)
        said = (each.other_versions() for each in known if isinstance(each, HasOtherVersions))
        return "; ".join(dict.fromkeys(filter(None, said)))

    def _sent_to_frameworks(self, specimen: Specimen) -> Runner | None:
        """The model in the framework process; None if it can't be sent there."""
        from pytest_edgegate.session.frameworks.sources import source_of

        there, model = self._registry.entry("runtime", specimen.runtime), specimen.opened
        source = None if isinstance(model, Path) else source_of(model)
        if there is None or source is None:
            return None
        return self._frameworks().open(there, source, specimen.title)

    def _in_worker(self, specimen: Specimen, entry: str, path: Path) -> RemoteRunner:
        explain = partial(self._explained, specimen, path)
        return RemoteRunner(self._workers, entry, path, specimen.title, specimen.files, explain)

    def _explained(self, specimen: Specimen, path: Path, error: CrashedError) -> CrashedError:
        """The error of a file that ends its worker, with another runtime that it runs in."""
        for name, entry in self._siblings(specimen.runtime):
            try:
                with RemoteRunner(self._workers, entry, path, name, specimen.files) as runner:
                    runner.infer(tuple(map(noise, runner.inputs)))
            except EdgeGateError:
                continue
            return CrashedError(
                f"{error.message}; it runs in {name}",
                f"list {name} first in the runtimes of a target of your own, deploy it with those "
                "settings, and tell the runtime's developers; or make the file again",
            )
        return error

    def _siblings(self, name: str) -> Iterator[tuple[str, str]]:
        """The other runtimes of the same package for files of the same formats, with their entry
        points: the same kernels, optimised otherwise."""
        own = self._runtime(name)
        for other in self._registry.names("runtime"):
            entry = self._registry.entry("runtime", other)
            if other == name or entry is None:
                continue
            try:
                found = self._runtime(other)
            except EdgeGateError:
                continue
            alike = (*found.packages, *found.formats) == (*own.packages, *own.formats)
            if alike and found.opens_files:
                yield other, entry

    def _entry(self, specimen: Specimen) -> str | None:
        """The entry point of the runtime; None if only this process can run it."""
        entry = self._registry.entry("runtime", specimen.runtime)
        opens = entry is not None and self._runtime(specimen.runtime).opens_files
        return entry if opens else None

    def _is_tried(self, specimen: Specimen, entry: str, path: Path) -> bool:
        """Runs a file of this gate in a worker once, to see that it does not crash, before here.

        Whether that was possible: no made-up sample is sure to fit a file with free sizes.
        """

        def work(folder: Path) -> Mapping[str, Any]:
            with self._in_worker(specimen, entry, path) as runner:
                if any(-1 in each.shape[1:] for each in runner.inputs):
                    return _LEFT
                runner.infer(tuple(map(noise, runner.inputs)))
            return _RAN

        key = key_of(kind="trial", version=_VERSION, model=self.identity(specimen))
        if key not in self._tried:
            self._tried[key] = self._cache.fetch(key, work, _ran)
        return self._tried[key]

    def _runtime(self, name: str) -> Runtime:
        runtime: Runtime = self._registry.get("runtime", name)
        return runtime


def _never_runs(specimen: Specimen, runner: Runner) -> InferenceError | None:
    """The error for a file without outputs, or with an input that no sample fits."""
    if not runner.outputs:
        return InferenceError(
            f"{specimen.title} has no outputs",
            "make the file again, with the outputs of its model",
        )
    for each in runner.inputs:
        if 0 in each.shape:
            return InferenceError(
                f"{specimen.title} takes the input {each.name} in shape {each.shape}, which no "
                "sample has",
                "make the file again, with a batch of 1 or a free one",
            )
    return None


def _path(model: Path | SourceModel) -> Path | None:
    return model if isinstance(model, Path) else model.path


def _run_on_zeros(opened: Callable[[], Runner]) -> tuple[str, str]:
    """How the process ended that ran the model, and what else was wrong."""
    try:
        with opened() as runner:
            outputs = runner.infer(tuple(map(zeros, runner.inputs)))
    except CrashedError as error:
        return error.message, ""
    except InferenceError as error:
        return "", f"does not run on zeros: {error.message}"
    broken = bool(nonfinite_samples(outputs).any()) if outputs else False
    return "", "gives NaN or Inf on zeros" if broken else ""


def _opened_inputs(opener: Opener, specimen: Specimen) -> tuple[TensorInfo, ...]:
    with opener.open(specimen) as runner:
        return runner.inputs


def _inputs_in(entry: Entry) -> tuple[TensorInfo, ...]:
    """Raises KeyError or TypeError for an invalid entry."""
    found = tuple(from_plain(TensorInfo, each) for each in entry.info["inputs"])
    if not all(type(each.name) is str and type(each.placed) is bool for each in found):
        raise ValueError("its inputs are malformed")
    return found


def _names_in(entry: Entry) -> tuple[str, ...]:
    """Raises KeyError, TypeError or ValueError for an invalid entry."""
    found = tuple(entry.info["names"])
    if not found or not all(type(each) is str for each in found):
        raise ValueError("its outputs are malformed")
    return found


def _ran(entry: Entry) -> bool:
    if entry.info not in (_RAN, _LEFT):
        raise ValueError("it is not the entry of a trial")
    return bool(entry.info["ran"])
