"""Converts exceptions caused by third-party bytes into edgegate errors, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError

_LONGEST = 300
"""Characters kept of a library's message: some quote the whole file."""


@contextmanager
def foreign(
    what: str, remedy: str, error: type[EdgeGateError] = ConfigurationError
) -> Iterator[None]:
    """Converts any exception of a reader of third-party bytes into an *error*: "<what>: <why>".

    Edgegate errors, interrupts and exits pass. The original exception is the cause, which
    ``--tb=long`` shows.
    """
    try:
        yield
    except EdgeGateError:
        raise
    except Exception as raised:  # any type is possible, as fuzzing shows
        raise error(f"{what}: {reason_of(raised)}", remedy) from raised


def reason_of(raised: BaseException) -> str:
    """An exception's message as one printable line."""
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
