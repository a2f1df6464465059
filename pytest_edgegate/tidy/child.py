"""Starts Python child processes of this package, and describes how they end."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO, ParamSpec, TypeVar, cast

from pytest_edgegate.systems.processes import in_every_fork
from pytest_edgegate.tidy.scratch import SCRATCH

P = ParamSpec("P")
T = TypeVar("T")
_CONFINED = "from pytest_edgegate.tidy.confined import confine; confine({parent})\n"
_ENDING = 10
"""Seconds for a process to exit and to end its own processes."""
_LONGEST_WORD = 200
"""Characters kept of the last line that a process printed."""


class Child:
    """A process with pipes to its stdin and from its stdout; its stderr is kept.

    It ends with this object, and with the session, however that ends. In a fork of the session the
    object has no effect on the process.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        pipes: tuple[BinaryIO, BinaryIO],
        printed: IO[bytes],
    ) -> None:
        self._process = process
        self._printed = printed
        self._owner = os.getpid()
        self.reader, self.writer = pipes
        streams = (self.writer, self.reader, process.stdin, printed)
        # also when a session is dropped without being closed
        self._end = weakref.finalize(self, _end, process, streams, self._owner, self._ends)
        _living.add(self)

    @staticmethod
    def _ends(process: subprocess.Popen[bytes]) -> None:
        """Ends the process, from any thread."""
        process.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._owner == os.getpid() and self._process.poll() is None

    def kill(self) -> None:
        """Ends the process. Its pipes stay open, for a thread that reads from them."""
        if self._owner == os.getpid():
            self._ends(self._process)

    def wait(self) -> int:
        """The exit status, or the negative number of the signal that has ended the process."""
        return self._process.wait()

    def ending(self) -> str:
        """How the process ended: ``SIGSEGV``, ``exit status 3``."""
        return spell_end(self.wait())

    def last_words(self) -> str:
        """The last line that the process printed on stderr, or an empty string."""
        self._printed.seek(0)
        lines = self._printed.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1][:_LONGEST_WORD] if said else ""

    def close(self) -> None:
        """Ends the process and closes the pipes."""
        self._end()


def start_python(code: str) -> Child:
    """Starts a Python that runs *code* with this session's import path.

    Raises OSError if the system can't start another process.
    """
    return start_interpreter([sys.executable], environment(), code)


def start_interpreter(
    command: Sequence[str], variables: Mapping[str, str], code: str, *, before: str = ""
) -> Child:
    """Starts a Python by its *command*, with this environment only, that runs *code*.

    *before*: code that makes this package importable there. Raises OSError if the system can't
    start another process.
    """
    with printed_file() as printed:
        process = in_lasting_thread(_start, command, variables, before, code, printed)
        return Child(process, (cast(BinaryIO, process.stdout), _stdin(process)), printed)


def start_script(path: Path, arguments: Sequence[str], screen: int) -> Child:
    """Starts a script of the standard library alone, whose stdout is the terminal *screen*.

    Its stderr is the pipe that is read from. It has to end when its stdin is closed. Raises OSError
    if the system can't start another process.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(path), *arguments],
        stdin=subprocess.PIPE,
        stdout=screen,
        stderr=subprocess.PIPE,
    )
    nothing = open(os.devnull, "rb")  # noqa: SIM115 - closed with the process
    return Child(process, (cast(BinaryIO, process.stderr), _stdin(process)), nothing)


@contextmanager
def printed_file() -> Iterator[IO[bytes]]:
    """A file for the output of a process; closed here only if the process does not start."""
    printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    try:
        yield printed
    except BaseException:
        printed.close()
        raise


def in_lasting_thread(start: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """The result of *start*, called in the thread that starts every process.

    Linux ends a process with the thread that started it, not with that thread's process: a child of
    a short-lived thread would end with it.
    """
    return _starter().submit(start, *given, **named).result()


@functools.cache
def _starter() -> ThreadPoolExecutor:
    """The thread, which lives as long as the session."""
    return ThreadPoolExecutor(1, "edgegate-workers")


def _start(
    command: Sequence[str],
    variables: Mapping[str, str],
    before: str,
    code: str,
    printed: IO[bytes],
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command, "-P", "-c", before + _CONFINED.format(parent=os.getpid()) + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=printed,
        env=dict(variables),
    )


def environment() -> dict[str, str]:
    """The environment of a child process. Its temporary files are removed with the session,
    because a killed process cannot remove them."""
    found = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": found, **SCRATCH.environment()}


def spell_end(code: int) -> str:
    """The description of an exit status of subprocess."""
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _stdin(process: subprocess.Popen[bytes]) -> BinaryIO:
    return cast(BinaryIO, process.stdin)


def _end(
    process: subprocess.Popen[bytes],
    streams: Sequence[IO[bytes] | BinaryIO | None],
    owner: int,
    ends: Callable[[subprocess.Popen[bytes]], None],
) -> None:
    if os.getpid() != owner:
        return
    ends(process)
    try:
        process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in streams:
        if stream is not None:
            with suppress(OSError):  # unwritten data has no reader any more
                stream.close()


_living: weakref.WeakSet[Child] = weakref.WeakSet()
_of_parents: list[Child] = []
"""Children kept alive in a fork, because dropping one would poll the process."""


def _after_fork() -> None:
    """Resets the state in a fork, which has no other threads and shares its parent's pipes."""
    _of_parents.extend(_living)
    _starter.cache_clear()


in_every_fork(_after_fork)
