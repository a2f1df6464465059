"""The machine and the packages of a measurement."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_edgegate.systems.machine import cores, governor, load, processor_flags

__all__ = [
    "ISA_FLAGS",
    "Processor",
    "governor",
    "load",
    "processor",
    "python_version",
    "usable_cores",
    "version",
    "versions",
]

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


def has_saturating_sums(chip: Processor) -> bool:
    """Whether products of uint8 and int8 are added up in 16 bits there, where a library's kernels
    do not see to it: x86 without VNNI."""
    return chip.machine in ("x86_64", "AMD64") and not any("vnni" in each for each in chip.isa)


@functools.cache
def processor() -> Processor:
    """The processor that this process runs on."""
    name, machine, flags = processor_flags()
    return Processor(name, machine, tuple(flag for flag in ISA_FLAGS if flag in flags))


def usable_cores() -> int:
    """The cores available to this process: its share, if pytest-xdist runs several workers."""
    return max(1, cores() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


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


@dataclass(frozen=True)
class MeasuredWith:
    """What a figure of a runtime rests on beside the file and the samples."""

    packages: Mapping[str, str]
    isa: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(f"{name} {version}" for name, version in sorted(self.packages.items()))
        return f"{named} on {' '.join(self.isa) or 'a plain processor'}"


def measured_with(*packages: str) -> MeasuredWith:
    """The installed versions of the packages of a runtime, and this processor."""
    return MeasuredWith(versions(*packages), processor().isa)
