"""Errors sent between processes: converted to JSON values and raised again."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from pytest_edgegate.core import errors
from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.workers.wire import Message, WireError

_LONGEST = 50_000
"""Characters kept of a library's message."""
_MARK = "_edgegate_mark"


class ThereError(Exception):
    """An error of another package, with the text from the process that raised it."""


@dataclass(frozen=True)
class SentError:
    """An error as it is sent."""

    kind: str
    """The name of its class, if it is an edgegate error."""
    message: str
    """The message of an edgegate error; otherwise the type and the text."""
    remedy: str = ""
    text: str = ""
    reason: str = ""
    """The reason as in ``reading.foreign``."""
    number: int | None = None
    """The errno of an OSError."""
    trace: str = ""
    mark: int | None = None
    """The number of an error that the receiver itself raised while answering a question."""


def refusal(error: Exception) -> Message:
    """The answer that carries an error."""
    return Message({"error": as_plain(_as_sent(error))})


def error_in(answer: Message) -> SentError | None:
    """The error in an answer, or None. Raises WireError if it is malformed."""
    found = answer.fields.get("error")
    if found is None:
        return None
    if not isinstance(found, Mapping) or not _is_well_formed(found):
        raise WireError("a malformed error")
    return from_plain(SentError, found)


def _is_well_formed(found: Mapping[str, Any]) -> bool:
    kinds = _kinds()
    known = {"kind", "message"} <= found.keys() <= kinds.keys()
    return known and all(isinstance(value, kinds[name]) for name, value in found.items())


@cache
def _kinds() -> dict[str, Any]:
    return get_type_hints(SentError)


def _as_sent(error: Exception) -> SentError:
    trace = "".join(traceback.format_exception(error))[-_LONGEST:]
    mark = getattr(error, _MARK, None)
    if isinstance(error, EdgeGateError):
        return SentError(_kind_of(error), error.message, error.remedy, trace=trace, mark=mark)
    text = str(error)[:_LONGEST]
    return SentError(
        "",
        f"{type(error).__name__}: {text}",
        "",
        text,
        reason_of(error),
        _number(error),
        trace,
        mark,
    )


def _kind_of(error: EdgeGateError) -> str:
    """Its class, or the closest above it that says what it is and that both sides know: a backend
    may have its own."""
    known = (each for each in type(error).__mro__ if vars(errors).get(each.__name__) is each)
    closest = next(known, EdgeGateError)
    return type(error).__name__ if closest is EdgeGateError else closest.__name__


def _number(error: Exception) -> int | None:
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) else None  # a library may put anything there


def ours(sent: SentError) -> EdgeGateError | None:
    """The edgegate error in its original class, or None for any other error."""
    found = getattr(errors, sent.kind, None)
    if not (isinstance(found, type) and issubclass(found, EdgeGateError)):
        return None
    error: EdgeGateError = found.__new__(found)
    EdgeGateError.__init__(error, sent.message, sent.remedy)
    caused(error, sent)
    return error


def as_raised(sent: SentError) -> Exception:
    """The error for code that is unaware of processes."""
    error = ours(sent) or ThereError(sent.text or sent.message)
    caused(error, sent)
    if sent.mark is not None:
        setattr(error, _MARK, sent.mark)
    return error


def caused(error: Exception, sent: SentError) -> None:
    """Sets the remote exception as the cause of *error*, which ``--tb=long`` shows."""
    error.__cause__ = ThereError(f"\n{sent.trace}") if sent.trace else None


class Marked:
    """The errors that one side raises while answering, to be raised again unchanged."""

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
        """The original error object of an error that was *sent* and came back."""
        if sent.mark is None or not 0 <= sent.mark < len(self._raised):
            return None
        return self._raised[sent.mark]
