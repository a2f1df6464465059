"""A temporary folder for everything that a session stores on disk outside the cache.

It is removed with the session. It lies below the system's temporary folder, in a folder owned by
the user. The cache is not suitable: it may be read-only, shared between machines, or on a network
file system with unreliable locks.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.core.private_places import keep_private
from pytest_edgegate.systems.files import (
    belongs_to_us,
    deletes_open_files,
    is_open_to_others,
    user_name,
)
from pytest_edgegate.tidy.variables import environment_with

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK = "lock"
_TRIES = 100
_NEW = "new-"
"""The prefix of a folder whose lock is not taken yet, so that it is not considered abandoned."""
_LONG_AGO = 3600.0
"""Seconds."""


class Scratch:
    """The folder, created on first use and removed with the last session that uses it.

    Its owner locks a file in it; the system releases the lock however the owner ends. A folder
    whose lock is free is abandoned, and the next session removes it.
    """

    def __init__(self) -> None:
        self._sessions = 0
        self._folder: Path | None = None
        self._lock: BaseFileLock | None = None
        self._led = 0
        """The nesting depth of redirections of temporary files."""
        self._outside = ""
        """The temporary folder before the redirection."""
        self._late = False
        self._process = 0
        self._making = threading.Lock()

    def join(self) -> None:
        """Registers a session, and removes the folders of this user's killed sessions."""
        self._sessions += 1
        with suppress(OSError, StorageError):  # reported once the folder is needed
            sweep(_base(self._outside if self._led else ""))

    def leave(self) -> None:
        """Unregisters a session; the last one removes the folder."""
        self._sessions -= 1
        if self._sessions <= 0 and self._led:
            self._late = True  # still in use: removed afterwards
        elif self._sessions <= 0:
            self.remove()

    def folder(self) -> Path:
        """The folder, accessible to this user only. Raises StorageError."""
        with self._making:
            if self._folder is None or not self._folder.is_dir():
                self._make()
            assert self._folder is not None  # made above
            return self._folder

    def subfolder(self, name: str) -> Path:
        """A new folder in it. Raises StorageError."""
        with _as_storage_error(self.folder()) as folder:
            return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))

    def environment(self) -> Mapping[str, str]:
        """The variables that redirect another process's temporary files to the folder."""
        folder = str(self._temporary())
        return dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder)

    @contextmanager
    def temporary_files(self) -> Iterator[None]:
        """Redirects files that Python code creates by ``tempfile`` to the folder.

        TensorFlow writes traced code into files that it removes at interpreter exit, so never if
        the process is killed. Use this for short periods: temporary files of the user's tests
        have to stay where they are.
        """
        if not self._led:
            self._outside = _temporary_folder()
        folder, before = str(self._temporary()), tempfile.tempdir
        tempfile.tempdir = folder
        self._led += 1
        try:
            yield
        finally:
            tempfile.tempdir = before
            self._led -= 1
            if self._late and not self._led:
                self._late = False
                self.remove()

    @contextmanager
    def temporary_environment(self) -> Iterator[None]:
        """As ``temporary_files``, but for native code that reads the environment; imports only."""
        _temporary_folder()  # tempfile caches it, before the redirection
        with environment_with(self.environment()):
            yield

    def remove(self) -> None:
        """Removes the folder; it is created again on demand."""
        with self._making:
            folder, lock = self._folder, self._lock
            self._folder = self._lock = None
        if folder is None or self._process != os.getpid():
            return  # a forked process shares the folder and must not remove it
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.release(force=True)
        shutil.rmtree(folder, ignore_errors=True)  # which can't delete open files
        _remove_empty(folder.parent)

    def _temporary(self) -> Path:
        with _as_storage_error(self.folder()) as folder:
            made = folder / "tmp"
            made.mkdir(exist_ok=True)
            return made

    def _make(self) -> None:
        if self._lock is not None:  # the folder was removed by somebody else
            self._lock.release(force=True)
            self._lock = None
        base_folder = _base(self._outside if self._led else "")
        for _ in range(_TRIES):
            with _as_storage_error(base_folder) as base:
                _own(base)
                with suppress(FileNotFoundError):  # an ending session has removed the empty folder
                    folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=base))
                    lock = _taken(folder)
                    if lock is not None:
                        with suppress(PermissionError):  # on Windows, where the name stays in use
                            folder = folder.rename(folder.with_name(folder.name[len(_NEW) :]))
                        self._folder, self._lock, self._process = folder, lock, os.getpid()
                        keep_private(str(folder))
                        return
        raise StorageError(
            f"no folder can be made in {base_folder}: it is gone at once",
            "let TMPDIR name a folder that is there, and that nothing else cleans",
        )


def sweep(base: Path) -> None:
    """Removes abandoned folders in *base*."""
    if not base.is_dir() or not _is_ours(os.lstat(base)):
        return
    for entry in os.scandir(base):
        if not entry.is_dir(follow_symlinks=False) or _is_being_made(entry):
            continue
        lock = _taken(Path(entry.path))
        if lock is not None:
            shutil.rmtree(entry.path, ignore_errors=True)
            lock.release(force=True)
            if not deletes_open_files():
                shutil.rmtree(entry.path, ignore_errors=True)
    _remove_empty(base)


def _is_being_made(entry: os.DirEntry[str]) -> bool:
    """Whether its owner may be about to take the lock, unless it is old."""
    if not entry.name.startswith(_NEW):
        return False
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < _LONG_AGO
    return True


def _taken(folder: Path) -> BaseFileLock | None:
    """The lock of a folder; None if it is held, or if the folder has been removed meanwhile."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK, thread_local=False)
    try:
        # without flock, which would cause a warning, a killed owner would lock its folder for ever
        with warnings.catch_warnings(action="ignore"):
            lock.acquire(timeout=0)
    except (Timeout, FileNotFoundError):
        return None
    if (folder / _LOCK).exists():
        return lock
    lock.release(force=True)
    return None


def _base(temporary: str = "") -> Path:
    """The folder of this user, by user id: a container's user may have no name."""
    return Path(temporary or _temporary_folder()) / f"edgegate-{user_name()}"


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise StorageError(
            f"there is no folder for temporary files: {error.strerror or error}",
            "let TMPDIR name a folder that you can write to",
        ) from error


def _own(base: Path) -> None:
    """Creates *base* if missing. A folder of another user is refused, as that user could change
    its content."""
    with suppress(FileExistsError):
        base.mkdir(mode=0o700)
    try:
        seen = os.lstat(base)
    except FileNotFoundError:  # an ending session has removed the empty folder
        return
    if not _is_ours(seen):
        raise StorageError(
            f"{base} is no folder of yours, so nothing is put there",
            "remove it, or let TMPDIR name another folder for temporary files",
        )
    if is_open_to_others(seen):
        base.chmod(0o700)


def _is_ours(seen: os.stat_result) -> bool:
    return stat.S_ISDIR(seen.st_mode) and belongs_to_us(seen)


def _remove_empty(base: Path) -> None:
    with suppress(OSError):  # other sessions still use it
        base.rmdir()


@contextmanager
def _as_storage_error(folder: Path) -> Iterator[Path]:
    try:
        yield folder
    except OSError as error:
        raise StorageError(
            f"the folder for temporary files {folder} can't be written: {error.strerror or error}",
            "free some space, or let TMPDIR name another folder",
        ) from error


SCRATCH = Scratch()
"""The instance of this process: its users are too distant to pass one around."""

atexit.register(SCRATCH.remove)
