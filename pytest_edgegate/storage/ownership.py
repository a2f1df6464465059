"""Checks whether other users can write to the cache, and so influence verdicts."""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.core.errors import EdgeGateWarning
from pytest_edgegate.systems.files import doubt_of_owner


def doubt(folder: Path) -> EdgeGateWarning | None:
    """The warning for a cache folder that is owned by another user or world-writable.

    Group-writable folders are common (umask 002) and accepted. Parent folders are not checked.
    """
    try:
        found = folder.stat()
    except (OSError, ValueError):  # missing, or its use will raise the error
        return None
    reason = doubt_of_owner(found)
    if not reason:
        return None
    return EdgeGateWarning(
        f"the cache {folder} {reason}, and who can write to a cache decides verdicts: choose a "
        "folder of your own, --edge-cache=FOLDER (ini: edge_cache), or change its owner"
    )
