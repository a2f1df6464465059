"""HDF5 files: their configuration, and checks that all data is inside the file.

A link or a dataset of HDF5 may name another file, and a dataset that was never written may
declare any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

_LARGEST_CONFIG = 64_000_000
FREE_BYTES = 256_000_000
INFLATION = 200
"""The largest compression ratio beyond FREE_BYTES, as for members of archives."""


def open_hdf5(source: BinaryIO) -> Any:
    """An ``h5py.File`` that only reads. Raises whatever h5py raises for a damaged one."""
    import h5py

    return h5py.File(source, "r")


def text_of(opened: Any, attribute: str) -> str | None:
    """A text attribute of the file, or None where there is none. Raises ValueError."""
    if attribute not in opened.attrs:
        return None
    if opened.attrs.get_id(attribute).get_storage_size() > _LARGEST_CONFIG:
        raise ValueError(f"its {attribute} is too long")
    found = opened.attrs[attribute]
    if isinstance(found, bytes):
        found = found.decode("utf-8")
    if not isinstance(found, str):
        raise ValueError(f"its {attribute} is no text")
    return found


def faults(opened: Any) -> Iterator[str]:
    """References out of the file, and datasets that unpack to absurd sizes."""
    import h5py
    from h5py import h5d, h5l, h5o

    links: list[tuple[bytes, int]] = []
    opened.id.links.visit(lambda name, info: links.append((name, info.type)), info=True)
    datasets = []
    for name, kind in links:
        if kind != h5l.TYPE_HARD:
            yield f"a link out of its place ({_shown(name)})"
        elif h5o.get_info(opened.id, name).type == h5o.TYPE_DATASET:
            datasets.append(name)
    stored = declared = 0
    for name in datasets:
        dataset = h5d.open(opened.id, name)
        created = dataset.get_create_plist()
        if created.get_external_count():
            yield f"a dataset in another file ({_shown(name)})"
        if created.get_layout() == h5py.h5d.VIRTUAL:
            yield f"a virtual dataset ({_shown(name)})"
        stored += dataset.get_storage_size()
        declared += dataset.get_space().get_simple_extent_npoints() * dataset.get_type().get_size()
    if declared > FREE_BYTES + INFLATION * stored:
        yield f"datasets of {declared} bytes, of which {stored} are there"


def _shown(name: bytes) -> str:
    return "".join(each for each in name.decode("utf-8", "replace")[:80] if each.isprintable())
