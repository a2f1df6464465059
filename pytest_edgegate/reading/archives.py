"""Safe reading of third-party zip archives, for every format based on zip.

The directory of an archive is checked as a whole when it is opened: anything suspicious (duplicate
names, names outside the archive, encryption, members that inflate to absurd sizes) is refused
before any member is read.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.reading.foreign import reason_of
from pytest_edgegate.reading.regular import open_regular

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_LEAVING = re.compile(r"(^|/)\.\.?(/|$)|^/|\\|^[A-Za-z]:|[\x00-\x1f\x7f]|//")
_LONGEST = 1024


@dataclass(frozen=True)
class Limits:
    """Limits on an archive's content; sizes are of the unpacked bytes."""

    members: int = 65_535
    member_bytes: int = 64_000_000_000
    whole_bytes: int = 64_000_000_000
    inflation: int = 200
    """The largest compression ratio of a member beyond ``free_bytes``: deflate reaches 1,032 on
    zeros."""
    free_bytes: int = 256_000_000


class Archive:
    """An opened archive whose directory has been checked."""

    def __init__(self, zipped: zipfile.ZipFile, limits: Limits) -> None:
        self._zipped = zipped
        self.members = tuple(each for each in zipped.infolist() if not each.is_dir())
        self.folders = tuple(each.filename for each in zipped.infolist() if each.is_dir())
        fault = next(_faults(zipped.infolist(), limits), "")
        if fault:
            raise zipfile.BadZipFile(fault)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members, in the order of the archive."""
        return tuple(each.filename for each in self.members)

    def size(self, name: str) -> int:
        """The unpacked size of a member in bytes."""
        return self._zipped.getinfo(name).file_size

    def read(self, name: str, most: int | None = None) -> bytes:
        """The content of a member. Raises BadZipFile if it has more than *most* bytes."""
        if most is not None and self.size(name) > most:
            raise zipfile.BadZipFile(f"{name} has {self.size(name)} bytes, which is too many")
        return self._zipped.read(name)

    def open(self, name: str) -> IO[bytes]:
        """A member as a sequential stream."""
        return self._zipped.open(name)

    def seekable(self, name: str) -> BinaryIO:
        """A member as a seekable stream: in place if it is not compressed."""
        member = self._zipped.getinfo(name)
        if member.compress_type != zipfile.ZIP_STORED:
            return io.BytesIO(self._zipped.read(name))
        with self._zipped.open(name):  # checks the local header of the member
            raw = cast("BinaryIO", self._zipped.fp)
            raw.seek(member.header_offset)
            lengths = struct.unpack("<26x2H", raw.read(30))
        start = member.header_offset + 30 + sum(lengths)
        return io.BufferedReader(_Window(raw, start, member.file_size), 1 << 16)


class _Window(io.RawIOBase):
    """A section of an opened file as a file object."""

    def __init__(self, raw: BinaryIO, start: int, size: int) -> None:
        self._raw, self._start, self._size, self._at = raw, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self._size - self._at))
        self._raw.seek(self._start + self._at)
        content = self._raw.read(wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


@contextmanager
def opened(
    path: Path,
    damaged: Callable[[str], EdgeGateError],
    limits: Limits = Limits(),
) -> Iterator[Archive]:
    """The archive at *path*; raises as ``opened_in`` does."""
    with open_regular(path) as raw, opened_in(raw, damaged, limits) as archive:
        yield archive


@contextmanager
def opened_in(
    raw: IO[bytes],
    damaged: Callable[[str], EdgeGateError],
    limits: Limits = Limits(),
) -> Iterator[Archive]:
    """The archive in an opened file.

    Raises ``damaged(reason)`` for any exception of zipfile and its decompressors, here or while
    reading members, and for a suspicious directory.
    """
    try:
        with zipfile.ZipFile(raw) as zipped:
            yield Archive(zipped, limits)
    except EdgeGateError:
        raise
    except Exception as error:  # BadZipFile, zlib.error, struct.error, NotImplementedError, ...
        raise damaged(reason_of(error)) from error


def _faults(members: list[zipfile.ZipInfo], limits: Limits) -> Iterator[str]:
    if len(members) > limits.members:
        yield f"it has {len(members)} members"
    names = Counter(each.filename.rstrip("/") for each in members)
    twice = [name for name, count in names.items() if count > 1]
    yield from (f"it has the member {name[:80]!r} twice" for name in twice)
    for each in members:
        yield from _faults_of(each, limits)
    whole = sum(each.file_size for each in members)
    if whole > limits.whole_bytes:
        yield f"its members unpack to {whole} bytes"


def _faults_of(member: zipfile.ZipInfo, limits: Limits) -> Iterator[str]:
    name = member.filename
    shown = repr(name[:80])
    if len(name) > _LONGEST or _LEAVING.search(name):
        yield f"its member {shown} is outside of it"
    if member.flag_bits & _ENCRYPTED:
        yield f"its member {shown} is encrypted"
    if member.compress_type not in _METHODS:
        yield f"its member {shown} is compressed by a method that no model or array needs"
    if stat.S_ISLNK(member.external_attr >> 16):
        yield f"its member {shown} is a link"
    if member.file_size > limits.member_bytes:
        yield f"its member {shown} has {member.file_size} bytes"
    if member.file_size > limits.free_bytes + limits.inflation * member.compress_size:
        yield f"its member {shown} unpacks to {member.file_size} bytes of {member.compress_size}"
