"""Samples of a stream that are kept for the comparison of a reference with chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pytest_edgegate.data.splits import Array

MOST = 1_000
"""The largest number of samples of a stream that are kept."""
_MOST_BYTES = 256 << 20
_SEED = 0


class KeptSamples:
    """A random part of the samples of a pass, each equally likely, drawn with a fixed seed.

    Source: J. Vitter, Random sampling with a reservoir, ACM Transactions on Mathematical Software
    11:37-57, 1985, algorithm R.
    """

    def __init__(self, most: int = MOST, most_bytes: int = _MOST_BYTES, seed: int = _SEED) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._random = np.random.default_rng(seed)
        self._seen = 0
        self._places: list[int] = []
        self._rows: list[tuple[Array, ...]] = []
        self._names: tuple[str, ...] = ()
        self.uneven = False
        """Whether the shapes of samples differ, so that nothing is kept."""

    def add(self, batch: Mapping[str, Array]) -> None:
        """Takes some of a batch: arrays by name, each of shape (n, ...)."""
        arrays = tuple(batch.values())
        count = len(arrays[0])
        if self._rows and not self.uneven:
            self.uneven = any(
                kept.shape != array.shape[1:]
                for kept, array in zip(self._rows[0], arrays, strict=True)
            )
        if self.uneven:
            self._rows, self._places = [], []
            return
        self._names = tuple(batch)
        self._limit(arrays)
        numbers = self._seen + np.arange(count)
        # a number is drawn for each sample, from all so far: below the size of the part it enters
        entries = np.where(numbers < self._most, numbers, self._random.integers(0, numbers + 1))
        for row in np.flatnonzero(entries < self._most).tolist():
            values = tuple(array[row].copy() for array in arrays)
            self._put(int(entries[row]), self._seen + row, values)
        self._seen += count

    def _limit(self, arrays: tuple[Array, ...]) -> None:
        """Keeps fewer samples if they are large; decided by the first batch."""
        if not self._seen:
            size = max(sum(array[0].nbytes for array in arrays), 1)
            self._most = max(min(self._most, self._most_bytes // size), 1)

    def _put(self, entry: int, place: int, row: tuple[Array, ...]) -> None:
        if entry < len(self._rows):
            self._rows[entry], self._places[entry] = row, place
        else:
            self._rows.append(row)
            self._places.append(place)

    @property
    def positions(self) -> Array:
        """The positions of the kept samples in the pass, shape (k,)."""
        return np.array(self._places, np.int64)

    @property
    def arrays(self) -> dict[str, Array]:
        """The kept samples: arrays of shape (k, ...) by name, in the order of ``positions``."""
        if not self._rows:
            return {}
        columns = zip(*self._rows, strict=True)
        return dict(zip(self._names, map(np.stack, columns), strict=True))


def spread_out(values: Array, positions: Array, n: int) -> Array:
    """The *values* at their positions among *n* samples, NaN elsewhere: float64, shape (n,)."""
    column = np.full(n, np.nan)
    column[positions] = values
    return column
