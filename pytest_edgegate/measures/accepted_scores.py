"""The side file of an accepted entry: the scores of samples, for a paired comparison later.

An ``.npz`` with one array for each figure of each artifact. Bits are packed: 10,000 samples of a
0/1 metric take less than 2 kB. The same scores give the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.data.npy import vetted
from pytest_edgegate.data.splits import Array

_BITS = "bits"
"""The end of the name of an array of packed bits; its number of bits is before it."""
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
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return dict(
                _read(archive, member, owner)
                for member in archive.namelist()
                if member.startswith(f"{owner}.")
            )
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        raise ConfigurationError(
            f"{place} can't be read as scores: {error}",
            f"git checkout {place}, or run the test, then pytest --edge-accept",
        ) from error


def _read(archive: zipfile.ZipFile, member: str, owner: str) -> tuple[str, Array]:
    name, *rest = member.removeprefix(f"{owner}.").removesuffix(".npy").split(".")
    size = archive.getinfo(member).file_size
    if size > _MOST:
        raise ValueError(f"{member[:80]!r} unpacks to {size} bytes")
    with archive.open(member) as stream:
        vetted(stream, size)
    with archive.open(member) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    if array.ndim != 1:
        raise ValueError(f"{member[:80]!r} has {array.ndim} dimensions")
    if not rest:
        return name, array
    count = int(rest[0])
    if rest[1:] != [_BITS] or array.dtype != np.uint8 or not 0 <= count <= 8 * len(array):
        raise ValueError(f"{member[:80]!r} is no array of bits")
    return name, np.unpackbits(array, count=count).astype(bool)


_MOST = 64_000_000
"""The most bytes of an array: 16 million samples."""
