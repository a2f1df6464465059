"""Tools of the user's own: a command that is given a file and prints figures of it as JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import CompressionError, ConfigurationError
from pytest_edgegate.core.printable import printable
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure, FigureOrAbsent
from pytest_edgegate.settings.units import budget
from pytest_edgegate.tidy.programs import run

_MODEL = "{model}"
_MOST_PRINTED = 1_000_000
"""Bytes at the end of its output that are read."""
_SAID = 300
_ASKING = 60.0
"""Seconds for the command that prints its version."""


class OwnProgram:
    """A command of a target, which is run where pytest was started and may do what that may.

    ``{model}`` among its arguments becomes the absolute path of the file; without it the path is
    the last argument. Its output ends with a JSON object: figures by metric, as numbers in the
    metric's unit (bytes, seconds, a ratio from 0 to 1) or as texts like those of budgets.
    """

    def __init__(self, name: str, target: Target, root: Path) -> None:
        self._name, self._target, self._root = name, target, root
        self._program = target.programs[name]
        self.metrics = tuple(metric for metric, tool in target.tools.items() if tool == name)
        self.formats = target.formats
        self.remedy = (
            f"put {self._program.command[0]} on PATH, or write the path of the program in the "
            f"command of tool.{name} of the target {target.name}"
        )

    def version(self) -> str | None:
        """What it prints as its version, with the digests of the files that its arguments name;
        None without its program. Raises CompressionError if the command fails."""
        program = self._found()
        if program is None:
            return None
        files = [Path(program), *map(self._root.joinpath, self._program.command[1:])]
        digests = "+".join(file_digest(each.resolve())[:16] for each in files if each.is_file())
        if not self._program.version:
            return digests
        printed = self._run(self._program.version, _ASKING)
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        if not lines:
            raise self._failed("printed no version", printed)
        return f"{printable(lines[0])[:_SAID]} {digests}"

    def options(self, target: Target) -> Mapping[str, object]:
        return {"command": list(self._program.command), "version": list(self._program.version)}

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        before = file_digest(path)
        given = [part.replace(_MODEL, str(path)) for part in self._program.command]
        if given == list(self._program.command):
            given.append(str(path))
        printed = self._run(given, float(self._program.seconds))
        if not path.is_file() or file_digest(path) != before:
            raise self._failed("changed the file that it was given", "")
        told = self._object(printed)
        return Compiled((), {metric: self._figure(metric, told) for metric in self.metrics})

    def _found(self) -> str | None:
        program = self._program.command[0]
        apart = os.sep in program or bool(os.altsep and os.altsep in program)
        return shutil.which(str(self._root / Path(program).expanduser()) if apart else program)

    def _run(self, command: Sequence[str], seconds: float) -> str:
        """The end of its output. Raises CompressionError for a failure."""
        program = self._found() if command[0] == self._program.command[0] else command[0]
        with tempfile.TemporaryFile() as printed:
            try:
                code = run(
                    [program or command[0], *command[1:]],
                    self._root,
                    os.environ,
                    printed,
                    seconds,
                )
            except subprocess.TimeoutExpired:
                raise self._failed(
                    f"did not end within {seconds:g} s", _end_of(printed), _LONGER
                ) from None
            text = _end_of(printed)
        if code:
            raise self._failed(f"ended with exit status {code}", text)
        return text

    def _object(self, printed: str) -> Mapping[str, Any]:
        """The JSON object that its output ends with."""
        if not printed.strip():
            raise self._failed("printed nothing", "", _PRINT)
        lines = printed.strip().splitlines()
        starts = [at for at, line in enumerate(lines) if line.startswith("{")]
        try:
            found = json.loads("\n".join(lines[starts[-1] :])) if starts else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._failed("printed no JSON object at its end", printed, _PRINT)
        return found

    def _figure(self, metric: str, told: Mapping[str, Any]) -> FigureOrAbsent:
        if metric not in told:
            others = ", ".join(printable(str(each)) for each in list(told)[:10]) or "nothing"
            return Absent(
                f"{self._name} printed no {metric}, but {others}"[:_SAID],
                f"have it print {metric}, or name another tool for it",
            )
        value, seconds = told[metric], kind_of(metric).unit == "s"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        try:
            read = budget(metric, f"{value!r} s" if number and seconds else value, self._name)
        except (ConfigurationError, ValueError) as error:
            message = error.message if isinstance(error, ConfigurationError) else str(error)
            raise self._failed(f"printed a {metric} that is none: {message}", "", _PRINT) from error
        return Figure(read.limit, f"tool:{self._name}")

    def _failed(self, what: str, printed: str, remedy: str = "") -> CompressionError:
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        said = f": {printable(lines[-1])[:_SAID]}" if lines else ""
        error = CompressionError(
            f"{self._name} of the target {self._target.name} {what}{said}",
            remedy or f"run it by hand: {' '.join(self._program.command)[:_SAID]}",
        )
        if printed.strip():
            error.__cause__ = RuntimeError(f"{self._name} printed:\n{printed[-20_000:]}")
        return error


_PRINT = (
    'have it print its figures last, in bytes, seconds or ratios: {"memory": 43000, '
    '"latency_p50": 0.004}'
)
_LONGER = "make it quicker, or give it more time: seconds = 1800"


def _end_of(printed: Any) -> str:
    length = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, length - _MOST_PRINTED))
    return str(printed.read().decode("utf-8", "replace"))
