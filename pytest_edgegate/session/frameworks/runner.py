"""Runs a framework's model file in the framework process."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from pytest_edgegate.core.by_value import from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.data.splits import Array
from pytest_edgegate.session.frameworks.sources import Source
from pytest_edgegate.session.frameworks.tasks import Task
from pytest_edgegate.workers.remote import outputs_expected
from pytest_edgegate.workers.wire import Message

_PATIENCE = 20
"""The limit for a batch, in multiples of the slowest time per sample so far."""


class RunsTasks(Protocol):
    """The part of ``FrameworkProcess`` that a runner needs."""

    @property
    def alive(self) -> bool: ...

    def run(self, task: Task) -> Message: ...


class FrameworkRunner:
    """A ``Runner`` for a model file that is open in the framework process."""

    def __init__(self, process: RunsTasks, runtime: str, source: Source, what: str) -> None:
        self._process = process
        self._source = source
        self._what = what
        self._seconds = 0.0
        task = Task("open", source, what, {"runtime": runtime}, loads=True)
        opened = process.run(task).fields["result"]
        self._held = {"held": opened["held"]}
        self.inputs, self.outputs = (
            tuple(from_plain(TensorInfo, each) for each in opened[side])
            for side in ("inputs", "outputs")
        )

    def __enter__(self) -> FrameworkRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.alive:
            self._process.run(Task("close", self._source, self._what, self._held))

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer", batch)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer_raw", batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return lambda: self.infer(sample)

    def _run(self, name: str, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """Sends the whole batch at once: results may depend on how a batch is split."""
        count, start = len(batch[0]), time.monotonic()
        expected = outputs_expected(self.outputs, count)
        longer = _PATIENCE * self._seconds * count
        task = Task(name, self._source, self._what, self._held, batch, expected, longer=longer)
        arrays = self._process.run(task).arrays
        self._seconds = max(self._seconds, (time.monotonic() - start) / max(count, 1))
        return arrays
