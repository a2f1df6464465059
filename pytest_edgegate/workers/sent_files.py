"""Sends files to a worker without access to this disk: by digest, in blocks."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np

from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.reading.regular import open_regular
from pytest_edgegate.workers.wire import Message

_BLOCK = 4 << 20
"""Bytes per message."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_AGAIN = "run again when nothing writes to the file"


class Call(Protocol):
    """``Worker.call``."""

    def __call__(
        self, command: str, what: str, arrays: tuple[Array, ...] = (), **fields: Any
    ) -> Message: ...


def send_files(call: Call, what: str, main: Path, files: Sequence[Path]) -> str:
    """The worker's path of *main*, with *files* in the same relative places as here.

    Files are sent once only. Raises InferenceError.
    """
    places = {each: _place(each, main) for each in {main, *files}}
    digests = {}
    for each, place in places.items():
        digest = file_digest(each)
        digests[place] = digest
        if not call("has", what, sha256=digest).fields["has"]:
            _send(call, what, each, digest)
    path: str = call("place", what, files=digests, main=main.name).fields["path"]
    return path


def _place(path: Path, main: Path) -> str:
    """The path relative to the folder of *main*."""
    if not path.is_relative_to(main.parent):
        raise InferenceError(
            f"{path.name} is not in the folder of {main.name}, with which it is sent to the device",
            "put all files of the model into one folder",
        )
    return path.relative_to(main.parent).as_posix()


def _send(call: Call, what: str, path: Path, digest: str) -> None:
    with open_regular(path) as opened:
        offset = 0
        while True:
            block = opened.read(_BLOCK)
            last = len(block) < _BLOCK
            content = np.frombuffer(block, np.uint8)
            call("put", what, (content,), sha256=digest, offset=offset, last=last)
            offset += len(block)
            if last:
                return


class ReceivedFiles:
    """The worker's side: received files, in a folder that is removed with the worker."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        """*folder* creates the folder, for the first file."""
        self._make = folder
        self._made: Path | None = None

    def has(self, asked: Message) -> Message:
        return Message({"has": self._blob(asked.fields["sha256"]).is_file()})

    def put(self, asked: Message) -> Message:
        """Stores a block; with the last one, the file has to match its digest."""
        blob = self._blob(asked.fields["sha256"])
        part = blob.with_suffix(".part")
        with part.open("r+b" if asked.fields["offset"] else "wb") as opened:
            opened.seek(0, os.SEEK_END)
            if opened.tell() != asked.fields["offset"]:
                raise InferenceError("a block of a file is missing", _AGAIN)
            opened.write(asked.arrays[0].tobytes())
        if asked.fields["last"]:
            _check_digest(part, blob.name)
            part.rename(blob)
        return Message({})

    def place(self, asked: Message) -> Message:
        """Places files under their own names in one folder."""
        files, main = asked.fields["files"], asked.fields["main"]
        content = repr((sorted(files.items()), main)).encode()
        folder = self._folder / hashlib.sha256(content).hexdigest()
        for name, digest in files.items():
            path = folder / _plain(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _put_in_place(self._blob(digest), path)
        return Message({"path": str(folder / _plain(main))})

    @property
    def _folder(self) -> Path:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _blob(self, digest: str) -> Path:
        if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
            raise InferenceError("a file has an invalid digest", _AGAIN)
        return self._folder / digest


def _put_in_place(blob: Path, path: Path) -> None:
    try:
        os.link(blob, path)
    except OSError:  # some file systems don't support links
        shutil.copyfile(blob, path)


def _check_digest(path: Path, digest: str) -> None:
    if file_digest(path) != digest:
        path.unlink()
        raise InferenceError("a file changed while it was sent", _AGAIN)


def _plain(name: str) -> PurePosixPath:
    """A relative path that stays inside its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name:
        raise InferenceError(f"{name[:100]!r} is not the name of a file", _AGAIN)
    return path
