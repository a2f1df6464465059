"""A content-addressed cache of folders: written whole or not at all, checked on every read.

An entry is a folder of files with a manifest that holds the digest of each; a folder appears under
its key by one rename, so a killed run leaves nothing that looks finished. A lock for each key makes
parallel workers build once. Nothing is ever unpickled.

A cache may be damaged or tampered with: an entry that is incomplete, or that its reader rejects,
is reported and rebuilt.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pytest_edgegate.core.errors import EdgeGateError, EdgeGateWarning, StorageError
from pytest_edgegate.reading.documents import parse_json
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.reading.regular import open_regular, read_bytes
from pytest_edgegate.storage.layout import (
    KEY,
    LOCKS,
    MADE_BY,
    MANIFEST,
    NAMED,
    SCRATCH,
    entry_folder,
    going_mark,
    lock_file,
)
from pytest_edgegate.storage.lease import Lease
from pytest_edgegate.storage.placing import place
from pytest_edgegate.storage.removal import remove
from pytest_edgegate.systems.files import touch

LAYOUT = 2
"""The version of the layout on disk; part of every key."""
_LONGEST_MANIFEST = 16_000_000
_LONGEST_KEY = 100
FULL_DISK = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EFBIG") if hasattr(errno, name)
)
_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Entry:
    """A finished entry. ``info`` holds JSON values that the builder stored beside the files."""

    folder: Path
    info: Mapping[str, Any]
    names: frozenset[str]
    """The names of its files, relative to the folder."""
    cached: bool

    def file(self, name: str) -> Path:
        """The path of one of its files. Raises KeyError for any other name."""
        if name not in self.names:
            raise KeyError(f"it has no file {name!r}")
        return self.folder / name


Read = Callable[[Entry], _Content]
"""Reads the content of an entry. Any exception means that the entry is damaged."""


class Cache:
    """The cache in one folder, which is created on the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned: set[str] = set()
        self._lease = Lease(folder)

    def find(self, key: str, read: Read[_Content]) -> _Content | None:
        """The entry as *read* returns it; None if it is missing, or damaged (with a warning).

        Raises StorageError if the cache can't be accessed.
        """
        # first the use, then the look: a prune looks after its mark, so that one sees the other
        self._use(entry_folder(self.folder, key))
        if self._exists(going_mark(self.folder, key)):
            with suppress(StorageError), self._lock(key):
                pass  # it has finished, or was killed
        return self._found(key, read)

    def name(self, digest: str, key: str) -> None:
        """Notes which entry has the artifact of a *digest*, for ``named``.

        A cache that can't be written is told by what is built for it.
        """
        at = self.folder / NAMED / digest
        if not at.exists():
            with suppress(OSError):
                at.parent.mkdir(parents=True, exist_ok=True)
                place(at, lambda scratch: scratch.write_text(key, "utf-8"))

    def named(self, digest: str, read: Read[_Content]) -> _Content | None:
        """The entry that has the artifact of a *digest*, as ``find``."""
        at = self.folder / NAMED / digest
        if not KEY.fullmatch(digest) or not at.is_file():
            return None
        key = read_bytes(at, _LONGEST_KEY).decode("utf-8", "replace")
        return self.find(key, read) if KEY.fullmatch(key) else None

    def _found(self, key: str, read: Read[_Content]) -> _Content | None:
        folder = entry_folder(self.folder, key)
        if not self._exists(folder):
            return None
        try:
            return read(_whole(folder, key))
        except Exception as error:  # noqa: BLE001 - arbitrary bytes can raise anything
            self._tell_damage(key, error)
            return None

    def fetch(
        self, key: str, build: Callable[[Path], Mapping[str, Any]], read: Read[_Content]
    ) -> _Content:
        """The entry under *key* as *read* returns it, built first if necessary.

        *build* writes the files into a folder and returns the info. A new entry is read in the same
        way, so that a bug in a reader is not mistaken for damage.

        Raises StorageError if the cache can't be written, before *build* runs.
        """
        found = self.find(key, read)
        if found is not None:
            return found
        with self._lock(key):
            self._use(entry_folder(self.folder, key))
            found = self._found(key, read)  # another worker may have built it while we waited
            return read(self._build(key, build)) if found is None else found

    def _build(self, key: str, build: Callable[[Path], Mapping[str, Any]]) -> Entry:
        folder = entry_folder(self.folder, key)
        with self._scratch(key) as scratch:
            with self._building(scratch):
                info = dict(build(scratch))
            with self._writing():
                manifest: dict[str, Any] = {"key": key, "info": info, "files": _built(scratch)}
                manifest["digest"] = _digest_of(manifest)
                text = json.dumps(manifest, indent=1, sort_keys=True)
                (scratch / MANIFEST).write_text(text, "utf-8")
                folder.parent.mkdir(parents=True, exist_ok=True)
                _put_in_place(scratch, folder)
        self._warned.discard(key)
        kept = json.loads(text)  # as a later run will read it
        return Entry(folder, kept["info"], frozenset(kept["files"]), cached=False)

    @contextmanager
    def _scratch(self, key: str) -> Iterator[Path]:
        scratch = self.folder / SCRATCH / key
        with self._writing():
            if os.path.lexists(scratch):  # we hold the lock, so nobody is writing it any more
                warnings.warn(
                    "an earlier run was interrupted while it built a cache entry: nothing of it "
                    "was kept, and the entry is built again",
                    EdgeGateWarning,
                    stacklevel=2,
                )
                remove(scratch)
            scratch.mkdir(parents=True)
        try:
            yield scratch
        finally:
            remove(scratch)  # no longer there if it became the entry

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        from filelock import FileLock

        with self._writing():
            (self.folder / LOCKS).mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError), (self.folder / ".gitignore").open("x") as ignore:
                ignore.write(f"{MADE_BY}\n*\n")
            self._lease.take()
            lock = FileLock(lock_file(self.folder, key))
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # ValueError: a path with a null byte
            raise self._unusable("written", str(error)) from error

    @contextmanager
    def _building(self, scratch: Path) -> Iterator[None]:
        """Distinguishes errors of the cache from those of the builder, which writes into it."""
        try:
            yield
        except Exception as error:
            if not scratch.is_dir():
                raise self._unusable("written", "its folder is gone") from error
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                raise self._unusable("written", str(error)) from error
            raise

    def _use(self, folder: Path) -> None:
        """Notes that an entry is used now; the lease comes first, so that no use is without it."""
        if self._exists(folder):
            self._lease.take()
            with suppress(OSError):  # in a read-only cache, which nobody prunes
                touch(folder)

    def _exists(self, folder: Path) -> bool:
        """Whether anything exists under the entry's name, valid or not."""
        try:
            folder.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError) as error:  # ValueError: a path with a null byte
            raise self._unusable("read", str(error)) from error
        return True

    def _unusable(self, done: str, reason: str) -> StorageError:
        return StorageError(
            f"the cache {self.folder} can't be {done}: {reason}",
            "free some space or choose another folder: --edge-cache=FOLDER (ini: edge_cache)",
        )

    def _tell_damage(self, key: str, error: Exception) -> None:
        if key in self._warned:
            return
        self._warned.add(key)
        warnings.warn(
            f"the cache entry {entry_folder(self.folder, key)} is damaged ({_fault(error)}); it is "
            "built again",
            EdgeGateWarning,
            stacklevel=2,
        )


