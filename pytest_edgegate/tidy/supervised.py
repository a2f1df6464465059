"""A Python child process that may start processes itself: all of them end with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from pytest_edgegate.systems import processes
from pytest_edgegate.tidy.child import (
    Child,
    environment,
    in_lasting_thread,
    printed_file,
    spell_end,
    start_python,
)

SUPERVISE = Path(processes.__file__).with_name("supervise.py")
_YIELDING = "from pytest_edgegate.systems.processes import yield_memory; yield_memory()\n"
_SIGNALLED = 128
"""The supervisor reports a signal as an exit status above this."""


class Supervised(Child):
    """A process below a supervisor, which ends it and all processes that it started.

    Ctrl-C in a terminal is handled by the session, which then ends it.
    """

    @staticmethod
    def _ends(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None  # it is a pipe
        with suppress(OSError, ValueError):  # it has ended, or is ending
            process.stdin.close()

    def ending(self) -> str:
        code = self.wait()
        return spell_end(_SIGNALLED - code if code > _SIGNALLED else code)


def start_supervised(code: str) -> Child:
    """As ``child.start_python``, below a supervisor if the system supports it."""
    if not processes.can_supervise():
        return start_python(code)
    with printed_file() as printed:
        come, says = os.pipe()
        hears, go = os.pipe()
        try:
            process = in_lasting_thread(_start, (hears, says), printed)
        except BaseException:
            os.close(come)
            os.close(go)
            raise
        finally:
            os.close(hears)
            os.close(says)
        _order(process, code, (hears, says))
        return Supervised(process, (os.fdopen(come, "rb"), os.fdopen(go, "wb")), printed)


def _start(pipes: tuple[int, int], printed: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(SUPERVISE)],
        stdin=subprocess.PIPE,
        stdout=printed,
        stderr=subprocess.STDOUT,
        pass_fds=pipes,
        start_new_session=True,
    )


def _order(process: subprocess.Popen[bytes], code: str, pipes: tuple[int, int]) -> None:
    order = {
        "command": [sys.executable, "-P", "-c", _YIELDING + code],
        "folder": None,
        "environment": environment(),
        "parent": os.getpid(),
        "pipes": pipes,
    }
    assert process.stdin is not None  # it is a pipe
    with suppress(BrokenPipeError):  # it has ended and printed the reason
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
