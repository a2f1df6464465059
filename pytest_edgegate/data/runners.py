"""Common parts of runners of all formats: closing, quantising, splitting into blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.data.feeding import dequantised, quantised
from pytest_edgegate.data.splits import Array


class OpenedModel:
    """Base of runners with a method ``close``. A subclass sets ``inputs`` and ``outputs``."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    def close(self) -> None:
        """Releases the opened model."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class FloatRunner(OpenedModel):
    """A ``Runner`` of a float model, for which real and raw values are the same."""

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """As ``Runner.infer``."""
        raise NotImplementedError

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        return self.infer(batch)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        return partial(self.infer, sample)


class QuantisingRunner(OpenedModel):
    """A ``Runner`` of a file whose inputs and outputs may be quantised."""

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        """As ``Runner.infer_raw``."""
        raise NotImplementedError

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        given = zip(batch, self.inputs, strict=True)
        raw = self.infer_raw(tuple(quantised(array, each) for array, each in given))
        made = zip(raw, self.outputs, strict=True)
        return tuple(dequantised(array, each) for array, each in made)

    def repeated(self, sample: tuple[Array, ...], count: int) -> tuple[Array, ...]:
        """A *sample* in real values as a batch of *count*, in the dtypes of the file."""
        pairs = zip(sample, self.inputs, strict=True)
        return tuple(np.repeat(quantised(array, each), count, axis=0) for array, each in pairs)


@dataclass(frozen=True)
class Block:
    """Samples for one call of a model: an array of shape (length, ...) for each input.

    The first *count* of them are samples of the batch, the others repeat the last one.
    """

    arrays: tuple[Array, ...]
    count: int

    @classmethod
    def of(cls, batch: Sequence[Array], start: int, size: int, least: int = 0) -> Block:
        """Up to *size* samples from *start* on, padded to a length of at *least* this."""
        arrays = tuple(array[start : start + size] for array in batch)
        count = len(arrays[0])
        missing = least - count
        if missing > 0:
            arrays = tuple(
                np.concatenate([each, np.repeat(each[-1:], missing, axis=0)]) for each in arrays
            )
        return cls(arrays, count)

    def __len__(self) -> int:
        return len(self.arrays[0])


def joined(parts: Iterable[Sequence[Array]]) -> tuple[Array, ...]:
    """Concatenates the outputs of blocks to those of the whole batch."""
    columns = zip(*parts, strict=True)
    return tuple(each[0] if len(each) == 1 else np.concatenate(each) for each in columns)


def have_no_batch(inputs: Sequence[TensorInfo], arrays: Sequence[Array]) -> bool:
    """Whether a model takes single samples without a batch axis: each of the *arrays*, of shape
    (n, ...), has one axis more than its input."""
    pairs = zip(inputs, arrays, strict=True)
    return bool(inputs) and all(array.ndim == len(each.shape) + 1 for each, array in pairs)


def without_batch(shapes: Sequence[Sequence[Any]], sample: tuple[Array, ...]) -> tuple[Array, ...]:
    """One *sample*, of shape (1, ...) for each input, as a model with inputs of these *shapes*
    takes it: without its first axis if they have no batch."""
    pairs = zip(shapes, sample, strict=False)
    bare = bool(sample) and all(array.ndim == len(shape) + 1 for shape, array in pairs)
    return tuple(array[0] for array in sample) if bare else sample


def each_by_itself(
    call: Callable[[tuple[Array, ...]], Sequence[Array]], arrays: Sequence[Array]
) -> tuple[Array, ...]:
    """The whole outputs of *call* for each sample without its batch axis, stacked."""
    parts = [call(tuple(array[at] for array in arrays)) for at in range(len(arrays[0]))]
    return tuple(np.stack(column) for column in zip(*parts, strict=True))


def check_per_sample(
    path: Path, outputs: Sequence[TensorInfo], made: Iterable[Array], count: int, remedy: str
) -> None:
    """Raises InferenceError for an output that does not have *count* results."""
    for each, array in zip(outputs, made, strict=True):
        if not array.ndim or len(array) != count:
            raise not_per_sample(path, each.name, array.shape, remedy)


def not_per_sample(path: Path, name: str, shape: tuple[int, ...], remedy: str) -> InferenceError:
    """The error for an output *name* whose first dimension is not that of the samples."""
    return InferenceError(
        f"{path.name}: the output {name!r} has shape {shape}, not one result for each sample",
        remedy,
    )
