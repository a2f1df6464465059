"""A content-addressed cache of folders: written whole or not at all, checked on every read.

An entry is a folder of files with a manifest that holds the digest of each; a folder appears under
its key by one rename, so a killed run leaves nothing that looks finished. A lock for each key makes
parallel workers build once. Nothing is ever unpickled.

What lies in a cache may have been damaged, or written by others: an entry that is not whole, or
that its reader can't use, is told and made anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
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

LAYOUT = 2
"""Of the folders on disk; part of every key."""
_MANIFEST = "entry.json"
_LONGEST_MANIFEST = 16_000_000
FULL_DISK = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EFBIG") if hasattr(errno, name)
)
_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Entry:
    """A finished entry. ``info`` is what its builder wanted kept beside the files."""

    folder: Path
    info: Mapping[str, Any]
    names: frozenset[str]
    """Of its files, relative to the folder."""
    cached: bool

    def file(self, name: str) -> Path:
        """One of its files: ``info`` may name others. Raises KeyError."""
        if name not in self.names:
            raise KeyError(f"it has no file {name!r}")
        return self.folder / name


Read = Callable[[Entry], _Content]
"""Makes of an entry what its caller needs. Whatever it raises says that the entry is damaged."""


class Cache:
    """The cache below one folder; made on the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned: set[str] = set()

    def find(self, key: str, read: Read[_Content]) -> _Content | None:
        """What *read* makes of the entry; None where there is none or it is damaged (and told).

        Raises StorageError where the cache can't be looked into.
        """
        folder = self._entry_folder(key)
        if not self._exists(folder):
            return None
        try:
            return read(_whole(folder, key))
        except Exception as error:  # noqa: BLE001 - its bytes may be anybody's: any kind is damage
            self._tell_damage(key, error)
            return None

    def fetch(
        self, key: str, build: Callable[[Path], Mapping[str, Any]], read: Read[_Content]
    ) -> _Content:
        """What *read* makes of the entry under *key*.

        Where there is none, *build* writes its files into a folder and returns its info. What was
        just built is read in the same way, so that a fault of a reader is not taken for damage.

        Raises StorageError where the cache can't be written, before *build* runs.
        """
        found = self.find(key, read)
        if found is not None:
            return found
        with self._lock(key):
            found = self.find(key, read)  # another worker may have built it while we waited
            return read(self._build(key, build)) if found is None else found

    def _build(self, key: str, build: Callable[[Path], Mapping[str, Any]]) -> Entry:
        folder = self._entry_folder(key)
        with self._scratch(key) as scratch:
            with self._building(scratch):
                info = dict(build(scratch))
            with self._writing():
                manifest: dict[str, Any] = {"key": key, "info": info, "files": _built(scratch)}
                manifest["digest"] = _digest_of(manifest)
                text = json.dumps(manifest, indent=1, sort_keys=True)
                (scratch / _MANIFEST).write_text(text, "utf-8")
                folder.parent.mkdir(parents=True, exist_ok=True)
                _put_in_place(scratch, folder)
        self._warned.discard(key)
        kept = json.loads(text)  # as a later run will read it
        return Entry(folder, kept["info"], frozenset(kept["files"]), cached=False)

    @contextmanager
    def _scratch(self, key: str) -> Iterator[Path]:
        scratch = self.folder / "scratch" / key
        with self._writing():
            if os.path.lexists(scratch):  # the lock is ours, so nobody is at it any more
                warnings.warn(
                    "an earlier run was ended while it made an entry of the cache: nothing of it "
                    "was kept, and it is made anew",
                    EdgeGateWarning,
                    stacklevel=2,
                )
                _remove(scratch)
            scratch.mkdir(parents=True)
        try:
            yield scratch
        finally:
            _remove(scratch)  # gone already where it became the entry

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        from filelock import FileLock

        with self._writing():
            folder = self.folder / "locks"
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError), (self.folder / ".gitignore").open("x") as ignore:
                ignore.write("# made by pytest-edgegate\n*\n")
            lock = FileLock(folder / f"{key}.lock")
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
        """Tells the cache's own faults from those of the builder, which writes where it is told."""
        try:
            yield
        except Exception as error:
            if not scratch.is_dir():
                raise self._unusable("written", "its folder is gone") from error
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                raise self._unusable("written", str(error)) from error
            raise

    def _exists(self, folder: Path) -> bool:
        """Whether anything has the name of the entry: what it is comes later."""
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

    def _entry_folder(self, key: str) -> Path:
        return self.folder / "entries" / key[:2] / key

    def _tell_damage(self, key: str, error: Exception) -> None:
        if key in self._warned:
            return
        self._warned.add(key)
        warnings.warn(
            f"the cache entry {self._entry_folder(key)} is damaged ({_fault(error)}); it is made "
            "anew",
            EdgeGateWarning,
            stacklevel=2,
        )


def key_of(**parts: object) -> str:
    """The key of an entry: a digest of all that can change its bytes."""
    text = json.dumps({"layout": LAYOUT, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class _DamageError(Exception):
    """What is wrong with an entry."""


def _fault(error: Exception) -> str:
    if isinstance(error, EdgeGateError):
        return error.message
    return str(error) if isinstance(error, _DamageError) else reason_of(error)


def _whole(folder: Path, key: str) -> Entry:
    """An entry whose every byte is what was written. Raises for any other.

    No name out of the manifest is ever opened: only files that lie in the folder are.
    """
    names = set(_names_of_files(folder))
    if _MANIFEST not in names:
        raise _DamageError("its manifest is missing")
    manifest = parse_json(read_bytes(folder / _MANIFEST, _LONGEST_MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("digest") != _digest_of(manifest):
        raise _DamageError("its manifest is not what was written")
    info, files = manifest.get("info"), manifest.get("files")
    if manifest.get("key") != key or not isinstance(info, dict) or not isinstance(files, dict):
        raise _DamageError("its manifest is not that of this entry")
    for name in sorted(files.keys() | (names - {_MANIFEST})):
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
    """The digests of what a builder has left."""
    try:
        return {name: _digest(scratch / name) for name in _names_of_files(scratch)}
    except _DamageError as error:
        raise StorageError(
            f"what was built can't be kept: {error}",
            "a transform writes regular files, and no links, into the folder that it is given",
        ) from error


def _names_of_files(folder: Path) -> Iterator[str]:
    """Relative names, without following a link: an entry is all in its own folder."""
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise _DamageError("it is no folder")
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
                    raise _DamageError(f"{_shown(name)} is no regular file")


def _put_in_place(scratch: Path, folder: Path) -> None:
    """By one rename, where nothing has that name or something that find() has told."""
    damaged = folder.with_name(f"{folder.name}.damaged")
    if os.path.lexists(folder):
        _remove(damaged)
        os.rename(folder, damaged)
    os.rename(scratch, folder)
    _remove(damaged)


def _remove(path: Path) -> None:
    """Whatever has that name; no link is followed. What can't be removed stays."""
    with suppress(OSError, RecursionError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:200]
