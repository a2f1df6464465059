"""Imports LiteRT-Micro's interpreter; a wheel that ends the process which imports it ends another.

Wheels are made for some processors and versions of Python, and are broken on others in any way.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.tools import first_line, one_line
from pytest_edgegate.core.environment import versions
from pytest_edgegate.core.errors import BackendUnavailableError, InferenceError
from pytest_edgegate.tidy.child import environment, spell_end
from pytest_edgegate.tidy.programs import run
from pytest_edgegate.tidy.scratch import SCRATCH

PACKAGE = "tflite-micro"
_MODULE = "tflite_micro"
REINSTALL = f"pip install --upgrade --force-reinstall {PACKAGE}"
"""What is to be typed where a wheel is broken, whether a newer one is there or not."""
_PURPOSE = "running a .tflite file as on a microcontroller"
_COMMAND = (sys.executable, "-P", "-c", f"from {_MODULE} import runtime")
_TIME_LIMIT = 120
"""Seconds for one import, which takes a tenth of one."""
_SIGNALLED = 128
"""The supervisor of a program reports a signal as an exit status above this."""


class NotImportableError(InferenceError):
    """The package is installed and can't be imported here."""


def import_runtime() -> Any:
    """The package's interface. A process imports it the first time after another one has.

    Raises BackendUnavailableError where it is missing, NotImportableError where it is broken.
    """
    if _MODULE not in sys.modules and versions(PACKAGE):
        _check_elsewhere()
    return import_here()


def import_here() -> Any:
    """As ``import_runtime``, in a process that may end by it."""
    try:
        from tflite_micro import runtime
    except ImportError as error:
        if not versions(PACKAGE):
            raise BackendUnavailableError(PACKAGE, _PURPOSE, "micro") from error
        raise NotImportableError(
            f"{_installed()} can't be imported here ({first_line(error)})", REINSTALL
        ) from error
    return runtime


def ends_by_import(end: str, said: str) -> tuple[str, str]:
    """The message and the remedy for a package that ended a process by *end*."""
    return f"{_installed()} ends the process that imports it ({end}){said}", REINSTALL


def _installed() -> str:
    return f"{PACKAGE} {versions(PACKAGE).get(PACKAGE, '')}".rstrip()


def _check_elsewhere() -> None:
    fault = _fault()
    if fault is not None:
        raise NotImportableError(*fault)


@cache
def _fault() -> tuple[str, str] | None:
    """What an import in a process of its own has shown, once for all of this one."""
    with (
        tempfile.TemporaryDirectory(prefix="import-", dir=SCRATCH.folder()) as folder,
        (Path(folder) / "printed.txt").open("w+b") as printed,
    ):
        try:
            code = run(_COMMAND, Path(folder), environment(), printed, _TIME_LIMIT)
        except subprocess.TimeoutExpired:
            return f"{_installed()} can't be imported here within {_TIME_LIMIT} s", REINSTALL
        printed.seek(0)
        lines = printed.read().decode("utf-8", "replace").splitlines()
    said = next((one_line(line) for line in reversed(lines) if line.strip()), "it printed nothing")
    if code > _SIGNALLED:
        return ends_by_import(spell_end(_SIGNALLED - code), f": {said}" if lines else "")
    return (f"{_installed()} can't be imported here ({said})", REINSTALL) if code else None