def key_of(**parts: object) -> str:
    """The key of an entry: a digest of everything that affects its bytes."""
    text = json.dumps({"layout": LAYOUT, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class _DamageError(Exception):
    """The reason why an entry is damaged."""


def _fault(error: Exception) -> str:
    if isinstance(error, EdgeGateError):
        return error.message
    return str(error) if isinstance(error, _DamageError) else reason_of(error)


def _whole(folder: Path, key: str) -> Entry:
    """The entry, if every byte is as it was written. Raises otherwise.

    Names from the manifest are never opened, only files found in the folder.
    """
    names = set(_names_of_files(folder))
    if MANIFEST not in names:
        raise _DamageError("its manifest is missing")
    manifest = parse_json(read_bytes(folder / MANIFEST, _LONGEST_MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("digest") != _digest_of(manifest):
        raise _DamageError("its manifest is not what was written")
    info, files = manifest.get("info"), manifest.get("files")
    if manifest.get("key") != key or not isinstance(info, dict) or not isinstance(files, dict):
        raise _DamageError("its manifest is not that of this entry")
    for name in sorted(files.keys() | (names - {MANIFEST})):
        if name not in names or name not in files or _digest(folder / name) != files[name]:
            raise _DamageError(f"{_shown(name)} is not what was written")
    return Entry(folder, info, frozenset(files), cached=True)


def _digest_of(manifest: Mapping[str, Any]) -> str:
    kept = {name: manifest.get(name) for name in ("key", "info", "files")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    with open_regular(path) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _built(scratch: Path) -> dict[str, str]:
    """The digests of the files that a builder wrote."""
    try:
        return {name: _digest(scratch / name) for name in _names_of_files(scratch)}
    except _DamageError as error:
        raise StorageError(
            f"what was built can't be kept: {error}",
            "a transform writes regular files, and no links, into the folder that it is given",
        ) from error


def _names_of_files(folder: Path) -> Iterator[str]:
    """Relative names of regular files; links are not followed."""
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise _DamageError("it is not a folder")
    left = [""]
    while left:
        inside = left.pop()
        with os.scandir(folder / inside) as members:
            for each in members:
                name = f"{inside}{each.name}"
                if each.is_dir(follow_symlinks=False):
                    left.append(f"{name}/")
                elif each.is_file(follow_symlinks=False):
                    yield name
                else:
                    raise _DamageError(f"{_shown(name)} is not a regular file")


def _put_in_place(scratch: Path, folder: Path) -> None:
    """Publishes an entry by one rename; removes a damaged one that find() has reported."""
    damaged = folder.with_name(f"{folder.name}.damaged")
    if os.path.lexists(folder):
        remove(damaged)
        os.rename(folder, damaged)
    os.rename(scratch, folder)
    remove(damaged)


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:200]
