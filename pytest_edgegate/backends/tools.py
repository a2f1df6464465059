"""Imports of packages that backends use, and conversion of their exceptions to edgegate errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_edgegate.core.errors import BackendUnavailableError, EdgeGateError

_LONGEST = 300
"""Characters kept of a tool's message: some quote a whole graph."""


@contextmanager
def needed(package: str, purpose: str, extra: str) -> Iterator[None]:
    """Around the import of a package. Raises BackendUnavailableError if it is not installed.

    *purpose* is what needs it ("an .onnx file"), *extra* the extra of this package to install.
    """
    try:
        yield
    except ImportError as error:
        raise BackendUnavailableError(package, purpose, extra) from error


@contextmanager
def tool_errors(error_for: Callable[[Exception], EdgeGateError]) -> Iterator[None]:
    """Converts any exception of a tool by *error_for*; edgegate errors pass.

    The original is the cause, which ``--tb=long`` shows.
    """
    try:
        yield
    except EdgeGateError:
        raise
    except Exception as error:  # converters and frameworks raise many types
        raise error_for(error) from error


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return _of_kind(error, lines[0][:_LONGEST] if lines else "")


def all_lines(error: Exception) -> str:
    """The kind of an error and all that it says, in one line."""
    return _of_kind(error, one_line(error))


def _of_kind(error: Exception, words: str) -> str:
    return f"{type(error).__name__}: {words or '(no message)'}"


def one_line(text: object, longest: int = _LONGEST) -> str:
    """A message of an exception or a tool as one line of at most *longest* characters."""
    return " ".join(str(text).split())[:longest]


def said_of(path: Path, text: object, longest: int = 400) -> str:
    """As ``one_line``, with a file by its name: a runtime tells the path that it was given, which
    is that of a private copy, or of an entry of the cache."""
    return one_line(str(text).replace(f"{path.parent}{os.sep}", ""), longest)
