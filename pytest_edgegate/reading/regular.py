"""Opens regular files only: a pipe may block for ever, a device may be endless."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from itertools import islice
from pathlib import Path

from pytest_edgegate.core.errors import UnreadableFileError, presentable
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.systems.files import reading_flags

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


_MOST_FILES = 10_000
"""The largest number of files in the folder of a model: a SavedModel has about ten."""


def is_there(path: Path) -> bool:
    """Whether the file or folder exists. Raises UnreadableFileError without permission.

    Also raises it for a name that is not valid text, which can't be sent or reported.
    """
    try:
        found = path.exists()
    except OSError as error:
        raise unreadable(path, reason_of(error)) from error
    if found and presentable(str(path)) != str(path):
        raise unreadable(path, "its name, or that of a folder on the way, is no text: rename it")
    return found


def where_started() -> Path | None:
    """The working folder; None if it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def files_in(folder: Path) -> list[Path]:
    """All files and folders below *folder*. Raises UnreadableFileError for absurdly many."""
    found = list(islice(folder.rglob("*"), _MOST_FILES + 1))
    if len(found) > _MOST_FILES:
        raise unreadable(folder, f"more than {_MOST_FILES} files are in it, which no model has")
    return found


def files_of_model(folder: Path) -> tuple[Path, ...]:
    """All files below the folder of a model, sorted.

    Raises UnreadableFileError for a link to the outside, which could expose other files.
    """
    root = folder.resolve()
    found = []
    for each in sorted(files_in(folder)):
        if each.is_symlink() and not each.resolve().is_relative_to(root):
            raise UnreadableFileError(
                f"{each.relative_to(folder)} in {folder.name} is a link that leads out of the "
                "folder, and a model is read from its own files only",
                f"where you trust it, copy what it leads to: cp -rL {folder} {folder.name}-copy",
            )
        if each.is_file():
            found.append(each)
    return tuple(found)


def open_regular(path: Path) -> BufferedReader:
    """The file, opened in binary mode. Raises UnreadableFileError if it is not a regular file."""
    try:
        # without blocking: opening a pipe would wait for a writer
        descriptor = os.open(path, reading_flags())
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise unreadable(path, reason_of(error)) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no regular file")
        raise unreadable(path, f"it is {kind}")
    return os.fdopen(descriptor, "rb")


def regular_size(path: Path) -> int:
    """The size of a readable regular file in bytes. Raises UnreadableFileError."""
    with open_regular(path) as opened:
        return os.fstat(opened.fileno()).st_size


def read_bytes(path: Path, most: int) -> bytes:
    """The whole file, if it has at most *most* bytes. Raises UnreadableFileError."""
    with open_regular(path) as opened:
        size = os.fstat(opened.fileno()).st_size
        if size > most:
            raise unreadable(
                path, f"its {size} bytes are more than the {most} that such a file has"
            )
        try:
            return opened.read(size)  # a larger size would be allocated in advance
        except (OSError, MemoryError) as error:
            raise unreadable(path, reason_of(error)) from error


def unreadable(path: Path, reason: str) -> UnreadableFileError:
    """The error for a file that can't be read."""
    return UnreadableFileError(
        f"{(path.name or str(path))[:100]} can't be read: {reason}",
        f"check the path and its permissions: {str(path)[:500]}",
    )
