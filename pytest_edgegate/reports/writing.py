"""Writes reports atomically, to a file, a link's target, a device or a pipe.

A regular file is replaced by a file written beside it, so that a reader never sees a partial
report. A link is followed. Anything else (a device, a pipe, the run's own standard output) is
written to, and never replaced.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.systems.files import (
    give_owner,
    open_to_write,
    own_descriptors,
    takes_more,
)

PATIENCE = 30.0
"""Seconds to wait for the reader of a full pipe."""
_MOST_LINKS = 40
_CHUNK = 4096
"""Bytes that a ready pipe accepts without blocking."""
_REFUSED = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISBLK, "it is a disk"),
)


def write_report(path: Path, content: bytes, option: str) -> None:
    """Writes a report. Raises StorageError, which names *option* to choose another path."""
    try:
        _write(path, content)
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        raise StorageError(
            f"the report {path} can't be written: {error}", f"give another path: {option}=FILE"
        ) from error


def _write(path: Path, content: bytes) -> None:
    target = _followed(path)
    if isinstance(target, int):
        _pour_into(os.dup(target), content)
        return
    try:
        found = target.lstat()
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, content, None)
        return
    for is_kind, reason in _REFUSED:
        if is_kind(found.st_mode):
            raise OSError(reason)
    if stat.S_ISREG(found.st_mode):
        _replace(target, content, found)
    else:
        _pour_into(_opened(target), content)


def _followed(path: Path) -> Path | int:
    """The target of a path, link by link; a number is a descriptor of this process.

    /dev/stdout is a link to such a descriptor, which may refer to a regular file: the report has
    to continue at its current position.
    """
    own = own_descriptors()
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if folder in own and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            return path
        path = Path(folder, os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _replace(target: Path, content: bytes, before: os.stat_result | None) -> None:
    """Replaces a file by one rename, keeping mode and owner; hard links keep the old content."""
    scratch = target.with_name(f".edgegate-{secrets.token_hex(4)}")
    try:
        mode = 0o666 if before is None else 0o600  # never readable by more users than before
        with open(scratch, "xb", opener=partial(os.open, mode=mode)) as opened:
            opened.write(content)
        if before is not None:
            _keep_owner(scratch, before)
        os.replace(scratch, target)
    except BaseException:
        with suppress(OSError):  # the folder itself may be the problem
            scratch.unlink()
        raise


def _keep_owner(scratch: Path, before: os.stat_result) -> None:
    give_owner(scratch, before)
    scratch.chmod(stat.S_IMODE(before.st_mode) & 0o777)


def _opened(target: Path) -> int:
    """Opens without waiting: a pipe without a reader would block for ever."""
    try:
        return open_to_write(target)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError("nobody reads from it") from error
        raise


def _pour_into(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    try:
        while left:
            if not takes_more(descriptor, PATIENCE):
                raise OSError(f"nobody has read from it for {PATIENCE:.0f} s")
            left = left[os.write(descriptor, left[:_CHUNK]) :]
    finally:
        os.close(descriptor)
