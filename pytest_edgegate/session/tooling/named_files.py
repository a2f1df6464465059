"""The files that a command of the user's own names: what it is made of, reads and writes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_edgegate.core.digests import file_digest

_RUNS_FILES = re.compile(
    r"(?:python|pypy|py|sh|bash|dash|ksh|zsh|fish|perl|ruby|lua|php|node|deno|bun|julia|rscript|"
    r"pwsh|powershell|env|nice|sudo|time|timeout|uv)[\d.]*(?:\.exe)?",
    re.IGNORECASE,
)
"""Programs that are given the file of another one, which does the work."""
_NO_SCRIPT = re.compile(r"-[A-Za-z]*[cm]")
"""What follows is code, or the name of a module: the files after that are its arguments."""
_CLOCK_STEP = 2_000_000_000
"""Nanoseconds within which two writes may give a file the same times, on the coarsest systems."""
_Signature = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """The digests of a command's files at one time, by the texts that name them."""

    program: Mapping[str, str | None]
    """The program and the script that it runs; None for one that is not there."""
    others: Mapping[str, str]
    """Those of the other files that are there."""


@dataclass
class NamedFiles:
    """The files of a command: its program, the script that this runs, and those that its other
    arguments name as ``FILE`` or ``--option=FILE``.

    Nothing tells whether another file is read or written. One that is not there before a run, and
    that the run writes, is an output. One that was there and changes meanwhile may be a log, or an
    input that somebody edits: what it was is in the key for the rest of the session, so that each
    question has one, and no answer under it is kept, as it may be that of another content.
    """

    command: Sequence[str]
    root: Path
    _held: dict[str, str | None] = field(default_factory=dict)
    """What those that changed during a run were before: None for what was not there."""
    _kept: dict[Path, tuple[_Signature, str]] = field(default_factory=dict)
    """The digests of files that are the same since: an image of a board takes seconds to read."""

    def at(self, name: str) -> Path:
        """Where the file of that name would be."""
        return self.root / Path(name).expanduser()

    def found(self, program: str) -> str | None:
        """The path of a program, which is named by one or is on PATH."""
        return shutil.which(str(self.at(program)) if is_path(program) else program)

    def program(self) -> Mapping[str, Path | None]:
        """The program and the script that it runs, by the texts that name them."""
        named = self.command[0]
        found = self.found(named)
        files = {named: None if found is None else Path(found)}
        return {**files, **{each: self._argument(each) for each in self._scripts()}}

    def seen(self) -> Seen:
        """Of now; of what they were, for those that have changed during a run."""
        others = {
            name: self._held[name] if name in self._held else self._now(name)
            for name in self._others()
        }
        there = {name: each for name, each in others.items() if each is not None}
        return Seen(self._program_now(), there)

    def signatures(self) -> Mapping[str, _Signature | None]:
        """What changes with each writing of the files beside the program, by their names."""
        return {name: _signature(self._argument(name)) for name in self._others()}

    def changed_program(self, before: Seen) -> tuple[str, ...]:
        """Which of the program and its script are not what they were."""
        now = self._program_now()
        names = dict.fromkeys((*before.program, *now))
        return tuple(each for each in names if now.get(each) != before.program.get(each))

    def unsure(self, before: Seen, started: Mapping[str, _Signature | None]) -> tuple[str, ...]:
        """After a run: the other files that may have been, in the run, not what the key says.

        *before*: what the key has; *started*: the signatures when the run began.
        """
        return tuple(
            name
            for name in self._others()
            if not self._is_as_keyed(name, before.others.get(name), started.get(name))
        )

    def _is_as_keyed(self, name: str, was: str | None, started: _Signature | None) -> bool:
        now = self._now(name)
        if now == was and (name not in self._held or started is None):
            return True
        self._held.setdefault(name, was)
        is_output = was is None and now is not None
        return is_output and _signature(self._argument(name)) != started

    def _scripts(self) -> list[str]:
        """The first argument that is a file, for a program that runs files; with that of a script
        which is such a program itself, as in ``env /usr/bin/python3 bench.py``."""
        scripts, last = [], self.command[0]
        for argument in self.command[1:]:
            if not _RUNS_FILES.fullmatch(Path(last).name) or _NO_SCRIPT.fullmatch(argument):
                break
            if _signature(self._argument(argument)) is not None:
                scripts.append(argument)
                last = argument
        return scripts

    def _others(self) -> list[str]:
        """The texts in the arguments that may name a file, whether or not one is there."""
        scripts = self._scripts()
        texts = [part for each in self.command[1:] for part in (each, each.partition("=")[2])]
        return [each for each in dict.fromkeys(texts) if each and each not in scripts]

    def _argument(self, name: str) -> Path:
        """The file of that name for the command, for which no shell replaces a ``~``."""
        return self.root / name

    def _program_now(self) -> Mapping[str, str | None]:
        files = self.program().items()
        return {name: None if path is None else self._digest(path) for name, path in files}

    def _now(self, name: str) -> str | None:
        return self._digest(self._argument(name))

    def _digest(self, path: Path) -> str | None:
        """None where no file is.

        That of a file which was written a moment ago is not kept, as the next writing may leave
        its times as they are.
        """
        now, signature = time.time_ns(), _signature(path)
        if signature is None:
            return None
        known = self._kept.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        digest = _digest_of(path, signature)
        if now - max(signature[-2:]) > _CLOCK_STEP:
            self._kept[path] = (signature, digest)
        return digest


def is_path(program: str) -> bool:
    """Whether a program is named by its path, and not looked up on PATH."""
    return os.sep in program or bool(os.altsep and os.altsep in program)


def _signature(path: Path) -> _Signature | None:
    """None for what is no regular file; its times come last."""
    try:
        seen = path.stat()
    except (OSError, ValueError):  # ValueError: a text that is no path
        return None
    if not stat.S_ISREG(seen.st_mode):
        return None
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def _digest_of(path: Path, signature: _Signature) -> str:
    """Of its content; of its size and time if it may be run and not read."""
    try:
        return file_digest(path)
    except OSError:
        return " ".join(map(str, signature[2:4]))
