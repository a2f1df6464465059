"""Removes what is in a cache."""

from __future__ import annotations

import shutil
import stat
from contextlib import suppress
from pathlib import Path


def remove(path: Path) -> None:
    """Removes a file, link or folder, without following links and as far as permitted."""
    with suppress(OSError, RecursionError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
