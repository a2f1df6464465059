"""How much of a file that others made this machine can hold."""

from __future__ import annotations

import os

_UNKNOWN = 64_000_000_000


def physical_memory() -> int:
    """Bytes of memory that this machine has; a large machine's where it does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN
