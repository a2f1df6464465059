"""One split of the data: arrays or a stream, read batch by batch, with a digest.

The inputs of a stream are never held as a whole, only one batch at a time.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.core.errors import ConfigurationError

Array = NDArray[Any]

FORMS = (
    "a split is an array x of shape (n, ...), a pair (x, y), or a re-iterable of batches; "
    "x is an array, or a tuple or dict of arrays for several inputs"
)


_BATCH_BYTES, _BATCH_SAMPLES = 32_000_000, 512
"""Bytes of inputs per batch: enough to amortise the cost of a batch and to keep all cores busy,
but small compared with memory, and short enough for a progress bar."""


@dataclass(frozen=True)
class Batch:
    """Some samples: one array of shape (n, ...) for each input, and labels if there are any."""

    inputs: tuple[Array, ...]
    labels: Array | None

    def __len__(self) -> int:
        return len(self.inputs[0])

    def first(self, count: int) -> Batch:
        """Its first *count* samples at most."""
        labels = None if self.labels is None else self.labels[:count]
        return Batch(tuple(array[:count] for array in self.inputs), labels)


def as_given(inputs: tuple[Array, ...], names: tuple[str, ...] | None) -> Any:
    """The inputs in the form of the user's data: an array, or a tuple or dict of arrays."""
    if names is not None:
        return dict(zip(names, inputs, strict=True))
    return inputs[0] if len(inputs) == 1 else inputs


class Split(Protocol):
    """Samples that can be read repeatedly in the same order."""

    name: str
    indexable: bool

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the inputs, if the data is a dict."""

    @property
    def size(self) -> int | None:
        """The number of samples, if known without a pass."""

    def batches(self, size: int | None = None) -> Iterator[Batch]:
        """Every sample in order; *size* None chooses the batch size. A stream has its own sizes."""

    def digest(self, first: int | None = None) -> str:
        """Digest of the content (of the *first* samples), or of a stream's version."""


