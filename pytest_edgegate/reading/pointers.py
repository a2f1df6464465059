"""Files that stand for others: what a clone without Git LFS has in place of a model or of data."""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.core.errors import UnreadableFileError
from pytest_edgegate.reading.regular import open_regular

_LFS = b"version https://git-lfs.github.com/spec/"


def refuse_pointer(path: Path) -> None:
    """Raises UnreadableFileError for the pointer that Git LFS leaves in place of a file."""
    with open_regular(path) as opened:
        start = opened.read(len(_LFS))
    if start == _LFS:
        raise UnreadableFileError(
            f"{path.name} is a pointer of Git LFS: the file itself was not fetched",
            "git lfs pull; in CI let the checkout fetch it (actions/checkout: lfs: true)",
        )
