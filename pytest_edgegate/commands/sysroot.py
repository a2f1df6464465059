"""``sysroot``: makes the folder of the emulated ARM Python, once."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from pytest_edgegate.core.errors import EdgeGateError


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
    from pytest_edgegate.emulation import lacking, making
    from pytest_edgegate.emulation.sysroot import VARIABLE, folder_of, place, wanted

    versions = wanted()
    within = place() if given.folder is None else given.folder.expanduser().absolute()
    at = folder_of(versions, within)
    start = time.monotonic()
    if not given.again and _is_whole(at):
        print(f"the emulated ARM Python is there: {at}")
    else:
        lacking.check_system(versions)
        print(f"an emulated ARM Python for raspberry-pi-4 and raspberry-pi-5, in {within}")
        made = making.make(versions, within, lambda line: print(f"  {line}", flush=True))
        print(f"made in {time.monotonic() - start:.0f} s: {made.folder}")
    if within != place():
        print(f"for pytest to find it: export {VARIABLE}={within}")
    return 0


def _is_whole(folder: Path) -> bool:
    from pytest_edgegate.emulation.processors import PROCESSORS
    from pytest_edgegate.emulation.sysroot import Sysroot, qemu_version

    try:
        sysroot = Sysroot.read(folder)
        qemu_version(sysroot.program)
    except (OSError, ValueError, EdgeGateError):
        return False
    return not any(map(sysroot.missing, PROCESSORS))
