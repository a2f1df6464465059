"""HDF5 files: attributes, links, datasets, and what HDF5 itself allows in them."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from fuzzing.draft import BytesFault
from fuzzing.faults import documents, values

_CONFIG = "model_config"


def _groups(opened: Any) -> list[Any]:
    import h5py

    found: list[Any] = []
    opened.visititems(
        lambda name, each: found.append(each) if isinstance(each, h5py.Group) else None
    )
    return [opened, *found]


def _datasets(opened: Any) -> list[str]:
    import h5py

    found: list[str] = []
    opened.visititems(
        lambda name, each: found.append(name) if isinstance(each, h5py.Dataset) else None
    )
    return found


def attribute(opened: Any, draw: random.Random) -> None:
    """An attribute that is missing, or of a kind that nobody writes."""
    import h5py

    owners = [each for each in _groups(opened) if len(each.attrs)]
    owner = draw.choice(owners)
    key = draw.choice((*sorted(owner.attrs), *[k for k in (_CONFIG,) if k in owner.attrs]))
    made = draw.choice(
        (
            None,
            7,
            2.5,
            b"",
            b"\xff\xfe",
            "x" * 200,
            np.zeros(3),
            np.zeros((0,)),
            np.array([b"a", b"b"]),
            np.array([b"\xff"] * 3),
            np.zeros(2, [("a", "<i4"), ("b", "S3")]),
            h5py.Empty("f4"),
            h5py.Empty(h5py.string_dtype()),
            opened.ref,
            np.array(["a", "²"], h5py.string_dtype()),
            True,
            np.bytes_(b"[1]"),
            "null",
            "[]",
            "1e400",
            '{"class_name": 1}',
        )
    )
    del owner.attrs[key]
    if made is not None:
        owner.attrs[key] = made


def link(opened: Any, draw: random.Random) -> None:
    """A link to itself, to nothing, to a group that holds it, or out of the file."""
    import h5py

    group = draw.choice([each for each in _groups(opened) if len(each)])
    name = draw.choice(sorted(group))
    kind = draw.choice(("removed", "self", "nowhere", "above", "outside", "hard", "other"))
    del group[name]
    if kind == "self":
        group[name] = h5py.SoftLink(f"{group.name}/{name}")
    elif kind == "nowhere":
        group[name] = h5py.SoftLink("/nowhere")
    elif kind == "above":
        group[name] = group
    elif kind == "outside":
        group[name] = h5py.ExternalLink(
            draw.choice(("/etc/hostname", "other.h5", "/dev/zero")), "/"
        )
    elif kind == "hard":
        group[name] = draw.choice(_groups(opened))
    elif kind == "other":
        group[name] = h5py.SoftLink(f"/{draw.choice(_datasets(opened))}")


def dataset(opened: Any, draw: random.Random) -> None:
    """Weights of another shape or dtype, absurdly large, packed, virtual or in another file."""
    import h5py

    name = draw.choice(_datasets(opened))
    shape = opened[name].shape
    del opened[name]
    kind = draw.choice(("shape", "dtype", "huge", "group", "packed", "outside", "virtual", "nan"))
    if kind == "shape":
        opened[name] = np.zeros(
            draw.choice(((), (1,), (0,), (*shape, 1), (7, 3), shape[::-1])), "f4"
        )
    elif kind == "dtype":
        dtype = draw.choice(
            ("S4", "i8", "f8", "f2", "c8", "u1", h5py.string_dtype(), h5py.ref_dtype)
        )
        opened.create_dataset(name, shape, dtype)
    elif kind == "huge":
        opened.create_dataset(
            name, draw.choice(((2**40,), (2**20, 2**20), (2**62,))), "f4", chunks=True
        )
    elif kind == "group":
        opened.create_group(name)
    elif kind == "packed":
        opened.create_dataset(
            name, data=np.zeros((300, 300), "f4"), compression="gzip", shuffle=True
        )
    elif kind == "outside":
        where = draw.choice(("/etc/hostname", "canary", "/dev/zero", "../canary"))
        opened.create_dataset(name, (64,), "f4", external=[(where, 0, 256)])
    elif kind == "virtual":
        _virtual(opened, name, draw.choice((b".", b"/etc/hostname")))
    else:
        opened[name] = np.full(shape, np.nan, "f4")


def _virtual(opened: Any, name: str, source: bytes) -> None:
    """A dataset whose values lie in another one; by hand, since h5py would note the time."""
    from h5py import h5d, h5p, h5s, h5t

    space, how = h5s.create_simple((4,)), h5p.create(h5p.DATASET_CREATE)
    how.set_obj_track_times(False)
    how.set_layout(h5d.VIRTUAL)
    how.set_virtual(space, source, b"/x", space)
    h5d.create(opened.id, name.encode(), h5t.IEEE_F32LE, space, how)


def deep(opened: Any, draw: random.Random) -> None:
    """Groups in groups."""
    group = draw.choice(_groups(opened))
    for _ in range(draw.choice((50, 400))):
        group = group.create_group("g")


def config(opened: Any, draw: random.Random, edit: BytesFault = documents.edited) -> None:
    """The model's configuration, which is JSON."""
    written = opened.attrs[_CONFIG]
    given = written.encode() if isinstance(written, str) else bytes(written)
    made = edit(given, draw)
    del opened.attrs[_CONFIG]
    if len(made) > 60_000:  # attributes are small unless the file is of the latest kind
        return
    opened.attrs[_CONFIG] = draw.choice((made.decode, lambda: np.bytes_(made)))()


