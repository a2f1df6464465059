"""The memory of this machine, which bounds the content of third-party files."""

from __future__ import annotations

import os

_UNKNOWN = 64_000_000_000


def physical_memory() -> int:
    """The physical memory in bytes; if unknown, that of a large machine."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN
