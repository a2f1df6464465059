"""Which operating system this is. Only this package asks."""

from __future__ import annotations

import sys
from typing import Literal

Name = Literal["linux", "macos", "windows", "other"]


def _name() -> Name:
    if sys.platform.startswith("linux"):
        return "linux"
    if sys.platform == "darwin":
        return "macos"
    return "windows" if sys.platform in ("win32", "cygwin") else "other"


NAME: Name = _name()
"""Read at each call and not at import, so that tests can set it."""


def is_linux() -> bool:
    return NAME == "linux"


def is_windows() -> bool:
    return NAME == "windows"
