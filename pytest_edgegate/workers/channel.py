"""The protocol of a worker over any pair of pipes: questions, answers, and time limits.

Both sides are alike. While one waits for an answer it answers the questions that the other has to
get there, so that calls nest as those of functions do, and no message is ever out of order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.workers.sent_errors import refusal
from pytest_edgegate.workers.wire import (
    NO_ARRAYS,
    Expected,
    Message,
    UnsendableError,
    WireError,
    receive,
    send,
)

_SAME_VERSION = "use the same version of pytest-edgegate on both sides"
Answer = Callable[[Message], Message]
"""What a side has to say to a question of the other."""


class LateError(Exception):
    """The other side was silent for longer than it may be. ``seconds`` is how long that is."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


class LostError(Exception):
    """The other side has gone: its pipe is closed."""


def no_questions(question: Message) -> Message:
    """For a side that is never asked anything."""
    raise InferenceError(
        f"a worker asks for {question.command[:40]!r}, which nobody has asked it to do",
        _SAME_VERSION,
    )


class Channel:
    """One end. *give_up* ends the other side, so that its pipe is closed: it is called from
    another thread when a time limit has passed, and where the order of messages is lost.

    *questions* is what a question of the other side may bring.
    """

    def __init__(
        self,
        reader: BinaryIO,
        writer: BinaryIO,
        give_up: Callable[[], None] = lambda: None,
        questions: Expected = NO_ARRAYS,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._give_up = give_up
        self._questions = questions
        self.usable = True
        """Whether the next message is what it should be."""

    def call(
        self,
        question: Message,
        limit: float | None = None,
        expected: Expected = NO_ARRAYS,
        answer: Answer = no_questions,
    ) -> Message:
        """The answer to a question; *answer* is what is said to those that come before it.

        *limit*: seconds that the other side may be silent. Raises LateError, LostError, WireError,
        MemoryError, and whatever *answer* raises that is no Exception.
        """
        with self._in_order():
            received = self._exchange(question, limit, expected)
            while received.command:
                received = self._exchange(answered(received, answer), limit, expected)
            return received

    def serve(self, answer: Answer) -> None:
        """Answers question by question, until the other side has gone or breaks the rules."""
        try:
            while True:
                question = receive(self._reader, NO_ARRAYS, self._questions)
                self._say(answered(question, answer))
        except WireError as error:
            with suppress(BrokenPipeError):
                reason = f"a question came that is not allowed: {error}"
                send(self._writer, refusal(InferenceError(reason, _SAME_VERSION)))
        except (EOFError, BrokenPipeError):
            return

    def _exchange(self, message: Message, limit: float | None, expected: Expected) -> Message:
        """Sends a message and waits for the next one."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self._give_up()

        try:
            with _called_off(end, limit):
                self._say(message)
                return receive(self._reader, expected, self._questions)
        except (EOFError, OSError) as error:
            self.usable = False
            if late.is_set():
                raise LateError(limit or 0.0) from error
            raise LostError from error

    def _say(self, message: Message) -> None:
        """An answer that can't be sent is an error for who waits for it."""
        try:
            send(self._writer, message)
        except UnsendableError as error:
            if message.command:
                raise
            send(self._writer, refusal(error))

    @contextmanager
    def _in_order(self) -> Iterator[None]:
        """What breaks in between (also a signal's exception, or an interrupt) leaves messages in
        the pipe, which the next call would take for its own."""
        try:
            yield
        except (LateError, LostError):
            raise  # it has ended, and says how
        except BaseException:
            self.usable = False
            self._give_up()
            raise


@contextmanager
def _called_off(end: Callable[[], None], limit: float | None) -> Iterator[None]:
    """Calls *end* unless the block is left within *limit* seconds."""
    if limit is None:
        yield
        return
    watchdog = threading.Timer(limit, end)
    watchdog.daemon = True  # an interrupt while it starts must not keep this process waiting
    try:
        watchdog.start()
        yield
    finally:
        watchdog.cancel()


def answered(question: Message, answer: Answer) -> Message:
    """The answer to a question; what goes wrong is one, too."""
    try:
        return answer(question)
    except Exception as error:  # noqa: BLE001 - what a runtime of others raises is told
        return refusal(error)
