"""Questions and answers over pipes whose other end is a thread."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np
import pytest

from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.workers.channel import Channel, LateError, LostError
from pytest_edgegate.workers.sent_errors import error_in
from pytest_edgegate.workers.wire import (
    ANY_ARRAYS,
    Expected,
    Message,
    UnsendableError,
    WireError,
    receive,
    send,
)

Pipes = tuple[BinaryIO, BinaryIO]


class Pair:
    """Two ends of a pair of pipes, each with its reader and its writer."""

    def __init__(self) -> None:
        to_there, to_here = os.pipe(), os.pipe()
        self.here = os.fdopen(to_here[0], "rb"), os.fdopen(to_there[1], "wb")
        self.there = os.fdopen(to_there[0], "rb"), os.fdopen(to_here[1], "wb")
        self.threads: list[threading.Thread] = []

    def run(self, work: Callable[[BinaryIO, BinaryIO], object]) -> None:
        """Does the *work* of the other end, which then is closed."""

        def other() -> None:
            work(*self.there)
            close(self.there)

        self.threads.append(threading.Thread(target=other, daemon=True))
        self.threads[-1].start()

    def close(self) -> None:
        close(self.here)
        for each in self.threads:
            each.join()
        close(self.there)


def close(ends: Pipes) -> None:
    for each in ends:
        with suppress(BrokenPipeError):
            each.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def serving(answer: Callable[[Message], Message]) -> Callable[[BinaryIO, BinaryIO], object]:
    return lambda reader, writer: Channel(reader, writer, questions=ANY_ARRAYS).serve(answer)


def test_questions_are_answered_one_by_one(pair: Pair) -> None:
    pair.run(serving(lambda asked: Message({"was": asked.command}, asked.arrays)))
    channel = Channel(*pair.here)
    for at in range(3):
        answer = channel.call(Message({}, (np.arange(at),), f"do-{at}"), expected=Expected(1, 100))
        assert answer.fields["was"] == f"do-{at}"
        assert answer.arrays[0].tolist() == [*range(at)]


def test_what_is_asked_back_is_answered_in_between(pair: Pair) -> None:
    """Three deep: a call, what it asks for, and what that needs from the other side again."""

    def work(reader: BinaryIO, writer: BinaryIO) -> None:
        there = Channel(reader, writer, questions=ANY_ARRAYS)

        def answer(asked: Message) -> Message:
            if asked.command == "inner":
                return Message({"text": "c"})
            got = there.call(Message({}, (), "data"), None, Expected(1, 100), answer)
            return Message({"text": f"a{got.fields['text']}", "sum": int(got.arrays[0].sum())})

        there.serve(answer)

    channel = Channel(*pair.here)

    def answer(asked: Message) -> Message:
        assert asked.command == "data"
        inner = channel.call(Message({}, (), "inner"), None)
        return Message({"text": f"b{inner.fields['text']}"}, (np.arange(4),))

    pair.run(work)
    found = channel.call(Message({}, (), "outer"), 60, answer=answer)
    assert dict(found.fields) == {"text": "abc", "sum": 6}


def test_an_error_of_an_answer_is_one(pair: Pair) -> None:
    def answer(asked: Message) -> Message:
        if asked.command == "refuse":
            raise UnsupportedError("no", "write another")
        raise ValueError("out of range")

    pair.run(serving(answer))
    channel = Channel(*pair.here)
    refused = channel.call(Message({}, (), "refuse"))
    told = error_in(refused)
    assert told is not None
    assert (told.kind, told.message, told.remedy) == ("UnsupportedError", "no", "write another")
    other = error_in(channel.call(Message({}, (), "fail")))
    assert other is not None
    assert (other.kind, other.message) == ("", "ValueError: out of range")


def test_an_answer_that_cannot_be_sent_is_an_error_of_the_call(pair: Pair) -> None:
    pair.run(serving(lambda asked: Message({}, (np.array([None]),))))
    channel = Channel(*pair.here)
    for _ in range(2):
        found = channel.call(Message({}, (), "x"), expected=Expected(0, 0))
        assert "dtype |O, which is not sent" in found.fields["error"]["message"]


def test_a_question_that_is_not_allowed_gets_an_error_of_ours(pair: Pair) -> None:
    pair.run(serving(lambda asked: Message({})))
    pair.here[1].write(struct.pack("<Q", 1 << 40))
    pair.here[1].flush()
    error = receive(pair.here[0]).fields["error"]
    assert error["kind"] == "InferenceError"
    assert "header of 1,099,511,627,776 bytes" in error["message"]
    with pytest.raises(EOFError):
        receive(pair.here[0])


@pytest.mark.parametrize("sizes", [[3], [1, 1], []])
def test_a_peer_that_gives_other_arrays_is_given_up(pair: Pair, sizes: list[int]) -> None:
    given_up = threading.Event()
    pair.run(serving(lambda asked: Message({}, tuple(map(np.ones, sizes)))))
    channel = Channel(*pair.here, given_up.set)
    with pytest.raises(WireError, match="expected"):
        channel.call(Message({}, (), "x"), expected=Expected(1, 8))
    assert given_up.is_set()
    assert not channel.usable


def test_a_peer_that_asks_what_nobody_answers_is_told(pair: Pair) -> None:
    told: list[Message] = []

    def work(reader: BinaryIO, writer: BinaryIO) -> None:
        receive(reader)
        there = Channel(reader, writer)
        told.append(there.call(Message({}, (), "secrets")))
        send(writer, Message({}))

    pair.run(work)
    Channel(*pair.here).call(Message({}, (), "x"))
    error = told[0].fields["error"]
    assert error["kind"] == "InferenceError"
    assert "'secrets'" in error["message"]


def test_a_silent_peer_is_late_and_is_given_up(pair: Pair) -> None:
    silent = threading.Event()
    pair.run(lambda reader, writer: silent.wait())
    channel = Channel(*pair.here, silent.set)
    with pytest.raises(LateError) as raised:
        channel.call(Message({}, (), "x"), 0.05)
    assert raised.value.seconds == 0.05
    assert not channel.usable


def test_time_that_an_answer_of_ours_takes_is_not_the_peers(pair: Pair) -> None:
    """The limit is for its silence: it starts anew with every message."""
    given_up = threading.Event()

    def work(reader: BinaryIO, writer: BinaryIO) -> None:
        there = Channel(reader, writer)
        there.serve(lambda asked: there.call(Message({}, (), "data")))

    def slow(asked: Message) -> Message:
        assert not given_up.wait(1.0), "the watchdog runs while this side works"
        return Message({})

    pair.run(work)
    channel = Channel(*pair.here, given_up.set)
    channel.call(Message({}, (), "x"), 0.5, answer=slow)
    assert channel.usable


def test_a_peer_that_has_gone_is_lost(pair: Pair) -> None:
    pair.run(lambda reader, writer: None)
    pair.threads[0].join()
    with pytest.raises(LostError):
        Channel(*pair.here).call(Message({}, (), "x"), 60)


def test_a_question_that_cannot_be_sent_is_not(pair: Pair) -> None:
    """Nothing of it was written, so the peer is as well as before."""
    given_up = threading.Event()
    pair.run(serving(lambda asked: Message({"was": asked.command})))
    channel = Channel(*pair.here, given_up.set)
    with pytest.raises(UnsendableError, match="dtype"):
        channel.call(Message({}, (np.array([object()]),), "x"), 60)
    assert channel.usable
    assert not given_up.is_set()
    assert channel.call(Message({}, (), "y"), 60).fields["was"] == "y"
