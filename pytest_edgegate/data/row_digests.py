"""Digests of single samples, by which the same sample is found in two splits."""

from __future__ import annotations

import hashlib

import numpy as np

from pytest_edgegate.data.splits import Array

_BYTES = 8
"""Of a digest: among 1e6 samples, two that differ have the same one with a chance of 1 in 4e7."""


def row_digests(inputs: tuple[Array, ...], names: tuple[str, ...] | None = None) -> Array:
    """A digest for each sample: uint64 of shape (n,).

    *inputs*: arrays of shape (n, ...), which are taken in the order of their *names*. Numbers are
    compared as float32, since splits may hold the same samples in other dtypes.
    """
    order = range(len(inputs)) if names is None else np.argsort(names)
    columns = [_comparable(inputs[at]) for at in order]
    digests = np.empty(len(columns[0]), np.uint64)
    for at in range(len(digests)):
        made = hashlib.blake2b(digest_size=_BYTES)
        for column in columns:
            made.update(column[at].tobytes())
        digests[at] = int.from_bytes(made.digest(), "big")
    return digests


def _comparable(array: Array) -> Array:
    return array.astype(np.float32, copy=False) if array.dtype.kind in "biuf" else array
