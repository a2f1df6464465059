"""Entries of the cache: the manifest, the files that it names, and what stands in their place."""

from __future__ import annotations

import hashlib
import json
import random

from fuzzing.draft import Draft, Fault, Link
from fuzzing.faults import archives, arrays, bytewise, documents, values

_MANIFEST = "entry.json"


def manifest(draft: Draft, draw: random.Random) -> None:
    """A manifest that says something else, with a digest that is right for it half of the time."""
    name = _manifest(draft)
    made = documents.edited(draft.read(name), draw)
    draft.files[name] = _signed(made) if draw.random() < 0.6 else made


def names(draft: Draft, draw: random.Random) -> None:
    """Files that are outside of the entry, or that are no files, by a manifest that is in order."""
    name = _manifest(draft)
    document = json.loads(draft.read(name))
    files = document["files"]
    old = draw.choice(sorted(files))
    given = draw.choice(
        ("../x", "/etc/hostname", "", ".", "..", "\x00", "a" * 3000, values.text(draw))
    )
    files[given] = draw.choice((files.pop(old), hashlib.sha256(b"").hexdigest(), 7, None))
    draft.files[name] = _signed(json.dumps(document).encode())


def content(draft: Draft, draw: random.Random) -> None:
    """Another content than was written, with digests that are right for it."""
    name = draw.choice([each for each in draft.plain if not each.endswith(_MANIFEST)])
    made = draft.read(name)
    fault = draw.choice((*arrays.ARRAYS, *archives.ARCHIVE, *bytewise.BYTES.values()))
    draft.files[name] = changed = fault(made, draw)
    sheet = _manifest(draft)
    document = json.loads(draft.read(sheet))
    document["files"][name.rsplit("/", 1)[-1]] = hashlib.sha256(changed).hexdigest()
    draft.files[sheet] = _signed(json.dumps(document).encode())


def in_its_place(draft: Draft, draw: random.Random) -> None:
    """A folder, a link or a file where an entry, or a folder above it, is to be."""
    name = _manifest(draft)
    parts = name.split("/")
    if parts[0] == "aside":
        return  # a fault before this one has put it there
    place = "/".join(parts[: draw.randrange(1, len(parts))])
    held = {
        each: draft.files.pop(each) for each in list(draft.files) if each.startswith(f"{place}/")
    }
    kind = draw.choice(("file", "link", "folder", "loop", "aside", "gone"))
    if kind == "file":
        draft.files[place] = b"no folder"
    elif kind == "link":
        draft.files[place] = Link("nowhere")
    elif kind == "loop":
        draft.files[place] = Link(place.rsplit("/", 1)[-1])
    elif kind == "folder":
        draft.files[f"{place}/"] = b""
    elif kind == "aside":
        draft.files |= {f"aside/{each}": found for each, found in held.items()}
        up = "../" * place.count("/")
        draft.files[place] = Link(f"{up}aside/{place}")


def _manifest(draft: Draft) -> str:
    return next(each for each in draft.plain if each.endswith(_MANIFEST))


def _signed(text: bytes) -> bytes:
    """The manifest with the digest that its content has."""
    document = json.loads(text)
    if isinstance(document, dict):
        kept = {name: document.get(name) for name in ("key", "info", "files")}
        document["digest"] = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    return json.dumps(document).encode()


ENTRY: tuple[Fault, ...] = (*[manifest] * 5, *[names] * 2, *[content] * 4, *[in_its_place] * 2)
