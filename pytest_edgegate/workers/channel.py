"""The protocol of a worker over any pair of pipes: questions, answers, and time limits.

The protocol is symmetric. While a side waits for an answer, it answers the other side's questions,
so that calls nest like function calls, and no message is ever out of order.
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
"""Answers a question of the other side."""


class LateError(Exception):
    """The other side did not answer within its limit of ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s")
        self.seconds = seconds


class LostError(Exception):
    """The other side has closed its pipe."""


def no_questions(question: Message) -> Message:
    """The answer function of a side that expects no questions."""
    raise InferenceError(
        f"a worker sent the unexpected question {question.command[:40]!r}",
        _SAME_VERSION,
    )


class Channel:
    """One end of a channel.

    *give_up* ends the other side, so that its pipe is closed: it is called from another thread
    after a time limit, and when the order of messages is lost. *questions* limits the arrays in a
    question of the other side.
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
        """Whether messages are still in order."""

    def call(
        self,
        question: Message,
        limit: float | None = None,
        expected: Expected = NO_ARRAYS,
        answer: Answer = no_questions,
    ) -> Message:
        """The answer to a question; *answer* handles questions that arrive before it.

        *limit*: the timeout of the other side in seconds. Raises LateError, LostError, WireError,
        MemoryError, and any exception of *answer* that is not an Exception. After an
        UnsendableError the channel is as usable as before.
        """
        with self._in_order():
            received = self._exchange(question, limit, expected)
            while received.command:
                received = self._exchange(answered(received, answer), limit, expected)
            return received

    def serve(self, answer: Answer) -> None:
        """Answers questions until the other side closes the channel or breaks the protocol."""
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
        """Sends a message; an answer that can't be sent becomes an error for the receiver."""
        try:
            send(self._writer, message)
        except UnsendableError as error:
            if message.command:
                raise
            send(self._writer, refusal(error))

    @contextmanager
    def _in_order(self) -> Iterator[None]:
        """Gives up the channel if an exchange is interrupted (also by a signal), because messages
        left in the pipe would be mistaken for the next answer."""
        try:
            yield
        except (LateError, LostError):
            raise  # it has ended, and the caller reports how
        except UnsendableError:
            raise  # only a question raises it, and nothing of that was written
        except BaseException:
            self.usable = False
            self._give_up()
            raise


@contextmanager
def _called_off(end: Callable[[], None], limit: float | None) -> Iterator[None]:
    """Calls *end* unless the block finishes within *limit* seconds."""
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
    """The answer to a question, which may be an error."""
    try:
        return answer(question)
    except Exception as error:  # noqa: BLE001 - a runtime may raise anything; it is sent
        return refusal(error)
