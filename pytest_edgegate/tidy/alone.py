"""Locks of this user on this machine, against other pytest runs and other workers of this one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.progress import Progress

if TYPE_CHECKING:
    from filelock import BaseFileLock

_ASKED_AGAIN = 0.5
"""Seconds between attempts to take a lock."""


def acquire(lock: BaseFileLock, what: str, awaited: str, progress: Progress) -> None:
    """Takes the lock for *what*, and reports the wait for *awaited*.

    Raises ConfigurationError if its file can't be used.
    """
    from filelock import Timeout

    start = time.monotonic()
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_ASKED_AGAIN)
        except Timeout:
            progress(f"waiting for {awaited}, seconds", time.monotonic() - start, None)
        except OSError as error:
            raise ConfigurationError(
                f"the lock for {what}, {lock.lock_file}, can't be taken: {error.strerror or error}",
                "remove that file if another user owns it, or let TMPDIR name a folder that you "
                "can write to",
            ) from error
