"""The three splits of an EdgeData, created on first use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from pytest_edgegate.core.data import EdgeData
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Example
from pytest_edgegate.data.arrays import unlike_shapes
from pytest_edgegate.data.splits import Array, ArraySplit, Split, make_split

_SPLITS = ("train", "calibration", "evaluation")
SEED = 0
"""The seed of the draw of calibration samples from a train split."""


class Dataset:
    """The user's ``edge_data``, split by split."""

    def __init__(self, given: Any) -> None:
        if not isinstance(given, EdgeData):
            raise ConfigurationError(
                f"edge_data is {_spelled(given)}, not an EdgeData",
                "return EdgeData(calibration=x[:200], evaluation=(x_test, y_test))",
            )
        self._given = given
        self._splits: dict[str, Split] = {}

    @property
    def reference_check(self) -> bool:
        """Whether the model under test has to be better than a constant answer."""
        return bool(self._given.reference_check)

    def split(self, name: str) -> Split | None:
        """The split, or None if the user gave none."""
        given = getattr(self._given, name)
        if given is None:
            return None
        if name not in self._splits:
            self._splits[name] = make_split(name, given, self._given.version)
        return self._splits[name]

    @property
    def has_samples(self) -> bool:
        """Whether there is a split of any kind."""
        return any(self.split(name) is not None for name in _SPLITS)

    def check(self) -> None:
        """Validates every given split. Raises ConfigurationError."""
        for name in _SPLITS:
            self.split(name)

    def example(self) -> Example:
        """The first sample of the first available split."""
        for name in ("evaluation", "calibration", "train"):
            split = self.split(name)
            if split is not None:
                batch = next(iter(split.batches(1))).first(1)
                return Example(batch.inputs, split.names)
        raise ConfigurationError(
            "edge_data has no split to see the inputs of the model on",
            "return EdgeData(evaluation=(x_test, y_test), ...)",
        )

    @property
    def evaluation(self) -> Split:
        found = self.split("evaluation")
        if found is None:
            raise ConfigurationError(
                "edge_data has no evaluation split, and this budget is measured on one",
                "return EdgeData(..., evaluation=(x_test, y_test))",
            )
        return found

    def calibration(self, count: int) -> CalibrationSamples:
        """The first *count* calibration samples, or else a seeded draw from the train split."""
        own = self.split("calibration")
        source = own or self.split("train")
        if source is None:
            raise ConfigurationError(
                "edge_data has neither calibration nor train samples, and PTQ calibrates on them",
                "return EdgeData(calibration=x_train[:200], ...)",
            )
        return CalibrationSamples(source, count, shuffled=own is None)


def _spelled(given: Any) -> str:
    if given is None:
        return "None"
    return "the class EdgeData" if given is EdgeData else f"a {type(given).__name__}"


class CalibrationSamples:
    """Samples for calibration, each input as an array of shape (1, ...)."""

    def __init__(self, split: Split, count: int, *, shuffled: bool) -> None:
        self._split = split
        self._count = count
        self._shuffled = shuffled and split.indexable

    @property
    def origin(self) -> str:
        return self._split.name

    @property
    def names(self) -> tuple[str, ...] | None:
        return self._split.names

    def digest(self) -> str:
        """Digest of the samples that are used."""
        if self._shuffled or not self._split.indexable:
            text = f"{self._split.digest()} {self._count} {SEED if self._shuffled else ''}"
            return hashlib.sha256(text.encode()).hexdigest()
        return self._split.digest(self._count)

    def arrays(self) -> tuple[Array, ...]:
        """All samples, stacked: an array of shape (n, ...) for each input, n at most the count."""
        if isinstance(self._split, ArraySplit):
            if not self._shuffled:
                return tuple(array[: self._count] for array in self._split.inputs)
            drawn = np.random.default_rng(SEED).permutation(self._split.size)[: self._count]
            return tuple(array[drawn] for array in self._split.inputs)
        kept: list[tuple[Array, ...]] = []
        have = 0
        for batch in self._split.batches(self._count):
            kept.append(tuple(array[: self._count - have] for array in batch.inputs))
            have += len(kept[-1][0])
            if have >= self._count:
                break
        return tuple(self._joined(column) for column in zip(*kept, strict=True))

    def _joined(self, parts: tuple[Array, ...]) -> Array:
        """The batches of one input as one array. Raises ConfigurationError."""
        first, start = parts[0].shape[1:], 0
        for part in parts:
            if part.shape[1:] != first:
                where = f"edge_data.{self._split.name}"
                raise unlike_shapes(where, first, start, part.shape[1:])
            start += len(part)
        return np.concatenate(parts)

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        arrays = self.arrays()
        for index in range(len(arrays[0])):
            yield tuple(array[index : index + 1] for array in arrays)


def finite_or_error(samples: CalibrationSamples) -> None:
    """Rejects calibration samples with NaN or Inf."""
    for array in samples.arrays():
        if array.dtype.kind == "f":
            bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            if bad.any():
                raise ConfigurationError(
                    f"{int(bad.sum())} of {len(array)} calibration samples hold NaN or Inf "
                    f"(the first is #{int(bad.argmax())})",
                    "fix or drop them: one such sample ruins every range",
                )
