"""Runs external programs, which end with the session together with all their processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pytest_edgegate.tidy.supervised import SUPERVISE

_ENDING = 10
"""Seconds for a supervisor to end its processes."""


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    printed: IO[bytes],
    time_limit: float,
) -> int:
    """Runs a program in *folder* with this *environment* only; returns its exit status.

    Its output goes into *printed*. The program and all processes that it started have ended when
    this returns or raises, and end with this process, even by ``kill -9``.

    Raises subprocess.TimeoutExpired after *time_limit* seconds.
    """
    with started(command, folder, environment, printed) as program:
        return program.wait(time_limit)


@contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    printed: IO[bytes],
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs beside this one, as ``run`` runs it; it has ended at the end of this."""
    order = {
        "command": list(command),
        "folder": str(folder),
        "environment": dict(environment),
        "parent": os.getpid(),
    }
    supervisor = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SUPERVISE)],
        stdin=subprocess.PIPE,
        stdout=printed,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is handled here, which ends the program
    )
    assert supervisor.stdin is not None  # it is a pipe
    try:
        with suppress(BrokenPipeError):  # it has ended and printed the reason
            supervisor.stdin.write(json.dumps(order).encode() + b"\n")
            supervisor.stdin.flush()
        yield supervisor
    finally:
        _end(supervisor)


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    assert supervisor.stdin is not None
    with suppress(BrokenPipeError):
        supervisor.stdin.close()
    try:
        supervisor.wait(_ENDING)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
