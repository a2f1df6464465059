"""The memory of this machine, which bounds the content of third-party files."""

from __future__ import annotations

from pytest_edgegate.systems import machine

_UNKNOWN = 64_000_000_000


def physical_memory() -> int:
    """The physical memory in bytes; if unknown, that of a large machine."""
    return machine.physical_memory() or _UNKNOWN
