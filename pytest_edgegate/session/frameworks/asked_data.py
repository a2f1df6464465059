"""The data of a leg in another process, requested from the session block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.ports import ChildProcess, Example, TrainingData
from pytest_edgegate.core.progress import CALIBRATING, counted, seldom
from pytest_edgegate.core.training import EdgeTraining, TrainingBatch
from pytest_edgegate.data.splits import Array
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.wire import Message


class Ask(Protocol):
    """Sends a question to the session. Raises the session's error."""

    def __call__(self, command: str, **fields: Any) -> Message: ...


@dataclass(frozen=True)
class AskedData:
    """``TransformData`` in the framework process; the session holds the data."""

    ask: Ask
    programs: Mapping[str, Path]
    workers: Workers
    """The workers of this process; a process that a transform hires ends with it."""
    what: str
    """A description of the leg, for error messages."""

    def calibration(self, count: int, inputs: Sequence[TensorInfo]) -> Iterable[tuple[Array, ...]]:
        held = self.ask("calibration", count=count, inputs=as_plain(list(inputs))).fields["held"]
        return _Samples(self.ask, held, len(inputs), count)

    def training(self, inputs: Sequence[TensorInfo]) -> TrainingData:
        begun = self.ask("training", inputs=as_plain(list(inputs))).fields
        settings = from_plain(EdgeTraining, begun["settings"])
        return AskedTraining(self.ask, settings, begun["steps"], len(inputs))

    def process(self, entry: str) -> AbstractContextManager[ChildProcess]:
        return self.workers.hire(entry, self.what)

    def program(self, name: str) -> Path:
        return self.programs[name]


@dataclass(frozen=True)
class _Samples:
    """Calibration samples; every iteration starts from the beginning."""

    ask: Ask
    held: int
    inputs: int
    count: int

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        return counted(self._read(), seldom(self._told), CALIBRATING, self.count)

    def _told(self, what: str, done: float, total: float | None) -> None:
        self.ask("progress", what=what, done=done, total=total)

    def _read(self) -> Iterator[tuple[Array, ...]]:
        held = self.ask("samples", held=self.held).fields["held"]
        while (block := self.ask("block", held=held)).fields["samples"]:
            for at in range(0, len(block.arrays), self.inputs):
                yield block.arrays[at : at + self.inputs]


@dataclass(frozen=True)
class AskedTraining:
    """``TrainingData`` whose batches the session prepares."""

    ask: Ask
    settings: EdgeTraining
    steps: int | None
    inputs: int

    def progress(self, what: str, done: float, total: float | None) -> None:
        self.ask("progress", what=what, done=done, total=total)

    def example(self) -> TrainingBatch:
        return self._read(self.ask("example"))

    def epoch(self, number: int) -> Iterator[TrainingBatch]:
        held = self.ask("epoch", number=number).fields["held"]
        while not (batch := self.ask("batch", held=held)).fields["end"]:
            yield self._read(batch)

    def _read(self, batch: Message) -> TrainingBatch:
        beside = dict(zip(batch.fields["beside"], batch.arrays[self.inputs :], strict=True))
        return TrainingBatch(
            batch.arrays[: self.inputs], beside.get("labels"), beside.get("teacher")
        )


def asked_sample(ask: Ask) -> Example:
    """The sample that a reader may request."""
    answer = ask("sample")
    names = answer.fields["names"]
    return Example(answer.arrays, None if names is None else tuple(names))
