"""The process that loads, runs and converts framework files: the session's side."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeGuard

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import CompressionError, EdgeGateWarning, InferenceError
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.ports import Produced, SourceModel
from pytest_edgegate.core.recipe import STEPS, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import Array
from pytest_edgegate.session.foreign_files import ForeignModel
from pytest_edgegate.session.leg_data import LegData
from pytest_edgegate.session.lent_data import LentData, sample_of
from pytest_edgegate.storage.cache import FULL_DISK
from pytest_edgegate.workers.by_value import as_plain, from_plain
from pytest_edgegate.workers.channel import Answer
from pytest_edgegate.workers.launcher import SUPERVISED
from pytest_edgegate.workers.process import Worker
from pytest_edgegate.workers.remote import outputs_expected
from pytest_edgegate.workers.sent_errors import Marked, SentError, caused, error_in, ours
from pytest_edgegate.workers.wire import NO_ARRAYS, PACKED, Expected, Message, unpacked

_SERVER = "pytest_edgegate.session.framework_server:FrameworkServer"
_LONGEST = 600.0
"""Seconds added to the timeout of a runtime, for importing, tracing and converting."""
_PATIENCE = 20
"""A batch may take this many times as long per sample as the slowest one before."""


@dataclass(frozen=True)
class Work:
    """A leg of a plan as a job for the frameworks' process."""

    transform: str
    """``module:attribute``"""
    source: ForeignModel
    step: Step | None
    target: Target
    data: LegData
    what: str
    """The description of the leg in error messages."""

    def fields(self, timeout: float) -> dict[str, Any]:
        step = None if self.step is None else [type(self.step).__name__, as_plain(self.step)]
        programs = {name: str(path) for name, path in self.data.programs.items()}
        return {
            "transform": self.transform,
            "source": _plain_source(self.source),
            "step": step,
            "target": as_plain(self.target),
            "programs": programs,
            "what": self.what,
            "timeout": timeout,
        }


def can_be_sent(model: SourceModel) -> TypeGuard[ForeignModel]:
    """Whether another process can load the model: a file with an importable reader.

    A file with trusted code is excluded, as it may depend on registrations in a conftest.py.
    """
    if not isinstance(model, ForeignModel) or model.around is None:
        return False
    return model.reader is not None and not model.around.allow_code


def can_be_told(step: Step | None, data: LegData) -> bool:
    """Whether everything that a step depends on can be sent; functions can't."""
    settings, known = data.settings, step is None or type(step) in STEPS
    own = (settings.loss, settings.optimizer, settings.distill_loss)
    trains = step is not None and step.trains
    return known and not (trains and any(not isinstance(each, str | None) for each in own))


