"""Vela as a tool: times, memory and operators of a .tflite file on an Arm Ethos-U."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.vela.on_cpu import OnCpu, on_cpu, share_on_chip
from pytest_edgegate.backends.vela.options import NAME, VelaOptions
from pytest_edgegate.backends.vela.program import COMMAND, TIME_LIMIT, vela
from pytest_edgegate.backends.vela.summary import Layer, Summary
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure, FigureOrAbsent
from pytest_edgegate.spelling import spell_bytes

PACKAGE = "ethos-u-vela"
_OLDEST = (5, 0)
"""The first version whose command line and tables are the known ones."""
_SOURCE = f"vendor:{NAME}"
_TIMES = ("latency_p50", "latency_p95", "latency_p99")
"""One estimate for all of them: the chip has no other program that interrupts it."""
_SHOWN = 3
"""The layers that a figure over its budget names."""
_NOTHING = "no operator of it runs on the NPU"
_INT8 = (
    "quantise the whole model to int8 with fixed shapes (edge_ptq), and replace the layers that "
    "the NPU does not run"
)


class Vela:
    """Compiles each file by Vela's own command line."""

    metrics = (*_TIMES, "memory", "flash", "mapped_ops")
    formats = ("litert",)
    remedy = "pip install 'pytest-edgegate[vela]'"

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        time_limit: float = TIME_LIMIT,
        package: str = PACKAGE,
    ) -> None:
        self._command = command
        self._time_limit = time_limit
        self._package = package

    def version(self) -> str | None:
        try:
            return version(self._package)
        except PackageNotFoundError:
            return None

    def options(self, target: Target) -> Mapping[str, object]:
        """Raises ConfigurationError for a table ``tool.vela`` that Vela can't be run with."""
        return VelaOptions.of(target).as_key()

    def compile(self, path: Path, target: Target, out: Path) -> Compiled:
        options = VelaOptions.of(target)
        source = INSPECTOR.describe(path)
        refused = self._too_old() or _compiled_already(path, source)
        if refused is not None:
            return self._refused(refused)
        arguments = [*options.as_arguments(), "--verbose-performance"]
        try:
            with vela(path, arguments, self._command, self._time_limit) as made:
                summary = Summary.read(made.folder)
                left = on_cpu(source, INSPECTOR.describe(made.compiled), made.printed)
                kept = out / f"{path.stem}_vela.tflite"
                shutil.copyfile(made.compiled, kept)
        except UnsupportedError as error:
            return self._refused(Absent(error.message, error.remedy))
        return Compiled((kept,), _figures(path, source, summary, left))

    def _refused(self, absent: Absent) -> Compiled:
        return Compiled((), dict.fromkeys(self.metrics, absent))

    def _too_old(self) -> Absent | None:
        found = self.version() or ""
        numbers = tuple(int(each) for each in re.findall(r"\d+", found)[:2])
        if numbers >= _OLDEST:
            return None
        oldest = ".".join(map(str, _OLDEST))
        return Absent(
            f"{self._package} {found} is too old: {oldest} or newer reports these figures",
            f"pip install --upgrade {self._package}",
        )


def _compiled_already(path: Path, source: ModelDescription) -> Absent | None:
    if source.compiled is None:
        return None
    return Absent(
        f"{path.name} is compiled for {source.compiled.chip} already: Vela takes the file before "
        "that",
        "give the file that it was compiled from",
    )


def _figures(
    path: Path, source: ModelDescription, summary: Summary, left: Sequence[OnCpu]
) -> dict[str, FigureOrAbsent]:
    share = share_on_chip(source, left)
    details = tuple(map(str, left))
    mapped = Figure(share, _SOURCE, details, _of_left(source, left))
    if share == 0:
        nothing = Absent(f"{path.name}: {_NOTHING}", _INT8)
        return {**dict.fromkeys(Vela.metrics, nothing), "mapped_ops": mapped}
    time = _without_cpu(summary, left) if left else _time(summary)
    return {
        **dict.fromkeys(_TIMES, time),
        "memory": _memory(summary),
        "flash": _flash(summary),
        "mapped_ops": mapped,
    }


def _of_left(source: ModelDescription, left: Sequence[OnCpu]) -> str:
    if not left:
        return ""
    kinds = ", ".join(dict.fromkeys(each.operator.kind for each in left))
    return f"{len(left)} of {len(source.operators)} operators run on the CPU: {kinds}"


def _time(summary: Summary) -> Figure:
    busiest = sorted(summary.cycles_of.items(), key=lambda each: -each[1])
    parts = ", ".join(f"{part} {cycles:,}" for part, cycles in busiest if cycles)
    slowest = sorted(summary.layers, key=lambda each: -each.cycles)[:_SHOWN]
    return Figure(
        summary.seconds,
        _SOURCE,
        (
            f"{summary.cycles:,} cycles at {summary.clock / 1e6:g} MHz; busy at the same time: "
            f"{parts}",
            *(f"{each}: {each.cycles:,} cycles" for each in slowest if each.cycles),
        ),
        f"an estimate of {summary.cycles:,} cycles ({summary.place}), the same for each "
        "percentile; the CPU and the driver are not in it",
    )


def _without_cpu(summary: Summary, left: Sequence[OnCpu]) -> Absent:
    """The NPU's time alone would pass budgets that the whole model exceeds."""
    kinds = ", ".join(dict.fromkeys(each.operator.kind for each in left))
    return Absent(
        f"Vela estimates the NPU's part only, {summary.cycles:,} cycles ({summary.place}), and "
        f"{len(left)} operators run on the CPU ({kinds})",
        "replace the layers that the NPU does not run (a mapped_ops budget lists them with Vela's "
        "reasons), or measure on the board",
    )


def _memory(summary: Summary) -> Figure:
    largest = sorted(summary.layers, key=lambda each: -each.sram)[:_SHOWN]
    dram = f", and {spell_bytes(summary.dram)} of DRAM" if summary.dram else ""
    return Figure(
        summary.sram,
        _SOURCE,
        tuple(_alive(each) for each in largest if each.sram),
        f"SRAM of the tensors ({summary.place}){dram}; the runtime's own structures come on top",
    )


def _alive(layer: Layer) -> str:
    return f"{layer}: {layer.sram:,} bytes alive while it runs"


def _flash(summary: Summary) -> FigureOrAbsent:
    if not summary.flash:
        return Absent(
            f"Vela puts nothing into flash in {summary.place}: the constants lie in "
            f"{'DRAM' if summary.dram else 'SRAM'}",
            "gate size, or write a target of your own with a system_config and a memory_mode that "
            "have flash (docs/microcontrollers.md)",
        )
    return Figure(
        summary.flash,
        _SOURCE,
        (),
        f"the constants and the NPU's commands ({summary.place}); the application's code is not in "
        "it",
    )


TOOL = Vela()
