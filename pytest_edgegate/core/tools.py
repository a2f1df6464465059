"""The port for tools: vendor programs that report figures of a file, or compile it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from pytest_edgegate.core.budget import BudgetKind, kind_of
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Target

SOURCES = ("vendor", "emulator", "predicted", "tool")
"""Sources of figures: a vendor's program, an emulator, rules of this project, or a command of the
user's own."""


def may_report(kind: BudgetKind) -> bool:
    """Whether a tool can report such a budget: the time of one file, or what only a chip has.

    A tool is given no samples, and what the gate reads off a file itself needs no other source.
    """
    is_time = kind.rule == "latency" and not kind.on_host_only
    return is_time or not kind.measure


@dataclass(frozen=True)
class Figure:
    """One figure of a file, in its metric's unit (bytes, seconds, a ratio from 0 to 1).

    Raises ValueError for a value that is not finite and for an invalid source.
    """

    value: float
    source: str
    """``vendor:NAME``, ``emulator:NAME``, ``predicted:NAME`` or ``tool:NAME``."""
    details: tuple[str, ...] = ()
    """Lines that explain the figure; shown if it is over its budget."""
    remark: str = ""
    """A remark for the note of any verdict."""
    remedy: str = ""
    """What to do where it is over its budget; empty if the budget's own remedy applies."""

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not math.isfinite(self.value):
            raise ValueError(f"{self.value!r} is no finite number")
        kind, _, name = self.source.partition(":")
        if kind not in SOURCES or not name:
            raise ValueError(f"{self.source!r} is no source: write {', '.join(SOURCES)}, and :NAME")


@dataclass(frozen=True)
class Absent:
    """The reason why a tool has no figure of a file; cached like a figure."""

    reason: str
    remedy: str


FigureOrAbsent = Figure | Absent


@dataclass(frozen=True)
class LeftOut:
    """An operator that a vendor's compiler left to the CPU."""

    kind: str
    output: str
    """The name of its first output."""
    reason: str = ""
    """In the compiler's words, as far as it gave any."""


@dataclass(frozen=True)
class Placed:
    """What a vendor's own compiler said of the operators of a file, or that it refuses the file."""

    by: str
    """The compiler, with its version."""
    left: tuple[LeftOut, ...] = ()
    refusal: str = ""
    """Why it refuses the file as a whole, in its words."""
    not_loaded: str = ""
    """Why the runtime of the target does not load the compiled file."""


@dataclass(frozen=True)
class Compiled:
    """The files that a tool compiled, and the figures that it reported."""

    files: tuple[Path, ...]
    """The file for the device, then the files that ship with it; empty for a tool that only
    reports figures, and for a refused file."""
    figures: Mapping[str, FigureOrAbsent]
    """The figures by metric. A missing metric is absent without a specific reason."""
    placed: Placed | None = None
    """What a vendor's program said of the operators; None for rules, which the contract of a target
    has itself."""
    remark: str = ""
    """What it found in the file, for the note of any verdict on the contract."""
    settled: bool = True
    """Whether another run would answer the same. If not, this run keeps the answer, which has no
    files, and the next one asks again."""


class Tool(Protocol):
    """A vendor's program, an emulator or a set of rules that reports figures of a file."""

    @property
    def metrics(self) -> Sequence[str]:
        """The budgets that it can report, of those that ``may_report`` allows."""

    @property
    def formats(self) -> Sequence[str]:
        """The formats that it reads."""

    @property
    def remedy(self) -> str:
        """The command that installs it."""

    def version(self) -> str | None:
        """The version of the program or package for the cache key, if possible without running
        it; None if it is not installed."""

    def options(self, target: Target) -> Mapping[str, object]:
        """The properties of the target that affect its answer, as JSON values for the cache key."""

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        """Analyses the file at *path*, which may be a third-party file, and writes into *out*.

        A program that such a file may crash or hang has to run in a separate process with a time
        limit. Raises ``CompressionError`` for a failure that is not due to the file: it is not
        cached, and the next run tries again.
        """


@runtime_checkable
class KnowsSources(Protocol):
    """A tool that sees in a compiled file whether it can have been compiled from another one."""

    def not_from(self, path: Path, source: Path) -> str:
        """Why the compiled file at *path* was not compiled from *source*; empty where it may have
        been. Raises what ``Tool.compile`` raises."""


@runtime_checkable
class ComparesWithSource(Protocol):
    """A tool that says more of a compiled file where it gets the file that it was compiled from."""

    def compare(self, path: Path, source: Path, target: Target, out: Path) -> Compiled:
        """As ``compile``, of a compiled file at *path*."""


@runtime_checkable
class MayPredict(Protocol):
    """A tool that predicts its figures where a vendor's program is not here."""

    def predicts(self) -> str:
        """The source of what it says here of a file that is not compiled, if it is a prediction."""


def check_compiled(name: str, tool: Tool, compiled: Compiled, out: Path) -> None:
    """Raises CompressionError for an invalid answer of the tool *name*."""
    fault = _fault(tool, compiled, out)
    if fault:
        raise CompressionError(f"the tool {name} {fault}", f"fix the tool {name}")


def _fault(tool: Tool, compiled: Compiled, out: Path) -> str:
    if compiled.files and not compiled.settled:
        return "has written files into an answer that is not settled"
    for file in compiled.files:
        if out not in file.parents or not file.is_file():
            return f"names {file.name}, which it has not written into its folder"
    for metric, figure in compiled.figures.items():
        if metric not in tool.metrics:
            return f"reports {metric}, which is not among its metrics"
        emulated = isinstance(figure, Figure) and figure.source.startswith("emulator:")
        if emulated and kind_of(metric).rule == "latency":
            return f"reports {metric} from an emulator, whose times are not the device's"
    return ""
