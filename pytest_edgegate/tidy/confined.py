"""Restrictions that a process started by ``tidy.child`` sets up before any work."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PARENT_DIES = 1
"""PR_SET_PDEATHSIG of <sys/prctl.h>."""


def confine(parent: int) -> None:
    """Makes this process end with *parent*, and yield memory to it.

    The parent is the thread that started this process: see ``child.in_lasting_thread``.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the request
        os._exit(0)
    yield_memory()


def yield_memory() -> None:
    """Makes this process the first to be killed if memory runs out, and limits its memory."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit_memory()


def _limit_memory() -> None:
    """Limits memory, so that absurd shapes fail in malloc instead of exhausting the machine."""
    import resource

    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (min(whole, hard) if hard > 0 else whole, hard))
