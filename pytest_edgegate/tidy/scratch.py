"""One folder for all that a session has on the disk beside its cache; it goes with the session.

It lies below the folder for temporary files, in a folder of this user's own. The cache is no place
for it: that may be read-only, shared by machines, or on a network's disk where a lock says little
about a process of this machine.
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
from pytest_edgegate.tidy.variables import environment_with

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK = "lock"
_TRIES = 100
_NEW = "new-"
"""Begins the name of a folder whose lock is not taken yet: nobody may take it for a dead one's."""
_LONG_AGO = 3600.0
"""Seconds."""


class Scratch:
    """The folder, made when it is first needed and removed with the last session that uses it.

    Its owner holds a lock on a file in it, which the system releases however the owner ends. A
    folder whose lock can be taken has no owner any more: the next session removes it.
    """

    def __init__(self) -> None:
        self._sessions = 0
        self._folder: Path | None = None
        self._lock: BaseFileLock | None = None
        self._led = 0
        """How many times over temporary files are led here just now."""
        self._outside = ""
        """Where they went before."""
        self._late = False
        self._process = 0
        self._making = threading.Lock()

    def join(self) -> None:
        """A session begins: what killed sessions of this user have left is removed."""
        self._sessions += 1
        with suppress(OSError, StorageError):  # told when the folder is needed
            sweep(_base(self._outside if self._led else ""))

    def leave(self) -> None:
        """A session has ended; the last one takes the folder with it."""
        self._sessions -= 1
        if self._sessions <= 0 and self._led:
            self._late = True  # somebody still writes there: it goes when that is done
        elif self._sessions <= 0:
            self.remove()

    def folder(self) -> Path:
        """The folder, which only this user can enter. Raises StorageError."""
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
        """What makes another process put its temporary files there."""
        folder = str(self._temporary())
        return dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder)

    @contextmanager
    def temporary_files(self) -> Iterator[None]:
        """Everything that Python code here makes by ``tempfile`` meanwhile goes there.

        TensorFlow writes the code that it traces into files which it removes when the interpreter
        ends, and so never where that is killed. It is for these moments only: the temporary files
        of the user's own tests are none of ours.
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
        """As ``temporary_files``, for native code that asks the environment; for imports only."""
        _temporary_folder()  # which tempfile remembers: it would take the one that is led to
        with environment_with(self.environment()):
            yield

    def remove(self) -> None:
        """Removes the folder; it is made anew where it is needed again."""
        with self._making:
            folder, lock = self._folder, self._lock
            self._folder = self._lock = None
        if folder is None or self._process != os.getpid():
            return  # a forked process shares the folder, and does not end it
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.release(force=True)
        shutil.rmtree(folder, ignore_errors=True)  # where a file can't go while it is open
        _remove_empty(folder.parent)

    def _temporary(self) -> Path:
        with _as_storage_error(self.folder()) as folder:
            made = folder / "tmp"
            made.mkdir(exist_ok=True)
            return made

    def _make(self) -> None:
        if self._lock is not None:  # somebody else has removed the folder
            self._lock.release(force=True)
            self._lock = None
        base_folder = _base(self._outside if self._led else "")
        for _ in range(_TRIES):
            with _as_storage_error(base_folder) as base:
                _own(base)
                with suppress(FileNotFoundError):  # a session that ends has removed it as empty
                    folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=base))
                    lock = _taken(folder)
                    if lock is not None:
                        with suppress(PermissionError):  # of Windows, where it keeps its name
                            folder = folder.rename(folder.with_name(folder.name[len(_NEW) :]))
                        self._folder, self._lock, self._process = folder, lock, os.getpid()
                        return
        raise StorageError(
            f"no folder can be made in {base_folder}: it is gone at once",
            "let TMPDIR name a folder that is there, and that nothing else cleans",
        )


def sweep(base: Path) -> None:
    """Removes the folders in *base* that nobody holds any more."""
    if not base.is_dir() or not _is_ours(os.lstat(base)):
        return
    for entry in os.scandir(base):
        if not entry.is_dir(follow_symlinks=False) or _is_being_made(entry):
            continue
        lock = _taken(Path(entry.path))
        if lock is not None:
            shutil.rmtree(entry.path, ignore_errors=True)
            lock.release(force=True)
            if os.name == "nt":  # where a file can't go while it is open
                shutil.rmtree(entry.path, ignore_errors=True)
    _remove_empty(base)


def _is_being_made(entry: os.DirEntry[str]) -> bool:
    """Whether its owner may be about to take the lock. One that was killed then is old some day."""
    if not entry.name.startswith(_NEW):
        return False
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < _LONG_AGO
    return True


def _taken(folder: Path) -> BaseFileLock | None:
    """The lock of a folder; None where it is held, or where the folder has gone meanwhile."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK, thread_local=False)
    try:
        # without flock, of which it would warn, a killed owner holds its folder for ever
        with warnings.catch_warnings(action="ignore"):
            lock.acquire(timeout=0)
    except (Timeout, FileNotFoundError):
        return None
    if (folder / _LOCK).exists():
        return lock
    lock.release(force=True)
    return None


def _base(temporary: str = "") -> Path:
    """Of this user, by number: the user of a container may have no name."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(temporary or _temporary_folder()) / f"edgegate-{user}"


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError as error:
        raise StorageError(
            f"there is no folder for temporary files: {error.strerror or error}",
            "let TMPDIR name a folder that you can write to",
        ) from error


def _own(base: Path) -> None:
    """Makes it where it is missing. One that is another's is refused, or what is in it could be
    changed under us."""
    with suppress(FileExistsError):
        base.mkdir(mode=0o700)
    try:
        seen = os.lstat(base)
    except FileNotFoundError:  # a session that ends has removed it as empty
        return
    if not _is_ours(seen):
        raise StorageError(
            f"{base} is no folder of yours, so nothing is put there",
            "remove it, or let TMPDIR name another folder for temporary files",
        )
    if hasattr(os, "getuid") and seen.st_mode & 0o077:
        base.chmod(0o700)


def _is_ours(seen: os.stat_result) -> bool:
    return stat.S_ISDIR(seen.st_mode) and (not hasattr(os, "getuid") or seen.st_uid == os.getuid())


def _remove_empty(base: Path) -> None:
    with suppress(OSError):  # other sessions have theirs in it
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
"""Of this process: what needs it lies too far apart for one to be handed around."""

atexit.register(SCRATCH.remove)
