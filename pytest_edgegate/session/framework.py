"""The process in which files of frameworks are loaded, run and converted: the session's side."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import (
    CompressionError,
    ConfigurationError,
    EdgeGateWarning,
    InferenceError,
)
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.ports import (
    Example,
    HasGraph,
    Produced,
    SourceModel,
    Surroundings,
    TakesGraphs,
    Transform,
)
from pytest_edgegate.core.recipe import STEPS, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import Array
from pytest_edgegate.session.foreign_files import ForeignModel
from pytest_edgegate.session.leg_data import LegData
from pytest_edgegate.session.lent_data import LentData, sample_of
from pytest_edgegate.storage.cache import FULL_DISK
from pytest_edgegate.tidy.scratch import SCRATCH
from pytest_edgegate.workers.channel import Answer
from pytest_edgegate.workers.launcher import SUPERVISED
from pytest_edgegate.workers.process import Worker
from pytest_edgegate.workers.remote import outputs_expected
from pytest_edgegate.workers.telling import Marked, Told, caused, ours, told_in
from pytest_edgegate.workers.wire import NO_ARRAYS, PACKED, Expected, Message, unpacked

_DESK = "pytest_edgegate.session.framework_desk:Desk"
_LONGEST = 600.0
"""Seconds beyond the timeout of a runtime: importing a framework, tracing, converting."""
_PATIENCE = 20
"""A batch may take so many times as long as the slowest one before, a sample for a sample."""


@dataclass(frozen=True)
class Source:
    """A model as another process finds it."""

    reader: str
    """``module:attribute``"""
    path: Path
    digest: str
    around: Surroundings

    def fields(self) -> dict[str, str]:
        return {"reader": self.reader, "path": str(self.path), "digest": self.digest}


@dataclass(frozen=True)
class Work:
    """A leg of a plan, for the process of the frameworks."""

    transform: str
    """``module:attribute``"""
    source: Source
    step: Step | None
    target: Target
    data: LegData
    what: str
    """The leg in words, for errors."""

    def fields(self, timeout: float) -> dict[str, Any]:
        step = None if self.step is None else [type(self.step).__name__, as_plain(self.step)]
        programs = {name: str(path) for name, path in self.data.programs.items()}
        return {
            "transform": self.transform,
            "source": self.source.fields(),
            "step": step,
            "target": as_plain(self.target),
            "programs": programs,
            "what": self.what,
            "timeout": timeout,
        }


def source_of(model: SourceModel) -> Source | None:
    """The model for another process: a file, whose reader can be imported; None for any other.

    A file whose code the user trusts may need what a conftest.py has told its framework.
    """
    if not isinstance(model, ForeignModel) or model.around is None or model.reader is None:
        return None
    if model.around.allow_code:
        return None
    return Source(model.reader, model.path, model.digest(), model.around)


def can_be_told(step: Step | None, data: LegData) -> bool:
    """Whether all that a step goes by has a form in which it crosses: functions have none."""
    settings, known = data.settings, step is None or type(step) in STEPS
    own = (settings.loss, settings.optimizer, settings.distill_loss)
    trains = step is not None and step.trains
    return known and not (trains and any(not isinstance(each, str | None) for each in own))


class Frameworks:
    """One process for the whole session, started when it is first needed."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._worker: Worker | None = None
        self._graphs = Graphs()

    def apply(self, work: Work, out: Path) -> Produced:
        """``Transform.apply``. Raises CompressionError where the process has ended, too."""
        fields = work.fields(self._timeout) | {"out": str(out)}
        answer = self._do("apply", fields, work, PACKED)
        for each in answer.fields["result"]["warned"]:
            warnings.warn(each, EdgeGateWarning, stacklevel=2)
        return _produced(unpacked(answer.arrays[0]))

    def check(self, work: Work) -> None:
        """``ChecksAhead.check``, with its errors."""
        self._do("check", work.fields(self._timeout), work)

    def source(self, model: SourceModel, transform: Transform) -> Source | None:
        """The model for the process: a file, or a live model's graph where the *transform* takes
        one; None for what is converted here."""
        live = model.path is None and isinstance(model, HasGraph)
        if live and isinstance(transform, TakesGraphs):
            return self._graphs.source(model)
        return source_of(model)

    def inputs(self, source: Source, what: str) -> tuple[TensorInfo, ...]:
        """What the model takes; it is loaded for that."""
        answer = self.run("inputs", {"source": source.fields()}, source, what)
        return _tensors(answer.fields["result"]["inputs"])

    def open(self, runtime: str, source: Source, what: str) -> FrameworkRunner:
        """The model in its own framework; *runtime* is ``module:attribute``."""
        return FrameworkRunner(self, runtime, source, what)

    def run(
        self,
        task: str,
        given: Mapping[str, Any],
        source: Source,
        what: str,
        arrays: tuple[Array, ...] = (),
        longer: float = 0.0,
        expected: Expected = NO_ARRAYS,
    ) -> Message:
        """Has something done with a model. Raises InferenceError."""
        worker = self._started()
        question = Message({"task": task, "given": given}, arrays, "work")
        answer, told = _asked(
            lambda noted: worker.ask(question, what, _LONGEST + longer, expected, noted),
            lambda asked: sample_of(source.around),
        )
        if told is not None:
            raise ours(told) or _caused(
                told, InferenceError(f"{what} failed: {told.reason}", _MORE)
            )
        return answer

    @property
    def alive(self) -> bool:
        return self._worker is not None and self._worker.alive

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _do(
        self, task: str, fields: Mapping[str, Any], work: Work, expected: Expected = NO_ARRAYS
    ) -> Message:
        worker = self._started()
        question = Message({"task": task, "given": fields}, (), "work")

        def ask(noted: Answer) -> Message:
            try:
                return worker.ask(question, work.what, _LONGEST, expected, noted)
            except InferenceError as error:
                raise CompressionError(error.message, _CRASHED) from error

        answer, told = _asked(ask, LentData(work.data, work.source.around).answer)
        if told is not None:
            raise _error(work.what, told)
        return answer

    def _started(self) -> Worker:
        if self._worker is None or not self._worker.alive:
            self.close()
            self._worker = Worker(self._timeout, SUPERVISED)
            self._worker.call("hire", "the process of the frameworks", entry=_DESK, asks=True)
        return self._worker