class ArraySplit:
    """A split whose arrays are in memory (or mapped from a file)."""

    indexable = True

    def __init__(
        self,
        name: str,
        inputs: tuple[Array, ...],
        labels: Array | None,
        names: tuple[str, ...] | None,
    ) -> None:
        self.name = name
        self.names = names
        self._inputs = inputs
        self._labels = labels
        self._digests: dict[int | None, str] = {}
        for array in (*inputs, *(() if labels is None else (labels,))):
            _check_array(name, array)
        lengths = {len(array) for array in inputs}
        if labels is not None:
            lengths.add(len(labels))
        if len(lengths) > 1:
            shapes = ", ".join(str(array.shape) for array in inputs)
            labelled = "" if labels is None else f" and labels of shape {labels.shape}"
            raise ConfigurationError(
                f"edge_data.{name}: inputs of shape {shapes}{labelled} differ in their length",
                "give every sample its label: the first dimensions have to be equal",
            )
        if lengths == {0}:
            raise ConfigurationError(
                f"edge_data.{name} is empty", "give it at least one sample (some hundreds are wise)"
            )

    @property
    def size(self) -> int:
        return len(self._inputs[0])

    @property
    def inputs(self) -> tuple[Array, ...]:
        return self._inputs

    @property
    def labels(self) -> Array | None:
        return self._labels

    def batches(self, size: int | None = None) -> Iterator[Batch]:
        if size is None:
            sample = sum(array[:1].nbytes for array in self._inputs)
            size = min(max(_BATCH_BYTES // max(sample, 1), 1), _BATCH_SAMPLES)
        for start in range(0, self.size, size):
            part = slice(start, start + size)
            labels = None if self._labels is None else self._labels[part]
            yield Batch(tuple(array[part] for array in self._inputs), labels)

    def take(self, numbers: Array) -> Batch:
        """The samples at these positions, in this order."""
        labels = None if self._labels is None else self._labels[numbers]
        return Batch(tuple(array[numbers] for array in self._inputs), labels)

    def digest(self, first: int | None = None) -> str:
        if first not in self._digests:
            made = hashlib.sha256()
            for array in (*self._inputs, *(() if self._labels is None else (self._labels,))):
                part = array[:first]
                made.update(f"{part.dtype.str}{part.shape}".encode())
                made.update(np.ascontiguousarray(part).view(np.uint8).data)
            made.update(repr(self.names).encode())
            self._digests[first] = made.hexdigest()
        return self._digests[first]


class StreamSplit:
    """A split read by iteration: a list of batches, a DataLoader, a tf.data.Dataset."""

    indexable = False
    size = None

    def __init__(self, name: str, source: Iterable[Any], version: str | None) -> None:
        if isinstance(source, Iterator):
            raise ConfigurationError(
                f"edge_data.{name} is an iterator, which can be read only once",
                "give something that can be iterated again: a list, a DataLoader, a Dataset",
            )
        if not version:
            raise ConfigurationError(
                f"edge_data.{name} is a stream, whose content can't be digested",
                'name its content: EdgeData(..., version="digits-2024-05"), changed with the data',
            )
        self.name = name
        self.names: tuple[str, ...] | None = None
        self._source = source
        self._version = version

    def batches(self, size: int | None = None) -> Iterator[Batch]:
        empty = True
        for element in self._source:
            inputs, labels, self.names = _parts(self.name, _unwrapped(element))
            for array in (*inputs, *(() if labels is None else (labels,))):
                _check_array(self.name, array)
            if len({len(array) for array in inputs}) > 1:
                raise ConfigurationError(
                    f"edge_data.{self.name}: the inputs of a batch differ in their length",
                    "give every sample all of its inputs",
                )
            if labels is not None and len(labels) != len(inputs[0]):
                raise ConfigurationError(
                    f"edge_data.{self.name}: a batch of {len(inputs[0])} samples has "
                    f"{len(labels)} labels",
                    "give every sample its label",
                )
            if len(inputs[0]):
                empty = False
                yield Batch(inputs, labels)
        if empty:
            raise ConfigurationError(
                f"edge_data.{self.name} gave no samples",
                "give it at least one batch, and something that can be iterated again",
            )

    def digest(self, first: int | None = None) -> str:
        return hashlib.sha256(f"stream {self.name} {self._version}".encode()).hexdigest()


class Fingerprint:
    """Detects whether two passes over a split gave the same samples in the same order.

    It covers every label and the first sample of each batch, which is cheap enough for every pass
    and changes with any shuffle.
    """

    def __init__(self) -> None:
        self._sum = 0

    def add(self, batch: Batch) -> None:
        for array in batch.inputs:
            self._sum = zlib.crc32(np.ascontiguousarray(array[0]).tobytes(), self._sum)
        if batch.labels is not None:
            self._sum = zlib.crc32(np.ascontiguousarray(batch.labels).tobytes(), self._sum)

    @property
    def value(self) -> str:
        return f"{self._sum:08x}"


def drawn_batches(split: Split, limit: int) -> Iterator[Batch]:
    """At most *limit* samples drawn at random with a fixed seed; of a stream the first ones."""
    if isinstance(split, ArraySplit):
        drawn = np.random.default_rng(0).permutation(split.size)[:limit]
        yield split.take(np.sort(drawn))
        return
    left = limit
    for batch in split.batches(limit):
        yield batch.first(left)
        left -= len(batch)
        if left <= 0:
            return


def make_split(name: str, given: Any, version: str | None) -> Split:
    """The split *name* of an EdgeData. Raises ConfigurationError for an invalid value."""
    if isinstance(given, np.ndarray | np.generic | Mapping) or _is_pair(given) or _is_tensor(given):
        return ArraySplit(name, *_parts(name, given))
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | tuple):
        return StreamSplit(name, given, version)
    raise ConfigurationError(f"edge_data.{name} is {_kind(given)}, which is not a split", FORMS)


def _unwrapped(element: Any) -> Any:
    """The x of a batch without labels, which a DataLoader yields as ``[x]``."""
    if isinstance(element, tuple | list) and len(element) == 1:
        return element[0]
    return element


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2


def _is_tensor(given: Any) -> bool:
    return hasattr(given, "shape") and hasattr(given, "dtype") and hasattr(given, "numpy")


def _parts(name: str, given: Any) -> tuple[tuple[Array, ...], Array | None, tuple[str, ...] | None]:
    x, y = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
    labels = None if y is None else _array(name, y)
    if isinstance(x, Mapping):
        return tuple(_array(name, each) for each in x.values()), labels, tuple(map(str, x))
    if isinstance(x, tuple):
        return tuple(_array(name, each) for each in x), labels, None
    return (_array(name, x),), labels, None


def _array(name: str, value: Any) -> Array:
    """Converts an array or tensor to numpy, without importing the tensor's framework."""
    if isinstance(value, np.ndarray):
        return value
    for method in ("detach", "cpu", "numpy"):  # torch wants all three, others only the last
        if hasattr(value, method):
            value = getattr(value, method)()
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    raise ConfigurationError(f"edge_data.{name} has {_kind(value)} where an array is wanted", FORMS)


def _check_array(name: str, array: Array) -> None:
    if array.ndim == 0:
        raise ConfigurationError(
            f"edge_data.{name} has a single number where an array of samples is wanted", FORMS
        )
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise ConfigurationError(
            f"edge_data.{name} has an array of dtype {array.dtype}, which is not a number",
            "give integers or floats: x.astype('float32'), and labels as class indices "
            "(np.unique(names, return_inverse=True)[1])",
        )


def _kind(value: Any) -> str:
    return f"a {type(value).__module__}.{type(value).__qualname__}"
