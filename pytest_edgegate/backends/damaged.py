"""The error for an unreadable model file, uniform for every format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.reading.foreign import foreign


def damaged(path: Path, reason: str) -> InferenceError:
    """The error for a file that is invalid for *reason*."""
    return InferenceError(
        f"{path.name} can't be opened: {reason}",
        "make the file again: it is damaged, cut short or of another format",
    )


@contextmanager
def refused_if_inconsistent(
    path: Path, reason: str = "its graph is inconsistent"
) -> Iterator[None]:
    """Around code that follows references inside a parsed file. Raises InferenceError."""
    fault = damaged(path, reason)
    with foreign(fault.message, fault.remedy, InferenceError):
        yield
