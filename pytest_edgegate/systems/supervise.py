"""Runs a program, and ends it with all its processes when the parent is gone. A script.

The order comes as one line of JSON on stdin, which stays open for as long as the program should
run: the system closes it however the parent ends. A program with a protocol gets the two pipes
whose descriptors are in the order. The script imports nothing of the package, so that it starts in
a few milliseconds.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_PARENT_DIES, _ADOPT_ORPHANS = 1, 36
"""PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER of <sys/prctl.h>."""
_LINUX = sys.platform.startswith("linux")
_ROUNDS, _PAUSE = 200, 0.01
"""The number of checks for remaining processes, and the seconds between them."""
_ending = threading.RLock()  # a signal may arrive while its own thread holds it


def main() -> None:
    order = json.loads(sys.stdin.buffer.readline())
    _ask_linux(_ADOPT_ORPHANS, 1)
    pipes = order.get("pipes", [subprocess.DEVNULL, None])
    try:
        program = subprocess.Popen(
            order["command"],
            cwd=order["folder"],
            env=order["environment"],
            stdin=pipes[0],
            stdout=pipes[1],
            start_new_session=True,
            preexec_fn=_end_with_parent if _LINUX else None,  # noqa: PLW1509 - no threads yet
        )
        for each in order.get("pipes", ()):
            os.close(each)  # so that the peer of the program sees its end
    except OSError as error:
        print(f"{order['command'][0]} can't be started: {error.strerror or error}", flush=True)
        os._exit(127)
    signal.signal(signal.SIGTERM, lambda *_: _stop(program))
    # in addition to stdin, whose other end may survive in a fork of the parent
    _ask_linux(_PARENT_DIES, signal.SIGTERM)
    threading.Thread(target=_wait_for_parent, args=(program,), daemon=True).start()
    if os.getppid() != order["parent"]:
        _stop(program)
    code = program.wait()
    _end(program)
    os._exit(code if code >= 0 else 128 - code)


def _wait_for_parent(program: subprocess.Popen[bytes]) -> None:
    while sys.stdin.buffer.read(1):
        pass
    _stop(program)


def _stop(program: subprocess.Popen[bytes]) -> None:
    _end(program)
    os._exit(1)


def _end(program: subprocess.Popen[bytes]) -> None:
    """Ends the program and all processes that it started, including those that left its group."""
    with _ending:
        if not hasattr(os, "killpg"):
            program.kill()
            return
        with suppress(OSError):  # the whole group has already ended
            os.killpg(program.pid, signal.SIGKILL)
        for _ in range(_ROUNDS):
            left = _descendants() if _LINUX else []
            for each in left:
                with suppress(OSError):
                    os.kill(each, signal.SIGKILL)
            if _reaped() and not left:
                return
            time.sleep(_PAUSE)


def _reaped() -> bool:
    """Whether no child is left. A zombie may have threads that still release memory."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except OSError:
        return True
    return False


def _descendants() -> list[int]:
    """The living descendants of this process, which adopts orphans."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError):  # it has just ended
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry.name)] = int(parent)
    found: list[int] = []
    level = {os.getpid()}
    while level:
        level = {each for each, parent in parents.items() if parent in level}
        found += level
    return found


def _end_with_parent() -> None:
    _ask_linux(_PARENT_DIES, signal.SIGKILL)


def _ask_linux(option: int, value: Any) -> None:
    if _LINUX:
        ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0)


if __name__ == "__main__":
    main()
