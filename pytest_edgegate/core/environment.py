"""The machine and the packages of a measurement."""

from __future__ import annotations

import functools
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

ISA_FLAGS = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "neon",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
    "sve2",
)
"""Instruction sets on which runtimes choose their kernels, and so their rounding and speed."""


@dataclass(frozen=True)
class Processor:
    """This machine's processor: its name, its machine type and the relevant instruction sets."""

    name: str
    machine: str
    isa: tuple[str, ...]


@functools.cache
def processor() -> Processor:
    """The processor that this process runs on."""
    name, flags = platform.processor(), set[str]()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        name, flags = _read_cpuinfo(cpuinfo.read_text(errors="replace"), name)
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return Processor(name, machine, tuple(flag for flag in ISA_FLAGS if flag in flags))


def usable_cores() -> int:
    """The cores available to this process: its share, if pytest-xdist runs several workers."""
    import os

    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        cores = os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _read_cpuinfo(text: str, name: str) -> tuple[str, set[str]]:
    flags: set[str] = set()
    for line in text.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = set(value.split())
    return name, flags


@functools.cache
def version(package: str) -> str | None:
    """The installed version of a distribution, without importing it; None if not installed."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions(*packages: str) -> dict[str, str]:
    """The versions of the given packages, as far as they are installed."""
    found = {package: version(package) for package in packages}
    return {package: text for package, text in found.items() if text is not None}


def python_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def governor() -> str:
    """The frequency governor of the first core ("performance"), or a text if it is hidden."""
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    try:
        return path.read_text().strip()
    except OSError:
        return "unknown"


def load() -> float | None:
    """The load average of the last minute; None if unknown."""
    import os

    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # not on Windows
        return None
