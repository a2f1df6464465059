"""The session's side of worker processes, and the errors if they end."""

from __future__ import annotations

import struct
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pytest_edgegate.core.errors import CompressionError, CrashedError, InferenceError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.workers.channel import (
    Answer,
    Channel,
    LateError,
    LostError,
    no_questions,
)
from pytest_edgegate.workers.launcher import THIS_HOST, Launcher
from pytest_edgegate.workers.sent_errors import SentError, caused, error_in, ours
from pytest_edgegate.workers.sent_files import send_files
from pytest_edgegate.workers.wire import (
    ANY_ARRAYS,
    NO_ARRAYS,
    Expected,
    Message,
    UnsendableError,
)

_LACKING = (
    "free memory, open files and processes (ulimit -a shows their limits), or set TMPDIR to a "
    "folder that can be written"
)


class Worker:
    """A process that runs models. If it crashes or hangs, only the call fails."""

    def __init__(self, timeout: float, launcher: Launcher = THIS_HOST) -> None:
        self._timeout = timeout * launcher.slower
        self._shares_files = launcher.shares_files
        with foreign("no process can be started for a runtime", _LACKING, InferenceError):
            self._process = launcher.start()
        process = self._process
        self._channel = Channel(process.reader, process.writer, process.kill)
        # also when a session is dropped without being closed
        self._end = weakref.finalize(self, process.close)

    @property
    def alive(self) -> bool:
        return self._channel.usable and self._process.alive

    def call(
        self,
        command: str,
        what: str,
        arrays: tuple[Array, ...] = (),
        longer: float = 0.0,
        expected: Expected = NO_ARRAYS,
        **fields: Any,
    ) -> Message:
        """The answer to a command. *what* names the file and its runtime, for errors.

        The worker is given up after its timeout plus *longer* seconds, if the work is known.

        Raises the worker's EdgeGateError, or InferenceError if it ended or its arrays are not as
        *expected*.
        """
        answer, sent = self.ask(Message(fields, arrays, command), what, longer, expected)
        if sent is not None:
            raise ours(sent) or _failed(what, sent)
        return answer

    def ask(
        self,
        question: Message,
        what: str,
        longer: float = 0.0,
        expected: Expected = NO_ARRAYS,
        answer: Answer = no_questions,
    ) -> tuple[Message, SentError | None]:
        """As ``call``, but returns the error of the worker, if any, beside its answer; *answer*
        handles the worker's questions."""
        try:
            found = self._channel.call(question, self._timeout + longer, expected, answer)
            return found, error_in(found)
        except LateError as error:
            raise _late(what, error) from error
        except LostError as error:
            raise self._ended(what) from error
        except UnsendableError as error:
            raise _unsendable(what, error) from error
        except (ValueError, struct.error, MemoryError) as error:
            raise _unreadable(what, error) from error

    def placed(self, what: str, path: Path, files: Sequence[Path] = ()) -> str:
        """The worker's path of a file, with the *files* that ship with it."""
        if self._shares_files:
            return str(path)
        return send_files(self.call, what, path, files)

    def close(self) -> None:
        """Ends the process."""
        self._end()

    def _ended(self, what: str) -> CrashedError:
        ending, said = self._process.ending(), self._process.last_words()
        return CrashedError(
            f"{what} ended the process that ran it ({ending}){f': {said}' if said else ''}",
            "make the file again, or try another version of the runtime: the file is damaged, or "
            "the runtime has a bug with it",
        )


def _late(what: str, error: LateError) -> InferenceError:
    return InferenceError(
        f"{what} did not answer within {spell_time(error.seconds)}, and was stopped",
        "make the file again; if it only is slow, ini edge_runtime_timeout = 600 s",
    )


def _unsendable(what: str, error: UnsendableError) -> InferenceError:
    return InferenceError(
        f"{what} runs in a separate process, which can't be sent {error}",
        "give arrays of numbers, or of texts of up to 9,999 characters",
    )


def _unreadable(what: str, error: Exception) -> InferenceError:
    return InferenceError(
        f"{what} gave an answer that can't be read ({type(error).__name__}: {error})",
        "free some memory, and run again: the process of the runtime may have been disturbed",
    )


def _failed(what: str, sent: SentError) -> InferenceError:
    remedy = sent.remedy or "make the file again; another runtime may say more of it"
    error = InferenceError(f"{what} failed: {sent.message}", remedy)
    caused(error, sent)
    return error


class Hired:
    """``ChildProcess``: a worker that holds one object of a backend."""

    def __init__(self, worker: Worker, entry: str, what: str) -> None:
        self._worker = worker
        self._what = what
        try:
            self._ask("hire", entry=entry)
        except BaseException:
            worker.close()  # nobody else knows of it
            raise

    def __enter__(self) -> Hired:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._worker.close()

    def call(
        self, command: str, arrays: tuple[Array, ...] = (), longer: float = 0.0, **fields: Any
    ) -> tuple[Mapping[str, Any], tuple[Array, ...]]:
        answer = self._ask("work", arrays, longer, ANY_ARRAYS, task=command, given=fields)
        return answer.fields["result"], answer.arrays

    def _ask(
        self,
        command: str,
        arrays: tuple[Array, ...] = (),
        longer: float = 0.0,
        expected: Expected = NO_ARRAYS,
        **fields: Any,
    ) -> Message:
        try:
            return self._worker.call(command, self._what, arrays, longer, expected, **fields)
        except InferenceError as error:
            remedy = "the last lines of its log are above; run again with --tb=long for more"
            if not self._worker.alive:
                remedy = "give it more time (ini edge_runtime_timeout = 600 s) or memory"
            raise CompressionError(error.message, remedy) from error


class Workers:
    """Idle workers, kept for the next file; each runs one file at a time."""

    def __init__(self, timeout: float, launcher: Launcher = THIS_HOST) -> None:
        self._timeout = timeout
        self._launcher = launcher
        self._idle: list[Worker] = []
        self._elsewhere: dict[str, Workers] = {}

    def elsewhere(self, name: str, launcher: Callable[[], Launcher]) -> Workers:
        """The workers of another place by its *name*, with the same timeout; they are closed with
        these."""
        if name not in self._elsewhere:
            self._elsewhere[name] = Workers(self._timeout, launcher())
        return self._elsewhere[name]

    def take(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.close()
        return Worker(self._timeout, self._launcher)

    def give_back(self, worker: Worker) -> None:
        if worker.alive:
            self._idle.append(worker)
        else:
            worker.close()

    def fresh(self) -> Worker:
        """A new process, for first inferences."""
        return Worker(self._timeout, self._launcher)

    def hire(self, entry: str, what: str) -> Hired:
        """A new process holding the object that *entry* (``module:attribute``) creates."""
        return Hired(self.fresh(), entry, what)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        for each in self._elsewhere.values():
            each.close()
