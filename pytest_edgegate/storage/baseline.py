"""The folder ``edge-baseline/``: one file for each test and target, and side files of scores.

A file appears whole, by one rename. A side file has a part of its digest in its name and comes
before the entry that names it, what it replaces goes after: a killed run leaves whole entries only,
each with its own side file. Paths come from the names of tests, and never leave the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from pytest_edgegate.core.accepted import Entry
from pytest_edgegate.core.errors import ConfigurationError, StorageError, presentable
from pytest_edgegate.reading.regular import read_bytes
from pytest_edgegate.storage.placing import place

MOST_BYTES = 16_000_000
"""The largest entry that is read."""
MOST_SCORES = 256_000
"""The largest side file, in bytes."""
_LONGEST = 150
"""Characters of a name; file systems take 255 bytes."""
_REFUSED = re.compile(r"[^\w.\[\]+=,@ -]+", re.ASCII)
"""What some file system or shell of a user can't have in a name."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""
_OPTION = "--edge-baseline=DIR (ini: edge_baseline)"


class Baseline:
    """The accepted entries below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, test: str, target: str) -> Entry | None:
        """The entry of a test on a target; None where nothing is accepted.

        Raises ConfigurationError for a file that is no entry of it, StorageError for one that
        can't be read.
        """
        at = self.path_of(test)
        if not os.path.lexists(at):
            return None
        self._refuse_links(at)
        try:
            text = read_bytes(at, MOST_BYTES).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{at} is no text: {error}", f"git checkout {at}, or remove it and accept again"
            ) from error
        return Entry.read(text, test, target, str(at))

    def scores(self, entry: Entry) -> bytes | None:
        """The side file of an entry; None where it is not there, as in a sparse checkout.

        Raises ConfigurationError for one with other content than was accepted.
        """
        if not entry.side:
            return None
        at = side_of(self.path_of(entry.test), entry.side)
        if not os.path.lexists(at):
            return None
        self._refuse_links(at)
        content = read_bytes(at, MOST_SCORES)
        if hashlib.sha256(content).hexdigest() != entry.side:
            raise ConfigurationError(
                f"{at} does not hold the scores that were accepted",
                f"git checkout {at}, or run the test, then pytest --edge-accept",
            )
        return content

    def put(self, entry: Entry, scores: bytes | None = None) -> bool:
        """Writes an entry and its side file, and nothing where they are there as they are.

        Returns whether the entry is another one than before. Raises StorageError.
        """
        at = self.path_of(entry.test)
        whole = entry.with_side("" if scores is None else hashlib.sha256(scores).hexdigest())
        try:
            at.parent.mkdir(parents=True, exist_ok=True)
            self._refuse_links(at)
            if scores is not None:
                _place(side_of(at, whole.side), scores)
            is_new = _place(at, whole.spelt().encode())
            for each in sides_of(at):
                if each != side_of(at, whole.side):
                    each.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"{presentable(entry.test)} can't be accepted to {at}: {error}",
                f"make the folder writable, or choose another: {_OPTION}",
            ) from error
        return is_new

    def remove(self, test: str) -> None:
        """Removes the entry of a test, and its side file. Raises StorageError."""
        at = self.path_of(test)
        try:
            self._refuse_links(at)
            for each in (at, *sides_of(at)):  # an entry never names a file that is gone
                each.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"{at} can't be removed: {error}", "make its folder writable"
            ) from error

    def files(self) -> Iterator[Path]:
        """The files of all entries, sorted."""
        yield from sorted(each for each in self.folder.rglob("*.json") if each.is_file())

    def path_of(self, test: str) -> Path:
        """The file of a test: folders and names as in its id.

        Raises ConfigurationError for an id that leads out of the folder.
        """
        file, *names = test.split("::")
        folders = PurePosixPath(file)
        if folders.is_absolute() or ".." in folders.parts or "\0" in test:
            raise ConfigurationError(
                f"{presentable(test)} has no place in {self.folder}: it lies outside of the root",
                "run pytest from the folder of its ini file, or give it as --rootdir",
            )
        name = "::".join(names) or folders.name
        inside = folders.with_suffix("").parts if names else folders.parts[:-1]
        parts = [_safe(each) for each in inside]
        return self.folder.joinpath(*parts, f"{_safe(name.replace('::', '.'), test)}.json")

    def _refuse_links(self, at: Path) -> None:
        """A link would lead a writer, or a reader, out of the folder."""
        inside = at.relative_to(self.folder)
        steps = [
            self.folder.joinpath(*inside.parts[:count]) for count in range(1, len(inside.parts) + 1)
        ]
        for each in steps:
            if each.is_symlink():
                raise ConfigurationError(
                    f"{each} is a link, and entries are files and folders of their own",
                    "replace it by what it leads to",
                )


def side_of(entry: Path, sha256: str) -> Path:
    """The side file with this content beside an entry."""
    return entry.with_name(f"{entry.name.removesuffix('.json')}.{sha256[:8]}.npz")


def sides_of(entry: Path) -> list[Path]:
    """All side files beside an entry, those of its earlier states too."""
    stem = entry.name.removesuffix(".json")
    pattern = re.compile(rf"{re.escape(stem)}\.[0-9a-f]{{8}}\.npz")
    return sorted(each for each in entry.parent.iterdir() if pattern.fullmatch(each.name))


def _safe(name: str, unique: str = "") -> str:
    """A name that every file system takes; where it is not the name itself, with a digest of it.

    *unique*: what the digest is over.
    """
    kept = _REFUSED.sub("_", name).rstrip(". ")
    same = kept == name and len(name) <= _LONGEST and not _DEVICES.fullmatch(name)
    if same and not name.startswith("-"):
        return name
    digest = hashlib.sha256((unique or name).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept[:_LONGEST].lstrip('-') or '_'}+{digest}"


def _place(at: Path, content: bytes) -> bool:
    """Writes a file by one rename; one with this content is left as it is."""
    with suppress(OSError):
        if at.read_bytes() == content:
            return False
    place(at, lambda scratch: scratch.write_bytes(content))
    return True
