"""Files and their owners, as far as systems differ."""

from __future__ import annotations

import os
import select
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pytest_edgegate.systems.name import is_windows

_MOST_AT_ONCE = 1 << 30


STANDARD_OUTPUT = Path("/dev/stdout")
"""What is written to it is printed, where the system has such a file."""
NOT_WAITING: int = getattr(os, "O_NONBLOCK", 0)
"""For a file that is a pipe: opening it to write does not wait for its reader."""


def user_name() -> str:
    """What tells this user from others in a shared folder.

    An id, since a user of a container may have no name; on Windows every user has a separate
    temporary folder.
    """
    return "user" if is_windows() else str(os.getuid())


def belongs_to_us(seen: os.stat_result) -> bool:
    """Whether a file is this user's, as far as the system tells."""
    return is_windows() or seen.st_uid == os.getuid()


def is_open_to_others(seen: os.stat_result) -> bool:
    """Whether others may use a folder; False on Windows, which has no such modes."""
    return not is_windows() and bool(seen.st_mode & 0o077)


def doubt_of_owner(seen: os.stat_result) -> str:
    """Who but this user can write to a folder, as the end of a sentence; empty if nobody."""
    if is_windows():
        return ""
    if seen.st_uid != os.geteuid():
        return f"belongs to another user (uid {seen.st_uid})"
    if seen.st_mode & stat.S_IWOTH and not seen.st_mode & stat.S_ISVTX:
        return f"can be written to by everyone (mode {stat.S_IMODE(seen.st_mode):o})"
    return ""


def give_owner(path: Path, before: os.stat_result) -> None:
    """Gives a file to the owner of the one that it replaces, where the user may do so."""
    if not is_windows():
        with suppress(PermissionError):  # only root may change the owner
            os.chown(path, before.st_uid, before.st_gid)


def touch(path: Path) -> None:
    """Sets the time of a file or folder to now; that of a link itself, where the system can.

    Raises OSError.
    """
    os.utime(path, follow_symlinks=os.utime not in os.supports_follow_symlinks)


def deletes_open_files() -> bool:
    """Whether a folder goes while this process has a file in it open."""
    return not is_windows()


def own_descriptors() -> frozenset[str]:
    """The folders whose entries are this process's open files, by their numbers."""
    if is_windows():
        return frozenset()
    return frozenset({f"/proc/{os.getpid()}/fd", "/dev/fd"})


def reading_flags() -> int:
    """The flags for ``os.open`` that read bytes as they are and never wait for a writer."""
    if is_windows():
        return os.O_RDONLY | getattr(os, "O_BINARY", 0)
    return os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def open_to_write(target: Path) -> int:
    """Opens a pipe or device without waiting for a reader. Raises OSError."""
    flags = os.O_WRONLY if is_windows() else os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
    return os.open(target, flags)


def takes_more(descriptor: int, seconds: float) -> bool:
    """Waits until a pipe or device takes bytes; on Windows no file of these kinds blocks."""
    if is_windows():
        return True
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return bool(poller.poll(seconds * 1000))


def copy_by_system(source: BinaryIO, made: BinaryIO) -> None:
    """Copies as far as the system does so by itself, since some file systems share the bytes."""
    if hasattr(os, "copy_file_range"):
        with suppress(OSError):  # unsupported between some file systems
            while os.copy_file_range(source.fileno(), made.fileno(), _MOST_AT_ONCE):
                pass
