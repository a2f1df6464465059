"""Tells ``cache prune`` that a session uses a cache, and since when."""

from __future__ import annotations

import os
import secrets
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.storage.layout import LOCKS, SESSION

if TYPE_CHECKING:
    from filelock import BaseFileLock

_TRIES = 10


class Lease:
    """A locked file in the cache, from the first use of an entry until the session ends.

    The system releases the lock however the session ends; the file's time is the session's start.
    """

    def __init__(self, cache: Path) -> None:
        self._folder = cache / LOCKS
        self._asked = False

    def take(self) -> None:
        """Takes the lease, once. A cache that can't be written has none: nobody prunes it."""
        if self._asked:
            return
        self._asked = True
        with suppress(OSError):
            self._take()

    def _take(self) -> None:
        from filelock import FileLock

        self._folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):
            path = self._folder / f"{SESSION}{os.getpid()}-{secrets.token_hex(4)}.lock"
            lock = FileLock(path, thread_local=False)
            lock.acquire()
            if path.exists():
                weakref.finalize(self, _leave, lock, path, os.getpid())
                return
            lock.release(force=True)  # a prune took it for that of an ended session


def _leave(lock: BaseFileLock, path: Path, owner: int) -> None:
    if os.getpid() != owner:  # a fork shares the lock and must not release it
        return
    with suppress(OSError):
        path.unlink(missing_ok=True)
    lock.release(force=True)
    with suppress(OSError):  # which can't delete open files
        path.unlink(missing_ok=True)


def living(cache: Path, *, remove_ended: bool) -> Iterator[int]:
    """When each running session began, in nanoseconds since 1970 by the clock of the file system.

    *remove_ended* removes the files that killed sessions left.
    """
    for path in sorted((cache / LOCKS).glob(f"{SESSION}*.lock")):
        with suppress(FileNotFoundError):  # it has ended meanwhile
            began = path.lstat().st_mtime_ns
            if not _ended(path, remove=remove_ended):
                yield began


def _ended(path: Path, *, remove: bool) -> bool:
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    if remove:
        path.unlink(missing_ok=True)
    lock.release(force=True)
    return True
