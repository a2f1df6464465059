"""Serves the data of a leg to a transform in another process: the session's side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.ports import Surroundings, TrainingData
from pytest_edgegate.core.training import TrainingBatch
from pytest_edgegate.data.splits import Array
from pytest_edgegate.session.leg_data import LegData
from pytest_edgegate.workers.wire import Message

_BLOCK_BYTES, _BLOCK_SAMPLES = 8 << 20, 256
"""The limits of one message with calibration samples."""


class LentData:
    """Answers the questions of ``asked_data``: calibration samples, batches, progress."""

    def __init__(self, data: LegData, around: Surroundings) -> None:
        self._data = data
        self._around = around
        self._held: dict[int, Any] = {}
        self._numbers = count()
        self._training: TrainingData | None = None
        self._commands: Mapping[str, Callable[[Mapping[str, Any]], Message]] = {
            "calibration": self._calibration,
            "samples": self._samples,
            "block": self._block,
            "training": self._begin,
            "example": self._example,
            "epoch": self._epoch,
            "batch": self._batch,
            "progress": self._report_progress,
            "sample": self._sample,
        }

    def answer(self, asked: Message) -> Message:
        return self._commands[asked.command](asked.fields)

    def _calibration(self, asked: Mapping[str, Any]) -> Message:
        inputs = tuple(from_plain(TensorInfo, each) for each in asked["inputs"])
        return self._holding(self._data.fed(asked["count"], inputs))

    def _samples(self, asked: Mapping[str, Any]) -> Message:
        """Starts a pass and reads the first sample, which shows whether the samples fit."""
        return self._holding(_blocks(self._held[asked["held"]]))

    def _block(self, asked: Mapping[str, Any]) -> Message:
        """The next samples, as consecutive arrays; empty at the end."""
        block: list[tuple[Array, ...]] = next(self._held[asked["held"]], [])
        arrays = tuple(array for sample in block for array in sample)
        return Message({"samples": len(block)}, arrays)

    def _begin(self, asked: Mapping[str, Any]) -> Message:
        inputs = tuple(from_plain(TensorInfo, each) for each in asked["inputs"])
        self._training = training = self._data.training(inputs)
        settings = {
            key: value
            for key, value in as_plain(training.settings).items()
            if key not in ("augment", "version")  # the session augments the batches
        }
        return Message({"settings": settings, "steps": training.steps})

    def _example(self, asked: Mapping[str, Any]) -> Message:
        assert self._training is not None  # "training" comes first
        return _as_message(self._training.example())

    def _epoch(self, asked: Mapping[str, Any]) -> Message:
        assert self._training is not None  # "training" comes first
        return self._holding(self._training.epoch(asked["number"]))

    def _batch(self, asked: Mapping[str, Any]) -> Message:
        batch = next(self._held[asked["held"]], None)
        return Message({"end": True}) if batch is None else _as_message(batch)

    def _report_progress(self, asked: Mapping[str, Any]) -> Message:
        self._data.progress(asked["what"], asked["done"], asked["total"])
        return Message({})

    def _sample(self, asked: Mapping[str, Any]) -> Message:
        return sample_of(self._around)

    def _holding(self, thing: object) -> Message:
        number = next(self._numbers)
        self._held[number] = thing
        return Message({"held": number})


def sample_of(around: Surroundings) -> Message:
    """The sample that a reader may request."""
    example = around.example()
    names = None if example.names is None else list(example.names)
    return Message({"names": names}, example.arrays)


def _as_message(batch: TrainingBatch) -> Message:
    beside = {"labels": batch.labels, "teacher": batch.teacher}
    there = {name: each for name, each in beside.items() if each is not None}
    return Message({"end": False, "beside": list(there)}, (*batch.inputs, *there.values()))


def _blocks(samples: Iterable[tuple[Array, ...]]) -> Iterator[list[tuple[Array, ...]]]:
    """Yields the first sample alone, then as many at a time as fit into a message."""
    block: list[tuple[Array, ...]] = []
    for at, sample in enumerate(samples):
        block.append(sample)
        size = sum(array.nbytes for array in sample)
        if not at or len(block) >= _BLOCK_SAMPLES or len(block) * size >= _BLOCK_BYTES:
            yield block
            block = []
    if block:
        yield block
