"""The framework process, which loads, runs and converts model files: the session's side."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack
from pathlib import Path

from pytest_edgegate.core.by_value import from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import EdgeGateWarning, InferenceError
from pytest_edgegate.core.ports import Produced, SourceModel, TakesGraphs, Transform
from pytest_edgegate.core.progress import StagedProgress, silent
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.session.frameworks.lent_data import LentData, sample_of
from pytest_edgegate.session.frameworks.runner import FrameworkRunner
from pytest_edgegate.session.frameworks.sources import Graphs, Source, source_of
from pytest_edgegate.session.frameworks.tasks import Job, Task
from pytest_edgegate.storage.cache import FULL_DISK
from pytest_edgegate.workers.channel import Answer
from pytest_edgegate.workers.launcher import SUPERVISED
from pytest_edgegate.workers.process import Worker
from pytest_edgegate.workers.sent_errors import Marked, SentError, caused, ours
from pytest_edgegate.workers.wire import PACKED, Message, unpacked

_SERVER = "pytest_edgegate.session.frameworks.server:FrameworkServer"
_LOADING = 600.0
"""Seconds added to the timeout of a runtime for tasks that load: imports, tracing and conversion
are silent for minutes."""
_MORE = "the tool's own traceback is at --tb=long"
_CRASHED = (
    "the native code of the framework has a fault with this model: try another version of it, or "
    "another recipe; if it only is slow, ini edge_runtime_timeout = 600 s"
)


class FrameworkProcess:
    """The framework process: one for the whole session, started on first use."""

    def __init__(self, timeout: float, progress: StagedProgress = silent) -> None:
        self._timeout = timeout
        self._progress = progress
        self._worker: Worker | None = None
        self._graphs = Graphs()

    def source(self, model: SourceModel, transform: Transform, step: Step | None) -> Source | None:
        """The model in a form that the process can load; None if the session has to convert it.

        That is a file, or the graph of a live model if the *transform* takes graphs and the *step*
        trains nothing.
        """
        found = source_of(model)
        if found is not None or not isinstance(transform, TakesGraphs):
            return found
        batch = transform.takes_graphs
        if batch is None or (step is not None and step.trains):
            return None
        return self._graphs.source(model, batch)

    def apply(self, work: Job, out: Path) -> Produced:
        """``Transform.apply``. Raises CompressionError also if the process ends."""
        task = work.task("apply", {"timeout": self._timeout, "out": str(out)}, PACKED)
        answer = self.run(task, LentData(work.data, work.source.around).answer)
        for each in answer.fields["result"]["warned"]:
            warnings.warn(each, EdgeGateWarning, stacklevel=2)
        return from_plain(Produced, unpacked(answer.arrays[0]))

    def check(self, work: Job) -> None:
        """``ChecksAhead.check``; raises the same errors."""
        lent = LentData(work.data, work.source.around)
        self.run(work.task("check", {"timeout": self._timeout}), lent.answer)

    def inputs(self, source: Source, what: str) -> tuple[TensorInfo, ...]:
        """The inputs of the model, which the process loads to find them."""
        with self._progress.stage(f"loading {what}", told=False):
            found = self.run(Task("inputs", source, what, loads=True))
        inputs = found.fields["result"]["inputs"]
        return tuple(from_plain(TensorInfo, each) for each in inputs)

    def open(self, runtime: str, source: Source, what: str) -> FrameworkRunner:
        """Opens the model in its own framework; *runtime* is ``module:attribute``."""
        with self._progress.stage(f"loading {what}", told=False):
            return FrameworkRunner(self, runtime, source, what)

    def run(self, task: Task, answer: Answer | None = None) -> Message:
        """Runs a task in the process; *answer* answers the questions that it asks meanwhile.

        Raises the error of the task, an error that *answer* raised, or the task's class of error
        if the process ends.
        """
        marked = Marked()
        noted = marked.noting(answer or (lambda asked: sample_of(task.source.around)))
        longer = task.longer + (_LOADING if task.loads else 0.0)
        with ExitStack() as imports:
            told = self._telling(noted, imports)
            worker = self._started()
            try:
                found, sent = worker.ask(task.question, task.what, longer, task.expected, told)
            except InferenceError as error:
                if task.error is InferenceError:
                    raise
                raise task.error(error.message, _CRASHED) from error
        if sent is not None:
            raise marked.find(sent) or _error(task, sent)
        return found

    def _telling(self, answer: Answer, imports: ExitStack) -> Answer:
        """Also takes note of what the process imports; *imports* ends with the task."""

        def answered(asked: Message) -> Message:
            if asked.command != "importing":
                return answer(asked)
            imports.close()
            if package := asked.fields["package"]:
                imports.enter_context(self._progress.stage(f"importing {package}", told=False))
            return Message({})

        return answered

    @property
    def alive(self) -> bool:
        return self._worker is not None and self._worker.alive

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _started(self) -> Worker:
        if self._worker is None or not self._worker.alive:
            self.close()
            self._worker = self._hired()
        return self._worker

    def _hired(self) -> Worker:
        """A new process with the server in it."""
        worker = Worker(self._timeout, SUPERVISED)
        try:
            worker.call("hire", "the framework process", entry=_SERVER, asks=True)
        except BaseException:
            worker.close()
            raise
        return worker


def _error(task: Task, sent: SentError) -> Exception:
    """The exception to raise in the session for one that was raised in the process."""
    if sent.number is not None and sent.number in FULL_DISK:
        return OSError(sent.number, os.strerror(sent.number))
    error = ours(sent)
    if error is None:
        error = task.error(f"{task.what} failed: {sent.reason or sent.message}", _MORE)
        caused(error, sent)
    return error
