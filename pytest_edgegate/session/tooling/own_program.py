"""Tools of the user's own: a command that is given a file and prints figures of it as JSON."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.digests import text_digest
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.printable import printable
from pytest_edgegate.core.progress import Progress, silent
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Compiled, Figure, FigureOrAbsent
from pytest_edgegate.reading.copies import PrivateCopy
from pytest_edgegate.session.tooling.named_files import NamedFiles, Seen, is_path
from pytest_edgegate.session.tooling.printed_figures import (
    PRINT,
    SAID,
    Printed,
    figure,
    is_told,
    object_at_end,
)
from pytest_edgegate.systems.files import user_name
from pytest_edgegate.tidy.alone import acquire
from pytest_edgegate.tidy.child import spell_end
from pytest_edgegate.tidy.programs import PrintedTooMuchError, run
from pytest_edgegate.tidy.scratch import SCRATCH

_MODEL = "{model}"
_MOST_PRINTED = 4_000_000
"""Bytes after which a program is ended: its figures are the last of them."""
_ASKING = 60.0
"""Seconds for the command that prints its version."""
_SIGNALLED = 128
"""A shell and the supervisor report a signal as an exit status above this."""
_NOT_STARTED = "can't be started: Exec format error"
_TOLD_BY_OPTIONS = "as its options say"


@dataclass(frozen=True)
class _Call:
    """A command to run, and what is said where that fails."""

    who: str
    command: tuple[str, ...]
    seconds: float
    remedy: str
    longer: str
    """The remedy where it takes too long."""


class OwnProgram:
    """A command of a target, which is run where pytest was started and may do what that may.

    ``{model}`` among its arguments becomes the absolute path of a copy of the file, which has the
    name of the file and lies beside copies of those that belong to it; without it the path is the
    last argument. Its output ends with a JSON object: figures by metric, as numbers in the
    metric's unit (bytes, seconds, a ratio from 0 to 1) or as texts like those of budgets.
    """

    def __init__(self, name: str, target: Target, root: Path, progress: Progress = silent) -> None:
        self._name, self._root, self._progress = name, root, progress
        self._program = target.programs[name]
        self._who = f"{name} of the target {target.name}"
        self.metrics = tuple(metric for metric, tool in target.tools.items() if tool == name)
        self.formats = target.formats
        self._told: str | CompressionError | None = None
        self._files = NamedFiles(self._program.command, root)
        self._keyed: Seen | None = None
        """What the last key says of its files."""

    @property
    def remedy(self) -> str:
        program = self._program.command[0]
        at = self._files.at(program)
        if is_path(program) and at.is_file():
            return f"make it executable: chmod +x {shlex.quote(program)}"
        if is_path(program) and at.is_dir():
            return f"write the path of a program in the command of {self._who}: that is a folder"
        if at.is_file():
            return f"write ./{program} in the command of {self._who}: PATH has no {program}"
        return (
            f"put {program} on PATH, or write the path of the program in the command of {self._who}"
        )

    @property
    def lock(self) -> Path:
        """The file whose lock one run of the program has at a time: by the names of the program
        and of its script, as two checkouts may have the same board. Other files that its command
        names may be there in one run and not in the other."""
        names = [each.name for each in self._files.program().values() if each is not None]
        digest = text_digest("\n".join(names))[:16]
        return Path(tempfile.gettempdir()) / f"edgegate-tool-{user_name()}-{digest}.lock"

    def version(self) -> str | None:
        """None without its program. What tells its versions apart is among its options: a failure
        to say that is one of its figures, and the program may change while a session runs."""
        return None if self._files.found(self._program.command[0]) is None else _TOLD_BY_OPTIONS

    def options(self, target: Target) -> Mapping[str, object]:
        """Its command, and what may change its figures: what it prints as its version, the program
        and the files that its arguments name."""
        self._keyed = self._files.seen()
        told = self._told_version()
        return {
            "command": list(self._program.command),
            "version": list(self._program.version),
            "told": told if isinstance(told, str) else None,
            "program": dict(self._keyed.program),
            "files": dict(self._keyed.others),
            "metrics": sorted(self.metrics),
        }

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        return self.ask(path, (path,))

    def ask(self, main: Path, files: Sequence[Path]) -> Compiled:
        """Runs it on copies of the *files* of an artifact, of which a runtime opens *main*.

        Raises CompressionError for a failure, and StorageError.
        """
        told = self._told_version()
        if isinstance(told, CompressionError):
            raise told
        keyed = self._files.seen() if self._keyed is None else self._keyed
        with self._alone():
            started = self._files.signatures()
            try:
                printed = self._on_copies(main, files)
            finally:  # a run that fails changes them, too
                unsure = self._files.unsure(keyed, started)
        changed = self._files.changed_program(keyed)
        if changed:
            raise self._failed(
                f"has changed while it was asked: {_listed(changed)}",
                remedy="run again when nothing writes to it",
            )
        if not printed.out.strip():
            raise self._failed("printed nothing on stdout", printed, PRINT)
        found = object_at_end(printed.out)
        if found is None:
            raise self._failed("printed no JSON object at its end", printed, PRINT)
        figures = {metric: figure(metric, found, self._name) for metric in self.metrics}
        sound = all(
            isinstance(each, Figure) or not is_told(found, metric)
            for metric, each in figures.items()
        )
        return Compiled((), _remarked(figures, unsure), settled=sound and not unsure)

    def _on_copies(self, main: Path, files: Sequence[Path]) -> Printed:
        folder = SCRATCH.subfolder("tool")
        try:
            others = [each for each in files if each != main]
            copy = PrivateCopy(main, (main, *others), lambda _: folder)
            command = [part.replace(_MODEL, str(copy.path)) for part in self._program.command]
            if command == list(self._program.command):
                command.append(str(copy.path))
            printed = self._run(command, self._measuring)
            if not copy.is_same():
                raise self._failed(
                    "changed the file that it was given, so its figures may be those of another",
                    remedy="have it leave that file as it is, or work on a copy of its own",
                )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return printed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two runs at a time on one board would lengthen each other's times."""
        if not any(kind_of(metric).rule == "latency" for metric in self.metrics):
            yield
            return
        from filelock import FileLock

        lock = FileLock(self.lock)
        acquire(lock, self._name, f"another run of {self._name}", self._progress)
        try:
            yield
        finally:
            lock.release()

    @property
    def _measuring(self) -> _Call:
        command = self._program.command
        return _Call(
            self._who,
            command,
            float(self._program.seconds),
            f"run it by hand: {_typed(command)}",
            "make it quicker, or give it more time: seconds = 1800",
        )

    @property
    def _asking(self) -> _Call:
        typed, table = _typed(self._program.version), f"tool.{self._name}"
        return _Call(
            f"{typed}, which tells the version of {self._who},",
            self._program.version,
            _ASKING,
            f"run it by hand: {typed}; or take version out of {table}",
            f"have it answer within {_ASKING:g} s, or take version out of {table}",
        )

    def _told_version(self) -> str | CompressionError:
        """The first line that it prints as its version, with the digest of all that it prints."""
        if self._told is None:
            try:
                self._told = self._asked_version() if self._program.version else ""
            except CompressionError as error:
                self._told = error
        return self._told

    def _asked_version(self) -> str:
        call = self._asking
        program = call.command[0]
        if self._files.found(program) is None:
            raise self._failed(
                "can't be run",
                remedy=f"put {program} on PATH, or take version out of tool.{self._name}",
                call=call,
            )
        printed = self._run(call.command, call)
        text = printed.out if printed.out.strip() else printed.errors
        if not text.strip():
            raise self._failed("printed no version", call=call)
        first = text.strip().splitlines()[0]
        return f"{printable(first)[:SAID]} {text_digest(text)}"

    def _run(self, command: Sequence[str], call: _Call) -> Printed:
        """What it printed. Raises CompressionError for a failure."""
        program = self._files.found(command[0]) or command[0]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            try:
                code = run(
                    [program, *command[1:]],
                    self._root,
                    os.environ,
                    out,
                    call.seconds,
                    errors=errors,
                    most_printed=_MOST_PRINTED,
                )
            except subprocess.TimeoutExpired:
                told = f"did not end within {call.seconds:g} s"
                printed = Printed.read(out, errors)
                raise self._failed(told, printed, call.longer, call) from None
            except PrintedTooMuchError:
                told = f"printed more than {_MOST_PRINTED / 1e6:g} MB, and was ended"
                remedy = "have it write its log into a file, and print its figures"
                raise self._failed(told, remedy=remedy, call=call) from None
            printed = Printed.read(out, errors)
        if code:
            formless = printed.out.rstrip().endswith(_NOT_STARTED)
            remedy = "begin it with the line of its interpreter: #!/bin/sh" if formless else ""
            raise self._failed(_spell(code), printed, remedy, call)
        return printed

    def _failed(
        self, what: str, printed: Printed | None = None, remedy: str = "", call: _Call | None = None
    ) -> CompressionError:
        printed, call = printed or Printed(""), call or self._measuring
        said = f": {printed.last_words}" if printed.last_words else ""
        error = CompressionError(f"{call.who} {what}{said}", remedy or call.remedy)
        error.__cause__ = printed.whole(self._name)
        return error


def _typed(command: Sequence[str]) -> str:
    """As it would be typed, but for the place of the file."""
    typed = " ".join(each if _MODEL in each else shlex.quote(each) for each in command)
    return printable(typed)[:SAID]


def _listed(names: Sequence[str]) -> str:
    return printable(", ".join(names))[:SAID]


def _remarked(
    figures: Mapping[str, FigureOrAbsent], unsure: Sequence[str]
) -> dict[str, FigureOrAbsent]:
    """The figures, which say that they are not kept where a file of the command has changed."""
    remark = f"{_listed(unsure)} changed in this run, so the next one asks again" if unsure else ""
    return {
        metric: replace(each, remark=remark) if isinstance(each, Figure) else each
        for metric, each in figures.items()
    }


def _spell(code: int) -> str:
    signal = spell_end(_SIGNALLED - code) if code > _SIGNALLED else ""
    if signal.startswith("SIG"):
        return f"was ended by {signal} (exit status {code})"
    return f"ended with exit status {code}"
