"""Runs external programs, which end with the session together with all their processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pytest_edgegate.tidy.supervised import SUPERVISE

_ENDING = 10
"""Seconds for a supervisor to end its processes."""
_LOOK = 0.1
"""Seconds between looks at how much a program has printed."""


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    printed: IO[bytes],
    time_limit: float,
    *,
    errors: IO[bytes] | None = None,
    most_printed: int | None = None,
) -> int:
    """Runs a program in *folder* with this *environment* only; returns its exit status.

    Its output goes into *printed*; that on stderr into *errors*, if it is given. The program and
    all processes that it started have ended when this returns or raises, and end with this process,
    even by ``kill -9``.

    Raises subprocess.TimeoutExpired after *time_limit* seconds, and PrintedTooMuchError soon after
    the files have more than *most_printed* bytes.
    """
    with started(command, folder, environment, printed, errors) as program:
        if most_printed is None:
            return program.wait(time_limit)
        files = [printed] if errors is None else [printed, errors]
        return _wait(program, time_limit, files, most_printed)


@contextmanager
def started(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    printed: IO[bytes],
    errors: IO[bytes] | None = None,
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
        stderr=subprocess.STDOUT if errors is None else errors,
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


class PrintedTooMuchError(Exception):
    """A program has printed more than anybody reads."""


def _wait(
    supervisor: subprocess.Popen[bytes], time_limit: float, files: Sequence[IO[bytes]], most: int
) -> int:
    end = time.monotonic() + time_limit
    while True:
        code = None
        left = end - time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            code = supervisor.wait(max(0, min(_LOOK, left)))
        if sum(os.fstat(each.fileno()).st_size for each in files) > most:
            raise PrintedTooMuchError
        if code is not None:
            return code
        if left <= 0:
            raise subprocess.TimeoutExpired(supervisor.args, time_limit)


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    assert supervisor.stdin is not None
    with suppress(BrokenPipeError):
        supervisor.stdin.close()
    try:
        supervisor.wait(_ENDING)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
