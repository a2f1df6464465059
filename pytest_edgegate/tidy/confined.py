"""What a process that was started by ``tidy.child`` asks of the system before it does any work."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PARENT_DIES = 1
"""PR_SET_PDEATHSIG of <sys/prctl.h>."""


def confine(parent: int) -> None:
    """Has this process end with *parent*, and yield memory to it.

    "With its parent" is with the thread that has started this process: see
    ``child.in_lasting_thread``.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before it could be asked for
        os._exit(0)
    yield_memory()


def yield_memory() -> None:
    """Has this process end before others where memory ends, and not take more than there is."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit_memory()


def _limit_memory() -> None:
    """A file of absurd shapes gets an error from malloc, instead of all memory of the machine."""
    import resource

    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (min(whole, hard) if hard > 0 else whole, hard))