def order(opened: Any, draw: random.Random) -> None:
    """The names of layers or weights, in another order or number."""
    named = [
        (each, key)
        for each in _groups(opened)
        for key in sorted(each.attrs)
        if key.endswith("_names")
    ]
    owner, key = draw.choice(named)
    names = list(owner.attrs[key])
    kind = draw.choice(("shuffled", "fewer", "more", "nowhere"))
    if kind == "shuffled":
        draw.shuffle(names)
    elif kind == "fewer":
        names = names[1:]
    elif kind == "more":
        names += names
    else:
        names = [values.text(draw).encode("utf-8", "replace").replace(b"\0", b"") or b"x"] * 2
    owner.attrs[key] = np.array(names) if names else np.zeros(0)


_TREE: tuple[Callable[[Any, random.Random], None], ...] = (
    attribute,
    attribute,
    attribute,
    link,
    link,
    dataset,
    dataset,
    dataset,
    deep,
    order,
)
_WHOLE = (*_TREE, *[config] * 8)


def edited(content: bytes, draw: random.Random) -> bytes:
    """One fault in a file that HDF5 itself has written."""
    return _edited(content, draw, _WHOLE)


def edited_weights(content: bytes, draw: random.Random) -> bytes:
    """The same for a file that holds weights only."""
    return _edited(content, draw, (*_TREE[:9],))


def _edited(
    content: bytes, draw: random.Random, faults: tuple[Callable[[Any, random.Random], None], ...]
) -> bytes:
    import h5py

    held = io.BytesIO(content)
    with h5py.File(held, "r+") as opened:
        draw.choice(faults)(opened, draw)
    return held.getvalue()


def with_config(edit: Callable[[Any, random.Random], None]) -> BytesFault:
    """A fault of the configuration as a document."""

    def of_text(content: bytes, draw: random.Random) -> bytes:
        document = json.loads(content)
        edit(document, draw)
        return json.dumps(document).encode()

    def apply(content: bytes, draw: random.Random) -> bytes:
        return _edited(content, draw, (lambda opened, drawn: config(opened, drawn, of_text),))

    apply.__name__ = edit.__name__
    return apply


HDF5: tuple[BytesFault, ...] = (edited,)
