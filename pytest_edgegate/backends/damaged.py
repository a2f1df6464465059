"""The error for an unreadable model file, uniform for every format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.reading.foreign import foreign


def damaged(path: Path, reason: str) -> InferenceError:
    """The error for a file that is invalid for *reason*."""
    return InferenceError(
        f"{path.name} can't be opened: {reason}",
        "make the file again: it is damaged, cut short or of another format",
    )


class Lack(NamedTuple):
    """What a runtime says of a sound file that it can't run."""

    said: str
    """A pattern of its words; the groups are the arguments of ``has``."""
    has: str
    """What the file has, as an ending of "the file has ..."."""
    remedy: str


def not_opened(
    path: Path, reason: str, runtime: str, lacks: Sequence[Lack], whole: str = ""
) -> InferenceError:
    """The error for a file that *runtime* does not open for *reason*, in its words.

    A file with what the runtime lacks is told apart from a damaged one. *whole*: all that the
    runtime said, if *reason* is cut.
    """
    for lack in lacks:
        found = re.search(lack.said, whole or reason)
        if found:
            has = lack.has.format(*found.groups())
            return InferenceError(
                f"{path.name} has {has}, which this {runtime} does not run: {reason}",
                lack.remedy,
            )
    return damaged(path, reason)


@contextmanager
def refused_if_inconsistent(
    path: Path, reason: str = "its graph is inconsistent"
) -> Iterator[None]:
    """Around code that follows references inside a parsed file. Raises InferenceError."""
    fault = damaged(path, reason)
    with foreign(fault.message, fault.remedy, InferenceError):
        yield
