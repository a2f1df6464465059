"""Errors between processes, as they are sent and raised again."""

from __future__ import annotations

import pytest

from pytest_edgegate.core.errors import EdgeGateError, InferenceError
from pytest_edgegate.workers.sent_errors import Marked, SentError, error_in, ours, refusal
from pytest_edgegate.workers.wire import Message


def fails(error: Exception) -> Marked:
    """The errors of a side that raised this one while it answered."""

    def answer(asked: Message) -> Message:
        raise error

    marked = Marked()
    with pytest.raises(type(error)):
        marked.noting(answer)(Message({}))
    return marked


@pytest.mark.parametrize(("mark", "known"), [(0, True), (1, False), (-1, False), (None, False)])
def test_an_error_is_found_by_its_own_number_only(mark: int | None, known: bool) -> None:
    error = ValueError("lost")
    assert (fails(error).find(SentError("", "x", mark=mark)) is error) is known


def test_an_error_that_came_back_is_found() -> None:
    error = ValueError("lost")
    marked = fails(error)
    sent = error_in(refusal(error))
    assert sent is not None
    assert marked.find(sent) is error


@pytest.mark.parametrize(("number", "sent_as"), [(28, 28), ("28", None), (None, None)])
def test_only_a_number_is_sent_as_one(number: object, sent_as: int | None) -> None:
    sent = error_in(refusal(OSError(number, "full")))
    assert sent is not None
    assert sent.number == sent_as


class OwnError(InferenceError):
    """One that a backend has for itself."""


def test_an_error_of_a_backend_is_sent_as_the_closest_one_that_both_sides_know() -> None:
    sent = error_in(refusal(OwnError("no", "upgrade it")))
    assert sent is not None
    found = ours(sent)
    assert type(found) is InferenceError
    assert (found.message, found.remedy) == ("no", "upgrade it")


class StrangeError(EdgeGateError):
    """One of another package, of no kind that both sides know."""


def test_an_error_of_no_known_kind_is_none_of_ours_and_keeps_its_remedy() -> None:
    sent = error_in(refusal(StrangeError("no", "upgrade it")))
    assert sent is not None
    assert ours(sent) is None
    assert (sent.message, sent.remedy) == ("no", "upgrade it")


def test_an_answer_without_an_error_has_none() -> None:
    assert error_in(Message({})) is None
    assert error_in(refusal(InferenceError("x", "y"))) is not None
