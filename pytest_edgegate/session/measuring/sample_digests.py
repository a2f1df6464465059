"""The digests of the samples of a split, in the cache: a warm run reads no samples for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.data.row_digests import row_digests
from pytest_edgegate.data.splits import Array, Batch, Split
from pytest_edgegate.storage.cache import Cache, Entry, key_of

_FILE = "digests.npy"
_VERSION = 1
"""Incremented whenever the same samples would have other digests."""


class SampleDigests:
    """Of any split; those of a stream are gathered while a model is run over it."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._gathered: dict[str, Array] = {}

    def of(self, split: Split) -> Array:
        """uint64 of shape (n,), in the order of the split."""

        def work(folder: Path) -> Mapping[str, Any]:
            known = self._gathered.get(split.digest())
            found = np.concatenate(list(_read(split))) if known is None else known
            np.save(folder / _FILE, found)
            return {}

        return self._cache.fetch(_key(split), work, _kept)

    def gathering(self, split: Split) -> Split:
        """The split to run a model over."""
        if split.indexable or split.digest() in self._gathered:
            return split
        return _Gathering(split, self._gathered)


class _Gathering:
    """A stream, and the digests of its samples once it has been read to its end."""

    indexable = False

    def __init__(self, split: Split, gathered: dict[str, Array]) -> None:
        self.name = split.name
        self._split = split
        self._gathered = gathered

    @property
    def names(self) -> tuple[str, ...] | None:
        return self._split.names

    @property
    def size(self) -> int | None:
        return self._split.size

    def batches(self, size: int | None = None) -> Iterator[Batch]:
        found: list[Array] = []
        for batch in self._split.batches(size):
            found.append(row_digests(batch.inputs, self.names))
            yield batch
        self._gathered[self.digest()] = np.concatenate(found)

    def digest(self, first: int | None = None) -> str:
        return self._split.digest(first)


def _read(split: Split) -> Iterator[Array]:
    return (row_digests(batch.inputs, split.names) for batch in split.batches())


def _key(split: Split) -> str:
    return key_of(kind="sample digests", version=_VERSION, data=split.digest())


def _kept(entry: Entry) -> Array:
    """Raises ValueError, KeyError or an error of numpy for an invalid entry."""
    found: Array = np.load(entry.file(_FILE), allow_pickle=False)
    if found.dtype != np.uint64 or found.ndim != 1:
        raise ValueError("the digests of its samples are malformed")
    return found
