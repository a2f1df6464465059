"""The side file of an accepted entry: the scores of samples, for a paired comparison later.

An ``.npz`` with one array for each figure of each artifact. Bits are packed: 10,000 samples of a
0/1 metric take less than 2 kB. The same scores give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.npz import read_array
from pytest_edgegate.data.splits import Array
from pytest_edgegate.reading.archives import Archive, Limits, opened_in

_BITS = "bits"
"""The end of the name of an array of packed bits; its number of bits is before it."""
_LIMITS = Limits(member_bytes=64_000_000, whole_bytes=64_000_000, inflation=1_100)
"""16 million samples; bits that are all alike reach deflate's highest ratio."""
Scores = Mapping[str, Array]
"""Arrays of shape (n,), bool or float32, by the name of the figure."""


def packed(scores: Mapping[str, Scores]) -> bytes:
    """The content of a side file. *scores*: by a name without dots."""
    arrays: dict[str, Array] = {}
    for owner, figures in sorted(scores.items()):
        for name, array in sorted(figures.items()):
            if array.dtype == bool:
                arrays[f"{owner}.{name}.{len(array)}.{_BITS}"] = np.packbits(array)
            else:
                arrays[f"{owner}.{name}"] = np.asarray(array, np.float32)
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)  # type: ignore[arg-type]
    return written.getvalue()


def unpacked(content: bytes, owner: str, place: str) -> dict[str, Array]:
    """The scores of one *owner*; empty if it has none. Raises ConfigurationError."""

    def damaged(reason: str) -> ConfigurationError:
        return ConfigurationError(
            f"{place} can't be read as scores: {reason}",
            f"git checkout {place}, or run the test, then pytest --edge-accept",
        )

    with opened_in(io.BytesIO(content), damaged, _LIMITS) as archive:
        return dict(
            _read(archive, member, owner)
            for member in archive.names
            if member.startswith(f"{owner}.")
        )


def _read(archive: Archive, member: str, owner: str) -> tuple[str, Array]:
    name, *rest = member.removeprefix(f"{owner}.").removesuffix(".npy").split(".")
    array = read_array(archive, member)
    if array.ndim != 1:
        raise ValueError(f"{member[:80]!r} has {array.ndim} dimensions")
    if not rest:
        return name, array
    count = int(rest[0])
    if rest[1:] != [_BITS] or array.dtype != np.uint8 or not 0 <= count <= 8 * len(array):
        raise ValueError(f"{member[:80]!r} is no array of bits")
    return name, np.unpackbits(array, count=count).astype(bool)
