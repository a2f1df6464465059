"""One split of the data: arrays or a stream, read batch by batch, with a digest.

The inputs of a stream are never held as a whole, only one batch at a time.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.arrays import FORMS, Array, as_array, is_tensor, kind_of
from pytest_edgegate.data.boxes import box_labels
from pytest_edgegate.data.stream_ends import EndWatch, is_endless, never_ends
from pytest_edgegate.reading.foreign import foreign

__all__ = [
    "FORMS",
    "Array",
    "ArraySplit",
    "Batch",
    "Fingerprint",
    "Split",
    "StreamSplit",
    "as_given",
    "make_split",
    "refuse_endless",
]

_BATCH_BYTES, _BATCH_SAMPLES = 8_000_000, 512
"""Bytes of inputs per batch: enough to amortise the cost of a batch and to keep all cores busy,
but small compared with memory, and short enough for a progress bar."""


@dataclass(frozen=True)
class Batch:
    """Some samples: one array of shape (n, ...) for each input, and labels if there are any."""

    inputs: tuple[Array, ...]
    labels: Array | None
    start: int | None = None
    """The position of its first sample in the split; None if they are not in the split's order."""
    drawn: Array | None = None
    """The positions of its samples in the split, if they were drawn from it."""

    def __len__(self) -> int:
        return len(self.inputs[0])

    def first(self, count: int) -> Batch:
        """Its first *count* samples at most."""
        labels = None if self.labels is None else self.labels[:count]
        drawn = None if self.drawn is None else self.drawn[:count]
        return Batch(tuple(array[:count] for array in self.inputs), labels, self.start, drawn)

    def number(self, at: int) -> int | None:
        """The position of one of its samples in the split, if that is known."""
        if self.drawn is not None:
            return int(self.drawn[at])
        return None if self.start is None else self.start + at


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
        _check_inputs(f"edge_data.{name}", inputs)
        lengths = {len(array) for array in inputs}
        if labels is not None:
            lengths.add(len(labels))
        if len(lengths) > 1:
            shapes = ", ".join(str(array.shape) for array in inputs[:4])
            shapes += "" if len(inputs) <= 4 else f" and {len(inputs) - 4} more"
            labelled = "" if labels is None else f" and labels of shape {labels.shape}"
            raise ConfigurationError(
                f"edge_data.{name}: inputs of shape {shapes}{labelled} differ in their length",
                "give every sample its label: the first dimensions have to be equal; a list of "
                "samples is np.stack(x)",
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

    @property
    def batch_size(self) -> int:
        """The number of samples in a batch whose size is not given."""
        sample = sum(array[:1].nbytes for array in self._inputs)
        return min(max(_BATCH_BYTES // max(sample, 1), 1), _BATCH_SAMPLES)

    def batches(self, size: int | None = None) -> Iterator[Batch]:
        size = size or self.batch_size
        for start in range(0, self.size, size):
            part = slice(start, start + size)
            labels = None if self._labels is None else self._labels[part]
            yield Batch(tuple(array[part] for array in self._inputs), labels, start)

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


_END = object()


class _Form(NamedTuple):
    """What the batches of a stream have in common."""

    inputs: int
    names: tuple[str, ...] | None
    labelled: bool

    def in_order(self, inputs: tuple[Array, ...], other: _Form, where: str) -> tuple[Array, ...]:
        """The inputs of a batch in the order of the first one. Raises ConfigurationError."""
        if other == self:
            return inputs
        if (
            self.names is None
            or other.names is None
            or set(self.names) != set(other.names)
            or self.labelled != other.labelled
        ):
            difference = _difference(self, other)
        else:
            given = dict(zip(other.names, inputs, strict=True))
            return tuple(given[name] for name in self.names)
        raise ConfigurationError(
            f"{where} differs from the first one: it has {difference}",
            "give all batches the same inputs, under the same keys, and all or none their labels",
        )


def _difference(first: _Form, other: _Form) -> str:
    if (first.inputs, first.names) != (other.inputs, other.names):
        return f"{_inputs_of(other)}, not {_inputs_of(first)}"
    return "labels, and the first has none" if other.labelled else "no labels"


def _inputs_of(form: _Form) -> str:
    if form.names is not None:
        return f"the keys {', '.join(form.names)}"
    return "one array" if form.inputs == 1 else f"{form.inputs} arrays without keys"


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
        self._form: _Form | None = None
        self._source = source
        self._version = version

    @property
    def names(self) -> tuple[str, ...] | None:
        """Known once the first batch has been read."""
        return None if self._form is None else self._form.names

    def batches(self, size: int | None = None) -> Iterator[Batch]:
        """Raises ConfigurationError for a batch that differs in form from the first one, and where
        no end is to be expected."""
        done = 0
        watch = EndWatch(f"edge_data.{self.name}", self._source)
        for number, element in enumerate(self._elements()):
            where = f"edge_data.{self.name}: batch #{number}"
            batch = self._batch(_parts(where, _unwrapped(element)), where, done)
            if len(batch):
                done += len(batch)
                yield batch
                watch.add(len(batch), _ends_of(batch))
        if not done:
            raise ConfigurationError(
                f"edge_data.{self.name} gave no samples"
                f"{' on another pass' if self._form is not None else ''}",
                "give it at least one batch, and something that can be iterated again",
            )

    def refuse_endless(self) -> None:
        """Raises ConfigurationError if the source says that it never ends."""
        if is_endless(self._source):
            raise never_ends(f"edge_data.{self.name}")

    def _elements(self) -> Iterator[Any]:
        """The elements of the source, whose own exceptions become errors that name the batch."""
        number, elements = 0, None
        while True:
            with foreign(
                f"edge_data.{self.name} failed at its batch #{number}",
                "mend what yields the batches; its own traceback is at --tb=long",
            ):
                elements = iter(self._source) if elements is None else elements
                element = next(elements, _END)
            if element is _END:
                return
            yield element
            number += 1

    def _batch(self, parts: _Parts, where: str, start: int) -> Batch:
        inputs, labels, names = parts
        _check_inputs(where, inputs)
        if len({len(array) for array in inputs}) > 1:
            raise ConfigurationError(
                f"{where}: the inputs of a batch differ in their length",
                "give every sample all of its inputs; a list of samples is np.stack(x)",
            )
        if labels is not None and len(labels) != len(inputs[0]):
            raise ConfigurationError(
                f"{where}: a batch of {len(inputs[0])} samples has {len(labels)} labels",
                "give every sample its label",
            )
        if len(inputs[0]):
            form = _Form(len(inputs), names, labels is not None)
            self._form = self._form or form
            inputs = self._form.in_order(inputs, form, where)
        return Batch(inputs, labels, start)

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


def _ends_of(batch: Batch) -> tuple[bytes, bytes]:
    """The first and the last sample of a batch, with their labels."""

    def sample(at: int) -> bytes:
        arrays = (*batch.inputs, *(() if batch.labels is None else (batch.labels,)))
        return b"".join(np.ascontiguousarray(array[at]).tobytes() for array in arrays)

    return sample(0), sample(-1)


def refuse_endless(split: Split) -> None:
    """Raises ConfigurationError if a split that has to be read as a whole is known not to end."""
    if isinstance(split, StreamSplit):
        split.refuse_endless()


def drawn_batches(
    split: Split, limit: int, size: int | None = None, *, shuffled: bool = False
) -> Iterator[Batch]:
    """At most *limit* samples drawn at random with a fixed seed; of a stream the first ones.

    *size*: of a batch of an array, None chooses it. *shuffled*: in an order in which every
    beginning is drawn at random too, for a pass that may stop anywhere.
    """
    if isinstance(split, ArraySplit):
        if limit >= split.size and not shuffled:
            yield from split.batches(size)
            return
        drawn = np.random.default_rng(0).permutation(split.size)[:limit]
        drawn = drawn if shuffled else np.sort(drawn)
        step = size or split.batch_size
        for start in range(0, len(drawn), step):
            part = drawn[start : start + step]
            yield replace(split.take(part), drawn=part)
        return
    left = limit
    for batch in split.batches():
        yield batch.first(left)
        left -= len(batch)
        if left <= 0:
            return


def make_split(name: str, given: Any, version: str | None) -> Split:
    """The split *name* of an EdgeData. Raises ConfigurationError for an invalid value."""
    where = f"edge_data.{name}"
    if isinstance(given, Mapping) or _is_pair(given) or is_tensor(given):
        return ArraySplit(name, *_parts(where, given))
    if isinstance(given, list) and len(given) == 2 and not version and all(map(is_tensor, given)):
        raise ConfigurationError(
            f"{where} is a list of two arrays, which would be two batches without labels",
            f"write a tuple: {name}=(x, y)",
        )
    if isinstance(given, Iterable) and not isinstance(given, str | bytes | tuple):
        return StreamSplit(name, given, version)
    remedy = FORMS
    if hasattr(given, "__getitem__") and hasattr(given, "__len__"):
        remedy = f"{FORMS}; a Dataset of torch becomes one by DataLoader(dataset, batch_size=64)"
    raise ConfigurationError(f"{where} is {kind_of(given)}, which is not a split", remedy)


def _unwrapped(element: Any) -> Any:
    """The x of a batch without labels, which a DataLoader yields as ``[x]``."""
    if isinstance(element, tuple | list) and len(element) == 1:
        return element[0]
    return element


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2


_Parts = tuple[tuple[Array, ...], Array | None, tuple[str, ...] | None]
"""Inputs, labels, and the names of the inputs."""


def _parts(where: str, given: Any) -> _Parts:
    x, y = given if isinstance(given, tuple | list) and len(given) == 2 else (given, None)
    labels = None if y is None else _labels(where, y)
    if isinstance(x, Mapping):
        return tuple(as_array(where, each) for each in x.values()), labels, tuple(map(str, x))
    # a DataLoader makes lists of the tuples that its samples are
    if isinstance(x, tuple) or (isinstance(x, list) and x and all(map(is_tensor, x))):
        return tuple(as_array(where, each) for each in x), labels, None
    return (as_array(where, x),), labels, None


def _labels(where: str, y: Any) -> Array:
    boxes = box_labels(where, y)
    return as_array(where, y) if boxes is None else boxes


def _check_inputs(where: str, inputs: tuple[Array, ...]) -> None:
    if not inputs:
        raise ConfigurationError(f"{where} has no inputs", FORMS)
    empty = next((each for each in inputs if len(each) and not each.size), None)
    if empty is not None:
        raise ConfigurationError(
            f"{where} has samples of shape {empty.shape[1:]}, which hold no values",
            "give samples of the shape that the model takes",
        )
