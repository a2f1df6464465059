"""A ``Runner`` for a model in a worker process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.core.by_value import from_plain
from pytest_edgegate.core.description import ExecutedOperator, TensorInfo
from pytest_edgegate.data.runners import OpenedModel
from pytest_edgegate.data.splits import Array
from pytest_edgegate.workers.process import Worker, Workers
from pytest_edgegate.workers.wire import PACKED, Expected, unpacked

_SECONDS_A_CALL = 1.0
"""Seconds per block of samples, so that a hang can be distinguished from slow work."""
_GRAIN = 64
"""Block sizes are multiples of this, which runtimes split alike whatever their length."""
_LEAST = 1e-6
"""The shortest time assumed for a call, in seconds."""
_PATIENCE = 20
"""A call may take this many times the expected time before its timeout starts."""

_LARGEST_ITEM = 8
_SMALL, _FREE = 1 << 20, 1 << 30
"""Bytes per sample always allowed for an output, even if it declares no size."""


class RunnerElsewhere(OpenedModel):
    """Base of runners of a model in another process; a subclass has ``_run``."""

    _seconds = 0.0
    """The time per sample so far."""

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer", batch)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._run("infer_raw", batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        """A call through the pipe; for timing, a stopwatch opens the file in its process."""
        return lambda: self.infer(sample)

    def _run(self, command: str, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """The outputs of the method *command* of the runner there."""
        raise NotImplementedError

    def _longer(self, count: int) -> float:
        """The seconds that a call with *count* samples may take beyond its timeout."""
        return _PATIENCE * self._seconds * count


class RemoteRunner(RunnerElsewhere):
    """Sends samples to a worker in blocks, whose size depends on the time of the first one."""

    def __init__(
        self, workers: Workers, entry: str, path: Path, what: str, files: Sequence[Path] = ()
    ) -> None:
        """*files*: every file that ships with *path*, which may be among them."""
        self._workers = workers
        self._what = what
        self._worker: Worker = workers.take()
        try:
            there = self._worker.placed(what, path, files)
            opened = self._worker.call("open", what, runtime=entry, path=there)
        except BaseException:
            workers.give_back(self._worker)
            raise
        self.inputs, self.outputs = tensors_in(opened.fields)

    def close(self) -> None:
        if self._worker.alive:
            self._worker.call("close", self._what)
        self._workers.give_back(self._worker)

    def _run(self, command: str, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        if not self._seconds:
            start = time.monotonic()
            self._call(command, tuple(array[:1] for array in batch))
            # a coarse clock may not have moved
            self._seconds = max(time.monotonic() - start, _LEAST)
        size = _GRAIN * max(1, int(_SECONDS_A_CALL / self._seconds / _GRAIN))
        parts = [
            self._call(command, tuple(array[at : at + size] for array in batch))
            for at in range(0, len(batch[0]), size)
        ]
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    def _call(self, command: str, block: tuple[Array, ...]) -> tuple[Array, ...]:
        count = len(block[0])
        expected = outputs_expected(self.outputs, count)
        return self._worker.call(command, self._what, block, self._longer(count), expected).arrays


def executed_remotely(
    workers: Workers,
    entry: str,
    path: Path,
    what: str,
    sample: tuple[Array, ...],
    files: Sequence[Path] = (),
) -> tuple[ExecutedOperator, ...] | None:
    """``Runtime.executed`` in a worker."""
    worker = workers.take()
    try:
        there = worker.placed(what, path, files)
        answer = worker.call("executed", what, sample, 0.0, PACKED, runtime=entry, path=there)
    finally:
        workers.give_back(worker)
    found: Sequence[Mapping[str, Any]] | None = unpacked(answer.arrays[0])
    return None if found is None else tuple(from_plain(ExecutedOperator, each) for each in found)


def tensors_in(opened: Mapping[str, Any]) -> tuple[tuple[TensorInfo, ...], ...]:
    """The inputs and the outputs of a model, as another process has *opened* it."""
    return tuple(
        tuple(from_plain(TensorInfo, each) for each in opened[side])
        for side in ("inputs", "outputs")
    )


def outputs_expected(outputs: Sequence[TensorInfo], count: int) -> Expected:
    """The limits on outputs for *count* samples, by the declared outputs.

    A file may declare its batch or leave it out, and outputs declared as float16 arrive as float32.
    """
    most = sum(max(_most_bytes(each.shape), _SMALL) for each in outputs)
    return Expected(len(outputs), max(count, 1) * most)


def _most_bytes(shape: Sequence[int]) -> int:
    known = bool(shape) and all(size >= 0 for size in shape[1:])
    return math.prod(max(size, 1) for size in shape) * _LARGEST_ITEM if known else _FREE
