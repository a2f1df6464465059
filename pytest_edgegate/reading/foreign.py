"""The one place where what foreign bytes raise becomes an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError

_LONGEST = 300
"""Characters of a library's own words: some quote the whole file."""


@contextmanager
def foreign(
    what: str, remedy: str, error: type[EdgeGateError] = ConfigurationError
) -> Iterator[None]:
    """Turns whatever a reader of foreign bytes raises into an *error*: "<what>: <why>".

    Errors of ours, interrupts and exits pass. The original is the cause, which ``--tb=long`` shows.
    """
    try:
        yield
    except EdgeGateError:
        raise
    except Exception as raised:  # no list of them is whole: a fuzzer finds the next one
        raise error(f"{what}: {reason_of(raised)}", remedy) from raised


def reason_of(raised: BaseException) -> str:
    """What an exception says, in one line that a terminal can show."""
    if isinstance(raised, MemoryError):
        return "there is not enough memory for it"
    if isinstance(raised, RecursionError):
        return "it is nested too deeply"
    if isinstance(raised, OSError) and raised.strerror:
        return raised.strerror[:1].lower() + raised.strerror[1:]
    lines = str(raised).strip().splitlines()
    said = "".join(each for each in lines[0] if each.isprintable()) if lines else ""
    kind = type(raised).__name__
    return f"{kind}: {said[:_LONGEST]}" if said else kind
