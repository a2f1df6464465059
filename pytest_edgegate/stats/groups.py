"""Samples that belong together, such as the windows of one recording: drawn as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def _named(names: NDArray[Any]) -> NDArray[Any]:
    """Objects as texts with their types, to be sorted. Raises ValueError for missing ones."""
    missing = sum(each is None or each != each for each in names)
    if missing:
        raise ValueError(f"{missing} of them are missing (None or NaN)")
    return np.array([f"{type(each).__name__} {each!r}" for each in names])


class Groups:
    """The group of each sample. ``count`` is the number of groups, ``len()`` that of samples."""

    def __init__(self, names: NDArray[Any]) -> None:
        """*names*: one of any kind for each sample, shape (n,); equal names are one group.

        Raises ValueError for another shape, no samples, or NaN.
        """
        names = np.asarray(names)
        if names.ndim != 1 or not len(names):
            raise ValueError(f"they have shape {names.shape}; give one per sample, shape (n,)")
        if names.dtype.kind == "f" and np.isnan(names).any():
            raise ValueError(f"{int(np.isnan(names).sum())} of them are NaN")
        if names.dtype.kind == "O":
            names = _named(names)
        _, codes = np.unique(names, return_inverse=True)
        self._codes: IntArray = codes.astype(np.int64)
        self.sizes: IntArray = np.bincount(self._codes).astype(np.int64)
        """The number of samples in each group, shape (count,)."""
        self._members = np.argsort(self._codes, kind="stable")
        self._starts = np.cumsum(self.sizes) - self.sizes

    @property
    def count(self) -> int:
        return len(self.sizes)

    def __len__(self) -> int:
        return len(self._codes)

    def at(self, positions: NDArray[Any]) -> Groups:
        """The groups of the samples at these positions (indices or a mask) alone."""
        return Groups(self._codes[positions])

    def sums(self, values: NDArray[Any]) -> FloatArray:
        """The sum of the *values*, of shape (n,), in each group: float64, shape (count,)."""
        sums = np.bincount(self._codes, weights=values, minlength=self.count)
        return np.asarray(sums, np.float64)

    def drawn(self, random: np.random.Generator) -> IntArray:
        """All samples of as many groups as there are, drawn with replacement: their indices."""
        chosen = random.integers(0, self.count, self.count)
        sizes = self.sizes[chosen]
        ends = np.cumsum(sizes)
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        return np.asarray(self._members[np.repeat(self._starts[chosen], sizes) + within])
