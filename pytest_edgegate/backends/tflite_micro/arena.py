"""The smallest arena that a file runs in, by a bisection in processes of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.backends.tflite_micro.importing import ends_by_import
from pytest_edgegate.backends.tflite_micro.interpreter import ALIGNMENT, TITLE
from pytest_edgegate.backends.tflite_micro.search import (
    BROKEN,
    IMPORTED,
    IMPORTING,
    LACKS,
    REFUSED,
    RUNS,
    TRYING,
)
from pytest_edgegate.backends.tools import one_line
from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.tidy.child import environment, spell_end
from pytest_edgegate.tidy.programs import run
from pytest_edgegate.tidy.scratch import SCRATCH

COMMAND = (sys.executable, "-P", "-m", "pytest_edgegate.backends.tflite_micro.search")
TIME_LIMIT = 300
"""Seconds for one file: each arena takes one inference."""
_SIGNALLED = 128
"""The supervisor of a program reports a signal as an exit status above this."""
_WORDS = (TRYING, RUNS, LACKS)
_OWN = (*_WORDS, IMPORTING, IMPORTED)


@dataclass(frozen=True)
class _Ended:
    """A process of the search, and what it printed."""

    code: int
    lines: Sequence[str]

    @property
    def sizes(self) -> dict[str, list[int]]:
        """The arenas by what came of them."""
        found: dict[str, list[int]] = {word: [] for word in _WORDS}
        for line in self.lines:
            word, _, size = line.partition(" ")
            if word in found and size.isdecimal():
                found[word].append(int(size))
        return found

    @property
    def crashed(self) -> bool:
        return self.code > _SIGNALLED

    @property
    def ended_in_import(self) -> bool:
        return IMPORTING in self.lines and IMPORTED not in self.lines

    def told(self, what: str) -> Sequence[str]:
        """The lines that begin with that word, without it."""
        return [line.partition(" ")[2] for line in self.lines if line.startswith(f"{what} ")]

    @property
    def spelt(self) -> str:
        return spell_end(_SIGNALLED - self.code if self.crashed else self.code)

    @property
    def last_words(self) -> str:
        said = [line for line in self.lines if line.partition(" ")[0] not in _OWN]
        return f": {one_line(said[-1])}" if said else ""


def smallest_arena(
    path: Path, command: Sequence[str] = COMMAND, time_limit: float = TIME_LIMIT
) -> int:
    """Bytes, a multiple of 16.

    Raises UnsupportedError for a file that the interpreter refuses; CompressionError where it
    can't be imported, crashes in a large arena, or does not end within *time_limit* seconds.
    """
    end = time.monotonic() + time_limit
    low, high = 0, 0
    while True:
        ended = _search(path, low, high, command, end, time_limit)
        _check(ended)
        sizes, before = ended.sizes, (low, high)
        untold = sizes[TRYING][-1:] if ended.crashed and high else []
        low = max((low, *sizes[LACKS], *untold))
        high = min((*filter(None, [high]), *sizes[RUNS]), default=0)
        if (low, high) == before or not high:
            raise _crashed(path, ended)
        if high - low <= ALIGNMENT:
            return high


def _search(
    path: Path, low: int, high: int, command: Sequence[str], end: float, time_limit: float
) -> _Ended:
    order = [*command, str(path.absolute()), str(low), str(high)]
    left = max(end - time.monotonic(), 0.001)
    with (
        tempfile.TemporaryDirectory(prefix="arena-", dir=SCRATCH.folder()) as folder,
        (Path(folder) / "printed.txt").open("w+b") as printed,
    ):
        try:
            code = run(order, Path(folder), environment(), printed, left)
        except subprocess.TimeoutExpired as error:
            raise _late(path, time_limit) from error
        printed.seek(0)
        said = printed.read().decode("utf-8", "replace")
    return _Ended(code, [line.strip() for line in said.splitlines() if line.strip()])


def _late(path: Path, time_limit: float) -> CompressionError:
    return CompressionError(
        f"{TITLE} did not find the arena of {path.name} within {spell_time(time_limit)}, and was "
        "stopped",
        "give the model smaller inputs or fewer filters: each arena that is tried takes one "
        "inference",
    )


def _check(ended: _Ended) -> None:
    """Raises what the process has told, or what it could not tell of its package."""
    refused, broken = ended.told(REFUSED), ended.told(BROKEN)
    if refused[1:]:
        raise UnsupportedError(refused[0], refused[1])
    if broken[1:]:
        raise CompressionError(broken[0], broken[1])
    if ended.ended_in_import:
        raise CompressionError(*ends_by_import(ended.spelt, ended.last_words))


def _crashed(path: Path, ended: _Ended) -> CompressionError:
    return CompressionError(
        f"{TITLE} ended the process that looked for the arena of {path.name} ({ended.spelt})"
        f"{ended.last_words}",
        "make the file again, or try another version of tflite-micro: the file is damaged, or the "
        "interpreter has a bug with it",
    )
