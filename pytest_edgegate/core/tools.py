"""The port for what a vendor's program knows of a file: figures, and the file that it compiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_edgegate.core.budget import kind_of
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Target

SOURCES = ("vendor", "emulator", "predicted")
"""What may tell a figure: a vendor's program, other instructions that run here, our own rules."""


@dataclass(frozen=True)
class Figure:
    """One figure of a file, in its metric's own unit (bytes, seconds, a ratio from 0 to 1).

    Raises ValueError for a value that is not finite, and for a source of another kind.
    """

    value: float
    source: str
    """``vendor:NAME``, ``emulator:NAME`` or ``predicted:NAME``."""
    details: tuple[str, ...] = ()
    """Lines that explain it; shown where it is over its budget."""
    remark: str = ""
    """What to know of it whatever the verdict."""

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not math.isfinite(self.value):
            raise ValueError(f"{self.value!r} is no figure")
        kind, _, name = self.source.partition(":")
        if kind not in SOURCES or not name:
            raise ValueError(f"{self.source!r} is no source: write {', '.join(SOURCES)}, and :NAME")


@dataclass(frozen=True)
class Absent:
    """Why there is no figure of a file: a finding of the tool, which is kept like a figure."""

    reason: str
    remedy: str


FigureOrAbsent = Figure | Absent


@dataclass(frozen=True)
class Compiled:
    """What a tool made of a file, and what it told of it."""

    files: tuple[Path, ...]
    """The file that the device is given, then what ships with it; none of a tool that only tells
    figures, or where it refuses the file."""
    figures: Mapping[str, FigureOrAbsent]
    """By metric. What is left out is absent without a reason of its own."""


class Tool(Protocol):
    """What a vendor's program, an emulator or a set of rules knows of a file."""

    @property
    def metrics(self) -> Sequence[str]:
        """The budgets that it can tell."""

    @property
    def formats(self) -> Sequence[str]:
        """The formats that it reads."""

    @property
    def remedy(self) -> str:
        """The line that installs it."""

    def version(self) -> str | None:
        """Of the program or package, for the cache key, without a run of it where that is
        possible; None where it is not installed."""

    def options(self, target: Target) -> Mapping[str, object]:
        """What of the target changes its answer, as JSON values; in the cache key."""

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        """Reads the file at *path*, which others may have made, and writes into the folder *out*.

        A program that such a file may crash or hang is run in a process of its own, with a time
        limit. Raises ``CompressionError`` where it fails for a reason that is not the file's: that
        is not kept, and the next run asks it again.
        """


def check_compiled(name: str, tool: Tool, compiled: Compiled, out: Path) -> None:
    """Refuses an answer that the tool *name* may not give. Raises CompressionError."""
    fault = _fault(tool, compiled, out)
    if fault:
        raise CompressionError(f"the tool {name} {fault}", f"mend the tool {name}")


def _fault(tool: Tool, compiled: Compiled, out: Path) -> str:
    for file in compiled.files:
        if out not in file.parents or not file.is_file():
            return f"names {file.name}, which it has not written into its folder"
    for metric, figure in compiled.figures.items():
        if metric not in tool.metrics:
            return f"tells {metric}, which is not among its metrics"
        emulated = isinstance(figure, Figure) and figure.source.startswith("emulator:")
        if emulated and kind_of(metric).rule == "latency":
            return f"tells {metric} of an emulator, whose times are not the device's"
    return ""
