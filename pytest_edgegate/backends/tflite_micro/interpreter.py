"""Opens LiteRT-Micro's interpreter, and tells why it does not open a file.

It may end the process: where the arena is far too small, and where one of its checks fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.damaged import damaged
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.runtime import refuse_what_aborts
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.not_readable import installed
from pytest_edgegate.backends.tflite_micro.importing import PACKAGE, import_runtime
from pytest_edgegate.backends.tflite_micro.lacking import lacking_operators, names_a_lacking_one
from pytest_edgegate.backends.tflite_micro.sizes import size_of
from pytest_edgegate.backends.tools import one_line
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.reading.regular import read_bytes

TITLE = "LiteRT-Micro"
ALIGNMENT = 16
"""Bytes that the arena is aligned to."""
_MOST_BYTES = 1 << 30
"""The largest arena that is tried; the allocator counts in 32 bits."""
_ROOM = 1 << 20
"""Bytes for all but tensors, in the first arena that is tried."""
_FURTHER = 8
"""How many times larger the next arena is, where one was too small."""
_MEMORY = re.compile(r"Failed to (?:resize buffer|allocate)|exceeds? the arena", re.I)
_USED = re.compile(r"Arena allocation total (\d+) bytes")
_NODE = re.compile(r"Node (\w+) \(number (\d+)\) failed to (prepare|invoke)")


class ArenaTooSmallError(Exception):
    """The interpreter ran out of memory."""


class Opened:
    """An interpreter with its arena."""

    def __init__(self, path: Path, arena: int) -> None:
        """Raises ArenaTooSmallError, InferenceError or BackendUnavailableError."""
        runtime = import_runtime()
        content = read_bytes(path, _MOST_BYTES)
        self._path = path
        with held_native_output() as printed:
            try:
                self.interpreter: Any = runtime.Interpreter.from_bytes(content, arena_size=arena)
            except Exception as error:  # of its own parser, too
                said = printed.lines()
                if any(map(_MEMORY.search, said)):
                    raise ArenaTooSmallError from error
                raise not_opened(path, said, error) from error

    def invoke(self) -> None:
        """Raises ArenaTooSmallError or InferenceError."""
        try:
            self.interpreter.invoke()
        except RuntimeError as error:
            with held_native_output() as printed:
                self._again()
                said = printed.lines()
            if any(map(_MEMORY.search, said)):
                raise ArenaTooSmallError from error
            raise _refused(self._path, said, error) from error

    def used(self) -> int:
        """The bytes of the arena that it reports, after an inference; 0 where it does not."""
        with held_native_output() as printed:
            self.interpreter.print_allocations()
            found = list(filter(None, map(_USED.search, printed.lines())))
        return max((int(each[1]) for each in found), default=0)

    def _again(self) -> None:
        """What it says of a failure goes to the terminal: it is heard the second time."""
        try:
            self.interpreter.invoke()
        except RuntimeError:
            return


def opened(path: Path) -> Opened:
    """An interpreter with an arena that is large enough.

    Raises InferenceError, BackendUnavailableError.
    """
    described = INSPECTOR.describe(path)
    return in_large_arena(path, described, lambda arena: Opened(path, arena))


def in_large_arena(
    path: Path, described: ModelDescription, attempt: Callable[[int], Opened]
) -> Opened:
    """What *attempt* gives in the first arena that is large enough. Raises InferenceError."""
    check(path, described)
    arena = generous(described)
    while True:
        try:
            return attempt(arena)
        except ArenaTooSmallError:
            if arena >= _MOST_BYTES:
                raise InferenceError(
                    f"{path.name} does not run in {TITLE} with an arena of {arena:,} bytes",
                    "make the tensors of the model smaller: no microcontroller has that memory",
                ) from None
            arena = min(arena * _FURTHER, _MOST_BYTES)


def check(path: Path, described: ModelDescription) -> None:
    """Refuses files that would end the process. Raises InferenceError."""
    if described.compiled is not None:
        raise InferenceError(
            f"{path.name} is compiled for {described.compiled.chip}, and no CPU runs it",
            "give the file that it was compiled from",
        )
    refuse_what_aborts(path, described, TITLE)


def generous(described: ModelDescription) -> int:
    """An arena for all tensors side by side, twice: memory that is not used costs nothing."""
    tensors = {
        each.name: size_of(each)
        for operator in described.operators
        for each in (*operator.inputs, *operator.outputs)
        if each is not None and not each.constant
    }
    least = 2 * sum(tensors.values()) + 1000 * len(described.operators) + _ROOM
    return min(least // ALIGNMENT * ALIGNMENT, _MOST_BYTES)


def not_opened(path: Path, said: list[str], error: Exception) -> InferenceError:
    """The error for a file that the interpreter does not open, by what it *said*."""
    runtime = installed(PACKAGE, TITLE)
    if any(map(names_a_lacking_one, said)):
        found = lacking_operators(path)
        plural = "s" if found[1:] else ""
        return InferenceError(
            f"{path.name} has the operator{plural} {', '.join(found)}, which {runtime} does not "
            "have: the file is not damaged, but no microcontroller runs it by that interpreter",
            f"replace the layers of {'those operators' if plural else 'that operator'} by others, "
            "or do that part in your own code before or after the model",
        )
    if any(map(_NODE.search, said)):
        return _refused(path, said, error)
    return damaged(path, one_line(" ".join(said) or error))


def _refused(path: Path, said: list[str], error: Exception) -> InferenceError:
    """The error for an operator whose kernel does not take what it is given."""
    node = next(filter(None, map(_NODE.search, said)), None)
    reason = one_line(" ".join(line for line in said if not _NODE.search(line)) or error)
    where = f" at {_spelt(path, int(node[2]), node[1])}" if node else ""
    return InferenceError(
        f"{installed(PACKAGE, TITLE)} refuses {path.name}{where}: {reason}",
        "quantise the model to int8 (edge_ptq), which its kernels take; of other numbers, it has "
        "fewer kernels than LiteRT",
    )


def _spelt(path: Path, index: int, kind: str) -> str:
    """The operator with the numbers that it is given: ``CONV_2D #0 (of uint8, uint8, int32)``."""
    for each in INSPECTOR.describe(path).operators:
        if (each.index, each.kind) == (index, kind):
            dtypes = ", ".join(tensor.dtype for tensor in each.inputs if tensor is not None)
            return f"{kind} #{index} (of {dtypes})"
    return f"{kind} #{index}"