class Frameworks:
    """One process for the whole session, started on first use."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._worker: Worker | None = None

    def apply(self, work: Work, out: Path) -> Produced:
        """``Transform.apply``. Also raises CompressionError if the process has ended."""
        fields = work.fields(self._timeout) | {"out": str(out)}
        answer = self._do("apply", fields, work, PACKED)
        for each in answer.fields["result"]["warned"]:
            warnings.warn(each, EdgeGateWarning, stacklevel=2)
        return _produced(unpacked(answer.arrays[0]))

    def check(self, work: Work) -> None:
        """``ChecksAhead.check``, with the same errors."""
        self._do("check", work.fields(self._timeout), work)

    def inputs(self, model: ForeignModel) -> tuple[TensorInfo, ...]:
        """The inputs of the model, which is loaded for that."""
        answer = self.run("inputs", {"source": _plain_source(model)}, model, model.name)
        return _tensors(answer.fields["result"]["inputs"])

    def open(self, runtime: str, model: ForeignModel, what: str) -> FrameworkRunner:
        """Opens the model in its own framework; *runtime* is ``module:attribute``."""
        return FrameworkRunner(self, runtime, model, what)

    def run(
        self,
        task: str,
        given: Mapping[str, Any],
        model: ForeignModel,
        what: str,
        arrays: tuple[Array, ...] = (),
        longer: float = 0.0,
        expected: Expected = NO_ARRAYS,
    ) -> Message:
        """Runs a command on a model. Raises InferenceError."""
        around = model.around
        assert around is not None  # can_be_sent() has looked
        worker = self._started()
        question = Message({"task": task, "given": given}, arrays, "work")
        answer, sent = _asked(
            lambda noted: worker.ask(question, what, _LONGEST + longer, expected, noted),
            lambda asked: sample_of(around),
        )
        if sent is not None:
            raise ours(sent) or _caused(
                sent, InferenceError(f"{what} failed: {sent.reason}", _MORE)
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
        around = work.source.around
        assert around is not None  # can_be_sent() has looked
        worker = self._started()
        question = Message({"task": task, "given": fields}, (), "work")

        def ask(noted: Answer) -> Message:
            try:
                return worker.ask(question, work.what, _LONGEST, expected, noted)
            except InferenceError as error:
                raise CompressionError(error.message, _CRASHED) from error

        answer, sent = _asked(ask, LentData(work.data, around).answer)
        if sent is not None:
            raise _error(work.what, sent)
        return answer

    def _started(self) -> Worker:
        if self._worker is None or not self._worker.alive:
            self.close()
            self._worker = Worker(self._timeout, SUPERVISED)
            self._worker.call("hire", "the process of the frameworks", entry=_SERVER, asks=True)
        return self._worker


_MORE = "the framework's own traceback is at --tb=long"
_CRASHED = (
    "the native code of the framework has a fault with this model: try another version of it, or "
    "another recipe; if it only is slow, ini edge_runtime_timeout = 600 s"
)


def _asked(ask: Callable[[Answer], Message], answer: Answer) -> tuple[Message, SentError | None]:
    """The answer and the error in it; an error raised on this side meanwhile is raised itself."""
    marked = Marked()

    def noted(asked: Message) -> Message:
        try:
            return answer(asked)
        except Exception as error:
            marked.add(error)
            raise

    found = ask(noted)
    sent = error_in(found)
    own = None if sent is None else marked.find(sent)
    if own is not None:
        raise own
    return found, sent


class FrameworkRunner:
    """A ``Runner`` for a framework file that is open in the frameworks' process."""

    def __init__(
        self, frameworks: Frameworks, runtime: str, model: ForeignModel, what: str
    ) -> None:
        self._frameworks = frameworks
        self._model = model
        self._what = what
        self._seconds = 0.0
        given = {"runtime": runtime, "source": _plain_source(model)}
        opened = frameworks.run("open", given, model, what).fields["result"]
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
            self._frameworks.run("close", {"held": self._held}, self._model, self._what)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer", batch)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer_raw", batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return lambda: self.infer(sample)

    def _run(self, task: str, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """Runs the whole batch at once, because results may depend on how it is split."""
        count, start = len(batch[0]), time.monotonic()
        answer = self._frameworks.run(
            task,
            {"held": self._held},
            self._model,
            self._what,
            batch,
            _PATIENCE * self._seconds * count,
            outputs_expected(self.outputs, count),
        )
        self._seconds = max(self._seconds, (time.monotonic() - start) / max(count, 1))
        return answer.arrays


def _plain_source(model: ForeignModel) -> dict[str, Any]:
    return {"reader": model.reader, "path": str(model.path), "digest": model.digest()}


def _tensors(sent: list[Any]) -> tuple[TensorInfo, ...]:
    return tuple(from_plain(TensorInfo, each) for each in sent)


def _produced(sent: Mapping[str, Any]) -> Produced:
    return Produced(
        Path(sent["main"]),
        tuple(map(Path, sent["files"])),
        tuple(sent["notes"]),
        Layout.from_lists(sent["layout"]),
        sent["facts"],
    )


def _error(what: str, sent: SentError) -> Exception:
    """The remote exception as the error that a local transform would cause."""
    if sent.number is not None and sent.number in FULL_DISK:
        return OSError(sent.number, os.strerror(sent.number))
    error = ours(sent)
    if error is not None:
        return error
    return _caused(sent, CompressionError(f"{what} failed: {sent.reason}", _TOOLS))


_TOOLS = "the tool's own traceback is at --tb=long"


def _caused(sent: SentError, error: CompressionError | InferenceError) -> Exception:
    caused(error, sent)
    return error
