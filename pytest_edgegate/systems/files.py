"""Files and their owners, as far as systems differ."""

from __future__ import annotations

import os
from pathlib import Path


def touch(folder: Path) -> None:
    """Sets the time of a file or folder to now; that of a link itself, where the system can.

    Raises OSError.
    """
    os.utime(folder, follow_symlinks=os.utime not in os.supports_follow_symlinks)
