"""Digests of single samples, by which the same sample is found in two splits."""

from __future__ import annotations

import hashlib

import numpy as np

from pytest_edgegate.data.splits import Array

_LOOKED_AT = 8
_BYTES = 8
"""Of a digest: among 1e6 samples, two that differ have the same one with a chance of 1 in 4e7."""
FLAT = 0
"""In place of a digest: a sample with one value at many places, such as silence or an empty frame,
is the same in any two sets."""
_MANY = 8


def row_digests(inputs: tuple[Array, ...], names: tuple[str, ...] | None = None) -> Array:
    """A digest for each sample, or ``FLAT``: uint64 of shape (n,).

    *inputs*: arrays of shape (n, ...), which are taken in the order of their *names*. Numbers are
    compared as float32, since splits may hold the same samples in other dtypes.
    """
    order = range(len(inputs)) if names is None else np.argsort(names)
    columns = [_comparable(inputs[at]) for at in order]
    digests = np.empty(len(columns[0]), np.uint64)
    flat = np.all([_is_flat(each) for each in columns], axis=0)
    for at in range(len(digests)):
        if flat[at]:
            digests[at] = FLAT
            continue
        made = hashlib.blake2b(digest_size=_BYTES)
        for column in columns:
            made.update(column[at].tobytes())
        digests[at] = int.from_bytes(made.digest(), "big")
    return digests


def _is_flat(array: Array) -> Array:
    """Whether a row has one value at many places: bool of shape (n,)."""
    rows = array.reshape(len(array), -1)
    if rows.shape[1] < _MANY:
        return np.zeros(len(rows), bool)
    some = rows[:, :: max(rows.shape[1] // _LOOKED_AT, 1)]
    found = np.asarray((some == some[:, :1]).all(axis=1))
    at = np.flatnonzero(found)  # few rows are read whole
    found[at] = (rows[at] == rows[at, :1]).all(axis=1)
    return found


def _comparable(array: Array) -> Array:
    return array.astype(np.float32, copy=False) if array.dtype.kind in "biuf" else array


def exact_digests(batch: tuple[Array, ...]) -> list[bytes]:
    """What a sample is, by the bytes of all its inputs with their dtypes and shapes."""
    kinds = repr([(each.dtype.str, each.shape[1:]) for each in batch]).encode()
    found = []
    for at in range(len(batch[0])):
        digest = hashlib.blake2b(kinds, digest_size=16)
        for each in batch:
            digest.update(np.ascontiguousarray(each[at]).data)
        found.append(digest.digest())
    return found
