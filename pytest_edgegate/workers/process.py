"""The session's side: a worker process, and what its end means."""

from __future__ import annotations

import functools
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import IO, Any

from pytest_edgegate.core import errors
from pytest_edgegate.core.errors import CompressionError, EdgeGateError, InferenceError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.tidy.scratch import SCRATCH
from pytest_edgegate.workers.wire import Message, receive, send

_MAIN = "from pytest_edgegate.workers.serve import main; main({parent})"

_LACKING = (
    "free memory, open files and processes (ulimit -a shows their limits), or set TMPDIR to a "
    "folder that can be written"
)


class Worker:
    """A process that runs models. One that has died or hangs is an error of the call, no more."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        with foreign("no process can be started for a runtime", _LACKING, InferenceError):
            self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            try:
                self._process = _starter().submit(_start, self._stderr).result()
            except BaseException:
                self._stderr.close()
                raise
        self._hung = self._out_of_step = False
        self._waited = timeout
        # also when a session is dropped without being closed
        self._end = weakref.finalize(self, _end, self._process, self._stderr)

    @property
    def alive(self) -> bool:
        return not self._hung and not self._out_of_step and self._process.poll() is None

    def call(
        self, command: str, what: str, arrays: tuple[Array, ...] = (), longer: float = 0.0,
        **fields: Any,
    ) -> Message:  # fmt: skip
        """The answer. *what* names the file and its runtime, for errors.

        The worker is given up after its timeout, and *longer* seconds where the work is known.

        Raises the EdgeGateError that the worker ran into, or InferenceError where it ended.
        """
        self._waited = self._timeout + longer
        watchdog = threading.Timer(self._waited, self._give_up)
        watchdog.daemon = True  # an interrupt while it starts must not keep this process waiting
        try:
            watchdog.start()
            answer = self._exchange(Message({"command": command, **fields}, arrays))
        except (EOFError, OSError) as error:
            raise self._ended(what) from error
        except (ValueError, struct.error, MemoryError) as error:
            raise self._unreadable(what, error) from error
        finally:
            watchdog.cancel()
        if "error" in answer.fields:
            raise _error(what, *answer.fields["error"])
        return answer

    def _exchange(self, question: Message) -> Message:
        """A question and its answer. What breaks in between (also a signal's exception, or an
        interrupt) leaves the answer in the pipe, where the next call would take it for its own."""
        assert self._process.stdin is not None  # both are pipes
        assert self._process.stdout is not None
        try:
            send(self._process.stdin, question)  # type: ignore[arg-type]
            return receive(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError):
            raise  # it has ended by itself, and says how
        except BaseException:
            self._out_of_step = True
            self._process.kill()
            raise

    def close(self) -> None:
        """Ends the process; what it holds is gone."""
        self._end()

    def _give_up(self) -> None:
        self._hung = True
        self._process.kill()

    def _ended(self, what: str) -> InferenceError:
        if self._hung:
            return InferenceError(
                f"{what} did not answer within {spell_time(self._waited)}, and was stopped",
                "make the file again; if it only is slow, ini edge_runtime_timeout = 600 s",
            )
        code = self._process.wait()
        return InferenceError(
            f"{what} ended the process that ran it ({_spell_end(code)}){self._last_words()}",
            "make the file again, or try another version of the runtime: the file is damaged, or "
            "the runtime has a bug with it",
        )

    def _unreadable(self, what: str, error: Exception) -> InferenceError:
        return InferenceError(
            f"{what} gave an answer that can't be read ({type(error).__name__}: {error})",
            "free some memory; where that is no matter, the process of the runtime was disturbed: "
            "run again",
        )

    def _last_words(self) -> str:
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1][:200]}" if said else ""


@functools.cache
def _starter() -> ThreadPoolExecutor:
    """The thread that starts every worker, and lives as long as the session.

    Linux ends a worker with the thread that has started it, not with the process: one that is
    started in a short-lived thread would not outlive that.
    """
    return ThreadPoolExecutor(1, "edgegate-workers")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_starter.cache_clear)  # a fork has no other threads


def _start(stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _MAIN.format(parent=os.getpid())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
        env={
            **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            # it is killed, so that it removes nothing itself
            **SCRATCH.environment(),
        },
    )  # fmt: skip


def _end(process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, stderr):
        if stream is not None:
            with suppress(OSError):  # what was left to be written has no reader
                stream.close()


def _spell_end(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _error(what: str, kind: str, message: str, remedy: str) -> EdgeGateError:
    """The worker's error, as the class that it had there."""
    found = getattr(errors, kind, None) if kind else None
    if found is None:
        return InferenceError(
            f"{what} failed: {message}", "make the file again; another runtime may say more of it"
        )
    error: EdgeGateError = found.__new__(found)
    EdgeGateError.__init__(error, message, remedy)
    return error


class Hired:
    """``ChildProcess``: a worker that holds one object of a backend."""

    def __init__(self, worker: Worker, entry: str, what: str) -> None:
        self._worker = worker
        self._what = what
        self._ask("hire", entry=entry)

    def __enter__(self) -> Hired:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        self._worker.close()

    def call(
        self, command: str, arrays: tuple[Array, ...] = (), longer: float = 0.0, **fields: Any
    ) -> tuple[Mapping[str, Any], tuple[Array, ...]]:
        answer = self._ask("work", arrays, longer, task=command, given=fields)
        return answer.fields["result"], answer.arrays

    def _ask(
        self, command: str, arrays: tuple[Array, ...] = (), longer: float = 0.0, **fields: Any
    ) -> Message:
        try:
            return self._worker.call(command, self._what, arrays, longer, **fields)
        except InferenceError as error:
            remedy = "the last lines of its log are above; run again with --tb=long for more"
            if not self._worker.alive:
                remedy = "give it more time (ini edge_runtime_timeout = 600 s) or memory"
            raise CompressionError(error.message, remedy) from error


class Workers:
    """Idle workers, kept for the next file; each runs one file at a time."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._idle: list[Worker] = []

    def take(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.close()
        return Worker(self._timeout)

    def give_back(self, worker: Worker) -> None:
        if worker.alive:
            self._idle.append(worker)
        else:
            worker.close()

    def fresh(self) -> Worker:
        """A new process, for what depends on being the first."""
        return Worker(self._timeout)

    def hire(self, entry: str, what: str) -> Hired:
        """A new process that holds what *entry* (``module:attribute``) makes."""
        return Hired(self.fresh(), entry, what)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
