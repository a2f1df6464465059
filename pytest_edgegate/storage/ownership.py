"""Checks whether other users can write to the cache, and so influence verdicts."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pytest_edgegate.core.errors import EdgeGateWarning


def doubt(folder: Path) -> EdgeGateWarning | None:
    """The warning for a cache folder that is owned by another user or world-writable.

    Group-writable folders are common (umask 002) and accepted. Parent folders are not checked.
    """
    try:
        found = folder.stat()
    except (OSError, ValueError):  # missing, or its use will raise the error
        return None
    reason = _reason(found)
    if not reason:
        return None
    return EdgeGateWarning(
        f"the cache {folder} {reason}, and who can write to a cache decides verdicts: choose a "
        "folder of your own, --edge-cache=FOLDER (ini: edge_cache), or change its owner"
    )


def _reason(found: os.stat_result) -> str:
    if not hasattr(os, "geteuid"):  # Windows, which has no such modes
        return ""
    if found.st_uid != os.geteuid():
        return f"belongs to another user (uid {found.st_uid})"
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        return f"can be written to by everyone (mode {stat.S_IMODE(found.st_mode):o})"
    return ""
