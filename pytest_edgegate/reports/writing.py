"""Reports on their way to disk: whole or not at all, and to what the path names.

A regular file is replaced by one that was written beside it, so that a reader never sees half a
report. A link is followed. What is no file (a device, a pipe, the run's own standard output) is
written into, and never replaced.
"""

from __future__ import annotations

import errno
import os
import secrets
import select
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

from pytest_edgegate.core.errors import StorageError

PATIENCE = 30.0
"""Seconds that the reader of a pipe may leave it full."""
_MOST_LINKS = 40
_CHUNK = 4096
"""Bytes that a pipe takes without blocking, once it takes any."""
_REFUSED = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISBLK, "it is a disk"),
)


def write_report(path: Path, content: bytes, option: str) -> None:
    """Raises StorageError, which names *option* as the one that gives another path."""
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
    """What a path leads to, link by link; a number is a descriptor of this process.

    /dev/stdout is a link to such a descriptor, behind which there may be a regular file: it has
    to go on where that is being written.
    """
    own = {f"/proc/{os.getpid()}/fd", "/dev/fd"}
    for _ in range(_MOST_LINKS):
        folder = os.path.realpath(path.parent)
        if folder in own and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            return path
        path = Path(folder, os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _replace(target: Path, content: bytes, before: os.stat_result | None) -> None:
    """By one rename. Mode and owner stay what they were; other names of the file keep its past."""
    scratch = target.with_name(f".edgegate-{secrets.token_hex(4)}")
    try:
        mode = 0o666 if before is None else 0o600  # not shown to more than before, ever
        with open(scratch, "xb", opener=partial(os.open, mode=mode)) as opened:
            opened.write(content)
        if before is not None:
            _keep_owner(scratch, before)
        os.replace(scratch, target)
    except BaseException:
        with suppress(OSError):  # its folder may be what is wrong
            scratch.unlink()
        raise


def _keep_owner(scratch: Path, before: os.stat_result) -> None:
    if hasattr(os, "chown"):
        with suppress(PermissionError):  # only root may give a file away
            os.chown(scratch, before.st_uid, before.st_gid)
    scratch.chmod(stat.S_IMODE(before.st_mode) & 0o777)


def _opened(target: Path) -> int:
    """Without waiting: a pipe that nobody reads would block for ever."""
    flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        return os.open(target, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError("nobody reads from it") from error
        raise


def _pour_into(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    try:
        while left:
            if not _takes_more(descriptor):
                raise OSError(f"nobody has read from it for {PATIENCE:.0f} s")
            left = left[os.write(descriptor, left[:_CHUNK]) :]
    finally:
        os.close(descriptor)


def _takes_more(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows, where no file of this kind blocks
        return True
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return bool(poller.poll(PATIENCE * 1000))
