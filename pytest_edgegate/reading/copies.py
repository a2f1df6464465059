"""Private copies of third-party files, which nobody else writes to."""

from __future__ import annotations

import os
import shutil
import weakref
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pytest_edgegate.core.errors import ConfigurationError, StorageError
from pytest_edgegate.reading.regular import open_regular
from pytest_edgegate.systems.files import copy_by_system

_BLOCK = 1 << 20
"""Bytes per call of copy_file_range, which delays an interrupt until it returns."""


class PrivateCopy:
    """A copy of a model's files, or of a whole folder, under their own names.

    The copy is deleted with its last holder.
    """

    def __init__(
        self, path: Path, files: Sequence[Path], new_folder: Callable[[str], Path]
    ) -> None:
        """Raises ConfigurationError for a file that can't be read, or was changed meanwhile.

        Raises StorageError if the copy can't be written.
        """
        self.originals = tuple(files)
        before = signature(path, files)
        folder = new_folder("copy")
        self._end = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        base, into = path.parent, folder
        if path.is_dir():
            base, into = path, folder / _plain(path.name)
            into.mkdir()
        self.files = tuple(_copied(each, base, into) for each in self.originals)
        self.path = into if path.is_dir() else self.files[0]
        if signature(path, files) != before:
            raise changed(path)

    def is_same(self) -> bool:
        """Whether the originals still have the same bytes."""
        from pytest_edgegate.core.digests import file_digest

        with suppress(OSError):
            return list(map(file_digest, self.originals)) == list(map(file_digest, self.files))
        return False


def changed(path: Path) -> ConfigurationError:
    """The error for a file that changed during the run."""
    return ConfigurationError(
        f"{path.name} changed while it was being gated",
        f"run again when nothing writes to {path}",
    )


def signature(path: Path, files: Sequence[Path]) -> Hashable:
    """Changes when one of the files is written again. Raises ConfigurationError."""
    try:
        stats = [(str(each), os.stat(each)) for each in files]
    except OSError as error:
        raise changed(path) from error
    return tuple(
        (name, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
        for name, seen in stats
    )


def _plain(name: str) -> str:
    """A usable name for the copy of a folder that was given as ``..``."""
    return name if name not in ("", ".", "..") else "model"


def _copied(file: Path, base: Path, into: Path) -> Path:
    if os.path.relpath(file, base).split(os.sep)[0] == os.pardir or not file.is_relative_to(base):
        raise ConfigurationError(
            f"{file.name} lies outside the folder of its model, {base}",
            "put the files of a model into one folder",
        )
    target = into / file.relative_to(base)
    with open_regular(file) as source:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as made:
                _copy_bytes(source, made)
        except OSError as error:
            raise StorageError(
                f"{file.name} can't be copied into {into}: {error.strerror or error}",
                "free some space there, or let TMPDIR name a folder with more",
            ) from error
    return target


def _copy_bytes(source: BinaryIO, made: BinaryIO) -> None:
    """Copies by the system if possible, as some file systems can share the bytes."""
    copy_by_system(source, made)
    shutil.copyfileobj(source, made, _BLOCK)  # continues where the system stopped
