"""The end of a forked process."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn


def leave_after(program: Callable[[], object]) -> NoReturn:
    """Runs the program and ends the process with its status, as the interpreter does: waits for
    threads, calls what is registered for the end, flushes. Only what the server had imported is not
    taken apart object by object, which takes as long as a run of pytest.

    An error, and a status that is no number, are left to the interpreter.
    """
    status = 0
    try:
        program()
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        status = ended.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)
