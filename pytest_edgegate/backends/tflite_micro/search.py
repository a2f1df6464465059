"""Finds the smallest arena in which a file runs. A program: the interpreter may end it.

``python -m pytest_edgegate.backends.tflite_micro.search FILE LOW HIGH`` prints one line for each
arena that it tries before it does, and one with what came of it: LOW was too small, HIGH large
enough, or 0 where that is not known. Before all of them it tells that it imports the interpreter,
and that it has: a broken package may end the process there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.tflite_micro.importing import NotImportableError, import_here
from pytest_edgegate.backends.tflite_micro.interpreter import (
    ALIGNMENT,
    ArenaTooSmallError,
    Opened,
    in_large_arena,
)
from pytest_edgegate.core.errors import BackendUnavailableError, EdgeGateError, InferenceError

TRYING, RUNS, LACKS, REFUSED = "trying", "runs", "lacks", "refused"
IMPORTING, IMPORTED, BROKEN = "importing", "imported", "broken"


def main(path: Path, low: int, high: int) -> None:
    try:
        print(IMPORTING, flush=True)
        import_here()
        print(IMPORTED, flush=True)
        if high:
            _narrow(path, low, high)
        else:
            _begin(path)
    except (BackendUnavailableError, NotImportableError) as error:
        _tell(BROKEN, error)
    except EdgeGateError as error:
        _tell(REFUSED, error)


def _tell(what: str, error: EdgeGateError) -> None:
    for text in (error.message, error.remedy):
        print(what, " ".join(text.split()), flush=True)


def _begin(path: Path) -> None:
    """Runs it in a large arena, and in one of the size that the interpreter then reports.

    Raises InferenceError.
    """
    opened = in_large_arena(path, INSPECTOR.describe(path), lambda arena: _run(path, arena))
    reported = -(-opened.used() // ALIGNMENT) * ALIGNMENT
    if reported:
        _runs(path, reported)


def _narrow(path: Path, low: int, high: int) -> None:
    """A bisection, after a look at whether *high* is the smallest already."""
    between = high - ALIGNMENT
    while high - low > ALIGNMENT:
        if _runs(path, between):
            high = between
        else:
            low = between
        between = (low + high) // 2 // ALIGNMENT * ALIGNMENT


def _runs(path: Path, arena: int) -> bool:
    """Whether a file that runs in a larger arena runs in this one."""
    try:
        _run(path, arena)
    except (ArenaTooSmallError, InferenceError):
        print(LACKS, arena, flush=True)
        return False
    return True


def _run(path: Path, arena: int) -> Opened:
    """Runs the file once. Raises ArenaTooSmallError, InferenceError."""
    print(TRYING, arena, flush=True)
    opened = Opened(path, arena)
    for at in range(len(INSPECTOR.describe(path).inputs)):
        details = opened.interpreter.get_input_details(at)
        opened.interpreter.set_input(np.zeros(details["shape"], details["dtype"]), at)
    opened.invoke()
    print(RUNS, arena, flush=True)
    return opened


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