class Graphs:
    """Graphs of live models that were written down, each once for its content."""

    def __init__(self) -> None:
        self._written: dict[str, Source | None] = {}

    def source(self, model: SourceModel) -> Source | None:
        """None where it can't be written: whoever converts the model itself says why."""
        digest = model.digest()
        if digest not in self._written:
            while len(self._written) >= _GRAPHS:
                old = self._written.pop(next(iter(self._written)))
                shutil.rmtree(old.path if old else "", ignore_errors=True)
            self._written[digest] = self._write(model, digest)
        return self._written[digest]

    def _write(self, model: Any, digest: str) -> Source | None:
        folder = SCRATCH.subfolder("graph")
        try:
            model.write_graph(folder)
        except Exception:  # noqa: BLE001 - of whatever kind, the conversion itself tells it
            return None
        return Source(model.graph_reader, folder, digest, Surroundings(_no_sample))


def _no_sample() -> Example:
    raise ConfigurationError("a graph needs no sample", "report this as a fault of the reader")


_GRAPHS = 4
"""That are kept: the tests of a module go by one model, mostly."""
_MORE = "the framework's own traceback is at --tb=long"
_CRASHED = (
    "the native code of the framework has a fault with this model: try another version of it, or "
    "another recipe; if it only is slow, ini edge_runtime_timeout = 600 s"
)


def _asked(ask: Callable[[Answer], Message], answer: Answer) -> tuple[Message, Told | None]:
    """The answer, and the error that it tells; what this side raised meanwhile is raised itself."""
    marked = Marked()

    def noted(asked: Message) -> Message:
        try:
            return answer(asked)
        except Exception as error:
            marked.add(error)
            raise

    found = ask(noted)
    told = told_in(found)
    own = None if told is None else marked.find(told)
    if own is not None:
        raise own
    return found, told


class FrameworkRunner:
    """A file of a framework, opened in its process: a runner like any other."""

    def __init__(self, frameworks: Frameworks, runtime: str, source: Source, what: str) -> None:
        self._frameworks = frameworks
        self._source = source
        self._what = what
        self._seconds = 0.0
        given = {"runtime": runtime, "source": source.fields()}
        opened = frameworks.run("open", given, source, what).fields["result"]
        self._held = opened["held"]
        self.inputs = _tensors(opened["inputs"])
        self.outputs = _tensors(opened["outputs"])

    def __enter__(self) -> FrameworkRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._frameworks.alive:
            self._frameworks.run("close", {"held": self._held}, self._source, self._what)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer", batch)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer_raw", batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return lambda: self.infer(sample)

    def _run(self, task: str, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """The whole batch at once: results may depend on where it is cut."""
        count, start = len(batch[0]), time.monotonic()
        answer = self._frameworks.run(
            task,
            {"held": self._held},
            self._source,
            self._what,
            batch,
            _PATIENCE * self._seconds * count,
            outputs_expected(self.outputs, count),
        )
        self._seconds = max(self._seconds, (time.monotonic() - start) / max(count, 1))
        return answer.arrays


def _tensors(told: list[Any]) -> tuple[TensorInfo, ...]:
    return tuple(from_plain(TensorInfo, each) for each in told)


def _produced(told: Mapping[str, Any]) -> Produced:
    return Produced(
        Path(told["main"]),
        tuple(map(Path, told["files"])),
        tuple(told["notes"]),
        Layout.from_lists(told["layout"]),
        told["facts"],
    )


def _error(what: str, told: Told) -> Exception:
    """What was raised over there, as ``building`` would have it of a transform that runs here."""
    if told.number is not None and told.number in FULL_DISK:
        return OSError(told.number, os.strerror(told.number))
    error = ours(told)
    if error is not None:
        return error
    return _caused(told, CompressionError(f"{what} failed: {told.reason}", _TOOLS))


_TOOLS = "the tool's own traceback is at --tb=long"


def _caused(told: Told, error: CompressionError | InferenceError) -> Exception:
    caused(error, told)
    return error
