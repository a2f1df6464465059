"""How processes end, and what limits them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pytest_edgegate.systems.machine import physical_memory
from pytest_edgegate.systems.name import is_linux, is_windows

_PARENT_DIES = 1
"""PR_SET_PDEATHSIG of <sys/prctl.h>."""


def in_every_fork(reset: Callable[[], object]) -> None:
    """Calls *reset* in every fork of this process from now on. Windows has no forks."""
    if not is_windows():
        os.register_at_fork(after_in_child=reset)


def can_supervise() -> bool:
    """Whether a process can be told to end with all that it started: see ``supervise``."""
    return not is_windows()


def end_after(seconds: int) -> None:
    """Ends this process after a time, in the middle of native code too; 0 takes that back.

    Windows can't: there a hang is ended by whoever waits.
    """
    if not is_windows():
        signal.alarm(seconds)


def was_ended_by_time(code: int) -> bool:
    """Whether an exit status of subprocess is that of ``end_after``."""
    return not is_windows() and code == -signal.SIGALRM


def end_with(parent: int) -> None:
    """Makes this process end with the thread of *parent* that started it; on Linux only."""
    if not is_linux():
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the request
        os._exit(0)


def yield_memory() -> None:
    """Makes this process the first to be killed if memory runs out, and limits its memory, so that
    absurd shapes fail in malloc instead of exhausting the machine; on Linux only."""
    if not is_linux():
        return
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit_memory(physical_memory())


def return_memory() -> None:
    """Gives memory that is no longer used back to the system, where the C library can (glibc): it
    keeps what a converter has freed, beside what the session takes for the evaluation."""
    if is_linux():
        import ctypes

        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _limit_memory(whole: int | None) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if whole is not None:
        limit = min(whole, hard) if hard > 0 else whole
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
