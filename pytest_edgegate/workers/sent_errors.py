"""Errors on their way between processes: told as JSON values, and raised again."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pytest_edgegate.core import errors
from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.workers.wire import Message

_LONGEST = 50_000
"""Characters of a text that some library has made."""
_MARK = "_edgegate_mark"


class ThereError(Exception):
    """What is no error of ours, as the process has told it where it was raised."""


@dataclass(frozen=True)
class SentError:
    """An error as it crosses."""

    kind: str
    """The name of its class, where that is one of ours."""
    message: str
    """Of an error of ours; of another one its type and its text."""
    remedy: str = ""
    text: str = ""
    reason: str = ""
    """As ``reading.foreign`` has it."""
    number: int | None = None
    """Of an OSError."""
    trace: str = ""
    mark: int | None = None
    """Of an error that was raised by who hears of it, while it answered a question."""


def refusal(error: Exception) -> Message:
    """The answer that tells an error."""
    return Message({"error": as_plain(_as_sent(error))})


def error_in(answer: Message) -> SentError | None:
    """The error that an answer tells, or None."""
    found: Mapping[str, Any] | None = answer.fields.get("error")
    return None if found is None else from_plain(SentError, found)


def _as_sent(error: Exception) -> SentError:
    trace = "".join(traceback.format_exception(error))[-_LONGEST:]
    mark = getattr(error, _MARK, None)
    if isinstance(error, EdgeGateError):
        kind = type(error).__name__
        return SentError(kind, error.message, error.remedy, trace=trace, mark=mark)
    text = str(error)[:_LONGEST]
    return SentError(
        "",
        f"{type(error).__name__}: {text}",
        "",
        text,
        reason_of(error),
        getattr(error, "errno", None),
        trace,
        mark,
    )


def ours(sent: SentError) -> EdgeGateError | None:
    """An error of ours as the class that it had there, or None for another one."""
    found = getattr(errors, sent.kind, None) if sent.kind else None
    if found is None:
        return None
    error: EdgeGateError = found.__new__(found)
    EdgeGateError.__init__(error, sent.message, sent.remedy)
    caused(error, sent)
    return error


def as_raised(sent: SentError) -> Exception:
    """The error for code that was not made to know of processes."""
    error = ours(sent) or ThereError(sent.text or sent.message)
    caused(error, sent)
    if sent.mark is not None:
        setattr(error, _MARK, sent.mark)
    return error


def caused(error: Exception, sent: SentError) -> None:
    """Gives the *error* what was raised there as its cause, which ``--tb=long`` shows."""
    error.__cause__ = ThereError(f"\n{sent.trace}") if sent.trace else None


class Marked:
    """The errors that one side raises while it answers, to be raised again as they were."""

    def __init__(self) -> None:
        self._raised: list[Exception] = []

    def noting(self, answer: Callable[[Message], Message]) -> Callable[[Message], Message]:
        """The same, with what it raises noted."""

        def noted(asked: Message) -> Message:
            try:
                return answer(asked)
            except Exception as error:
                self._add(error)
                raise

        return noted

    def _add(self, error: Exception) -> None:
        with suppress(AttributeError):  # some have no place for it
            setattr(error, _MARK, len(self._raised))
            self._raised.append(error)

    def find(self, sent: SentError) -> Exception | None:
        """The very error that was *sent* there and has come back."""
        known = sent.mark is not None and sent.mark < len(self._raised)
        return self._raised[sent.mark] if known and sent.mark is not None else None
