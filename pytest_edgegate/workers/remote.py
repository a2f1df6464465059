"""A model that runs in a worker process, as a runner like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from pytest_edgegate.core.description import ExecutedOperator, TensorInfo
from pytest_edgegate.data.splits import Array
from pytest_edgegate.workers.process import Worker, Workers

_SECONDS_A_CALL = 1.0
"""Samples are sent in blocks that take about this long: a hang is then told from slow work."""
_GROWTH = 8


class RemoteRunner:
    """Sends samples to a worker in blocks; their size follows from how long the last one took."""

    def __init__(self, workers: Workers, entry: str, path: Path, what: str) -> None:
        self._workers = workers
        self._what = what
        self._size = 1
        self._worker: Worker = workers.take()
        try:
            opened = self._worker.call("open", what, runtime=entry, path=str(path))
        except BaseException:
            workers.give_back(self._worker)
            raise
        self.inputs = tuple(map(_tensor, opened.fields["inputs"]))
        self.outputs = tuple(map(_tensor, opened.fields["outputs"]))

    def __enter__(self) -> RemoteRunner:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        if self._worker.alive:
            self._worker.call("close", self._what)
        self._workers.give_back(self._worker)

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._in_blocks("infer", batch)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self._in_blocks("infer_raw", batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        """Through the pipe, which a time would count: a stopwatch opens the file over there."""
        return lambda: self.infer(sample)

    def _in_blocks(self, command: str, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        parts: list[tuple[Array, ...]] = []
        at, count = 0, len(batch[0])
        while at < count:
            block = tuple(array[at : at + self._size] for array in batch)
            start = time.monotonic()
            parts.append(self._worker.call(command, self._what, block).arrays)
            at += len(block[0])
            self._size = _next_size(self._size, len(block[0]), time.monotonic() - start)
        if len(parts) == 1:
            return parts[0]
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def executed_remotely(
    workers: Workers, entry: str, path: Path, what: str, sample: tuple[Array, ...]
) -> tuple[ExecutedOperator, ...] | None:
    """``Runtime.executed`` in a worker."""
    worker = workers.take()
    try:
        answer = worker.call("executed", what, sample, runtime=entry, path=str(path))
    finally:
        workers.give_back(worker)
    found: Sequence[Mapping[str, Any]] | None = answer.fields["executed"]
    return None if found is None else tuple(ExecutedOperator(**each) for each in found)


def _next_size(size: int, sent: int, seconds: float) -> int:
    fitting = int(_SECONDS_A_CALL / max(seconds / sent, 1e-9))
    return max(1, min(size * _GROWTH, fitting))


def _tensor(fields: Mapping[str, Any]) -> TensorInfo:
    lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return TensorInfo(**(dict(fields) | lists))
