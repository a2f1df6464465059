"""A content-addressed cache of folders: written whole or not at all, checked on every read.

An entry is a folder of files with a manifest that holds the digest of each; a folder appears under
its key by one rename, so a killed run leaves nothing that looks finished. A lock for each key makes
parallel workers build once. Nothing is ever unpickled.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import EdgeGateWarning, StorageError

LAYOUT = 1
"""Of the folders on disk; part of every key."""
_MANIFEST = "entry.json"
FULL_DISK = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS") if hasattr(errno, name)
)


@dataclass(frozen=True)
class Entry:
    """A finished entry. ``info`` is what its builder wanted kept beside the files."""

    folder: Path
    info: Mapping[str, Any]
    cached: bool

    def file(self, name: str) -> Path:
        return self.folder / name


class Cache:
    """The cache below one folder; made on the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> Entry | None:
        """The entry, or None where there is none or where its files are damaged (and say so)."""
        folder = self._entry_folder(key)
        try:
            manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            if folder.is_dir():
                self._tell_damage(folder, "its manifest is missing")
            return None
        except (OSError, ValueError) as error:
            self._tell_damage(folder, str(error))
            return None
        fault = _fault(folder, manifest)
        if fault:
            self._tell_damage(folder, fault)
            return None
        return Entry(folder, manifest["info"], cached=True)

    def fetch(self, key: str, build: Callable[[Path], Mapping[str, Any]]) -> Entry:
        """The entry under *key*; *build* writes its files into a folder and returns its info.

        Raises StorageError where the cache can't be written, before *build* runs.
        """
        found = self.find(key)
        if found is not None:
            return found
        with self._lock(key):
            with warnings.catch_warnings(action="ignore", category=EdgeGateWarning):  # told above
                found = self.find(key)  # another worker may have built it while we waited
            return found or self._build(key, build)

    def _build(self, key: str, build: Callable[[Path], Mapping[str, Any]]) -> Entry:
        folder = self._entry_folder(key)
        with self._scratch(key) as scratch:
            with self._writing(only=FULL_DISK):
                info = dict(build(scratch))
            with self._writing():
                manifest: dict[str, Any] = {"info": info, "files": _digests(scratch)}
                manifest["digest"] = _digest_of(manifest)
                text = json.dumps(manifest, indent=1, sort_keys=True)
                (scratch / _MANIFEST).write_text(text, "utf-8")
                folder.parent.mkdir(parents=True, exist_ok=True)
                if folder.exists():  # damaged: find() has told
                    shutil.rmtree(folder)
                os.rename(scratch, folder)
        return Entry(folder, info, cached=False)

    @contextmanager
    def _scratch(self, key: str) -> Iterator[Path]:
        scratch = self.folder / "scratch" / key
        with self._writing():
            if scratch.exists():  # the lock is ours, so nobody is at it any more
                warnings.warn(
                    "an earlier run was ended while it made an entry of the cache: nothing of it "
                    "was kept, and it is made anew",
                    EdgeGateWarning,
                    stacklevel=2,
                )
                shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)  # gone already where it became the entry

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        from filelock import FileLock

        with self._writing():
            folder = self.folder / "locks"
            folder.mkdir(parents=True, exist_ok=True)
            ignore = self.folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("# made by pytest-edgegate\n*\n", "utf-8")
            lock = FileLock(folder / f"{key}.lock")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _writing(self, only: frozenset[int] | None = None) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if only is not None and error.errno not in only:
                raise  # not the disk's fault: the builder met it elsewhere
            raise StorageError(
                f"the cache {self.folder} can't be written: {error}",
                "free some space or choose another folder: --edge-cache=FOLDER (ini: edge_cache)",
            ) from error

    def _entry_folder(self, key: str) -> Path:
        return self.folder / "entries" / key[:2] / key

    def _tell_damage(self, folder: Path, fault: str) -> None:
        warnings.warn(
            f"the cache entry {folder} is damaged ({fault}); it is made anew",
            EdgeGateWarning,
            stacklevel=2,
        )


def key_of(**parts: object) -> str:
    """The key of an entry: a digest of all that can change its bytes."""
    text = json.dumps({"layout": LAYOUT, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _fault(folder: Path, manifest: Any) -> str:
    if not isinstance(manifest, dict) or manifest.get("digest") != _digest_of(manifest):
        return "its manifest is not what was written"
    for name, digest in manifest["files"].items():
        try:
            if file_digest(folder / name) != digest:
                return f"{name} is not what was written"
        except OSError as error:
            return str(error)
    return ""


def _digest_of(manifest: Mapping[str, Any]) -> str:
    kept = {name: manifest.get(name) for name in ("info", "files")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
