"""The machine, as far as the system tells."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from pytest_edgegate.systems.name import is_linux, is_windows

_CPUINFO = Path("/proc/cpuinfo")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_MACHINES = {"AMD64": "x86_64", "arm64": "aarch64"}
"""Names of macOS and Windows for machine types."""


def processor_flags() -> tuple[str, str, frozenset[str]]:
    """The processor's name, its machine type as Linux names it, and all its flags.

    Only Linux tells the flags.
    """
    name, flags = platform.processor(), frozenset[str]()
    if is_linux() and _CPUINFO.is_file():
        name, flags = read_cpuinfo(_CPUINFO.read_text(errors="replace"), name)
    machine = platform.machine()
    return name, _MACHINES.get(machine, machine), flags


def read_cpuinfo(text: str, name: str) -> tuple[str, frozenset[str]]:
    """The name and the flags of the first core; *name* if it has none."""
    flags = frozenset[str]()
    for line in text.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = frozenset(value.split())
    return name, flags


def cores() -> int:
    """The cores that this process may use; on macOS and Windows, those of the machine."""
    return len(os.sched_getaffinity(0)) if is_linux() else os.cpu_count() or 1


def governor() -> str:
    """The frequency governor of the first core ("performance"), or a text if it is hidden."""
    if not is_linux():
        return "unknown"
    try:
        return _GOVERNOR.read_text().strip()
    except OSError:
        return "unknown"


def load() -> float | None:
    """The load average of the last minute; None if unknown."""
    if is_windows():
        return None
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def physical_memory() -> int | None:
    """The physical memory in bytes; None if unknown."""
    if is_windows():
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
