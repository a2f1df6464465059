"""Runs a framework's model file in the framework process."""

from __future__ import annotations

import time
from typing import Protocol

from pytest_edgegate.data.splits import Array
from pytest_edgegate.session.frameworks.sources import Source
from pytest_edgegate.session.frameworks.tasks import Task
from pytest_edgegate.workers.remote import RunnerElsewhere, outputs_expected, tensors_in
from pytest_edgegate.workers.wire import Message


class RunsTasks(Protocol):
    """The part of ``FrameworkProcess`` that a runner needs."""

    @property
    def alive(self) -> bool: ...

    def run(self, task: Task) -> Message: ...


class FrameworkRunner(RunnerElsewhere):
    """A ``Runner`` for a model file that is open in the framework process."""

    def __init__(self, process: RunsTasks, runtime: str, source: Source, what: str) -> None:
        self._process = process
        self._source = source
        self._what = what
        task = Task("open", source, what, {"runtime": runtime}, loads=True)
        opened = process.run(task).fields["result"]
        self._held = {"held": opened["held"]}
        self.inputs, self.outputs = tensors_in(opened)

    def close(self) -> None:
        if self._process.alive:
            self._process.run(Task("close", self._source, self._what, self._held))

    def _run(self, command: str, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """Sends the whole batch at once: results may depend on how a batch is split."""
        count, start = len(batch[0]), time.monotonic()
        expected = outputs_expected(self.outputs, count)
        longer = self._longer(count)
        task = Task(command, self._source, self._what, self._held, batch, expected, longer=longer)
        arrays = self._process.run(task).arrays
        self._seconds = max(self._seconds, (time.monotonic() - start) / max(count, 1))
        return arrays
