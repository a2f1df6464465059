"""``sysroot``: makes the folder of the emulated ARM Python, once."""

from __future__ import annotations

import os
import shlex
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

_INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended, as shells have it."""


def add_to(parser: ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument(
        "--folder",
        metavar="FOLDER",
        type=Path,
        help="another place (default: $EDGEGATE_SYSROOT, else ~/.cache/pytest-edgegate/sysroot)",
    )
    parser.add_argument(
        "--again", action="store_true", help="make it also where a whole one is there"
    )
    parser.set_defaults(run=make_sysroot)


def make_sysroot(given: Namespace) -> int:
    """Makes the folder unless it is there, and tells where. Raises EdgeGateError."""
    try:
        _make(given)
    except KeyboardInterrupt:
        print("interrupted: no folder was made", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _make(given: Namespace) -> None:
    from pytest_edgegate.emulation import lacking, making
    from pytest_edgegate.emulation.processors import PROCESSORS
    from pytest_edgegate.emulation.sysroot import (
        VARIABLE,
        fault_of,
        folder_of,
        place,
        place_at,
        wanted,
    )

    versions = wanted()
    within = place() if given.folder is None else place_at(given.folder)
    at = folder_of(versions, within)
    start = time.monotonic()
    fault = fault_of(at, versions, PROCESSORS) if at.exists() else "it is not made yet"
    if fault or given.again:
        lacking.check_system(versions)
        if at.exists():
            _tell(f"made anew: {at} is not whole: {fault}" if fault else f"made anew: {at}")
        _tell(f"an emulated ARM Python for raspberry-pi-4 and raspberry-pi-5, in {within}")
        made = making.make(versions, within, lambda line: _tell(f"  {line}"))
        _tell(f"made in {time.monotonic() - start:.0f} s: {made.folder}")
    else:
        _tell(f"the emulated ARM Python is there: {at}")
    if within != place():
        _tell(f"for pytest to find it: export {VARIABLE}={shlex.quote(str(within))}")


def _tell(line: str) -> None:
    """Prints a line. A reader that has seen enough (``| head``) does not end the work."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # the interpreter flushes what is left at its end, which would fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
