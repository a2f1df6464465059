"""What Vela's tables say of a file, as figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_edgegate.backends.litert.graphs import Graphs
from pytest_edgegate.backends.vela.on_cpu import OnCpu, share_on_chip
from pytest_edgegate.backends.vela.options import NAME
from pytest_edgegate.backends.vela.summary import Layer, Summary
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.tools import Absent, Figure, FigureOrAbsent
from pytest_edgegate.spelling import spell_bytes

TIMES = ("latency_p50", "latency_p95", "latency_p99")
"""One estimate for all of them: the chip has no other program that interrupts it."""
METRICS = (*TIMES, "memory", "flash", "mapped_ops")
_SOURCE = f"vendor:{NAME}"
_SHOWN = 3
"""The layers that a figure over its budget names."""
_NOTHING = "no operator of it runs on the NPU"
_INT8 = (
    "quantise the whole model to int8 with fixed shapes (edge_ptq), and replace the layers that "
    "the NPU does not run"
)


def figures_of(
    path: Path,
    source: ModelDescription,
    summary: Summary,
    left: Sequence[OnCpu],
    graphs: Graphs,
) -> dict[str, FigureOrAbsent]:
    """All that is known of the file at *path*, of which *left* stays on the CPU.

    *graphs*: those that it has. Vela adds up the times of all, puts the tensors of each into the
    same memory, and the constants of each beside those of the others.
    """
    mapped = mapped_ops(source, left)
    if mapped.value == 0:
        nothing = Absent(f"{path.name}: {_NOTHING}", _INT8)
        return {**dict.fromkeys(METRICS, nothing), "mapped_ops": mapped}
    return {
        **dict.fromkeys(TIMES, _time(source, summary, left, graphs)),
        "memory": _memory(summary, graphs),
        "flash": _flash(summary, graphs),
        "mapped_ops": mapped,
    }


def _time(
    source: ModelDescription, summary: Summary, left: Sequence[OnCpu], graphs: Graphs
) -> FigureOrAbsent:
    if left:
        return _without_cpu(summary, left, graphs)
    return _estimate(source, summary) if graphs.count == 1 else _of_all_graphs(summary, graphs)


def mapped_ops(source: ModelDescription, left: Sequence[OnCpu]) -> Figure:
    """The share of the file's own operators that the NPU runs."""
    return Figure(
        share_on_chip(source, left), _SOURCE, tuple(map(str, left)), _of_left(source, left)
    )


def _of_left(source: ModelDescription, left: Sequence[OnCpu]) -> str:
    if not left:
        return ""
    return f"of {len(source.operators)} operators, {_on_the_cpu(left)}"


def _on_the_cpu(left: Sequence[OnCpu]) -> str:
    kinds = ", ".join(dict.fromkeys(each.operator.kind for each in left))
    return f"{len(left)} {'run' if left[1:] else 'runs'} on the CPU ({kinds})"


def _estimate(source: ModelDescription, summary: Summary) -> Figure:
    batch = _batch(source)
    of_batch = f" and of the whole batch of {batch}" if batch > 1 else ""
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
        f"percentile{of_batch}; the CPU and the driver are not in it",
        "give those layers fewer filters or smaller inputs; where the chip waits for memory, so "
        "that the NPU is not the busiest part, fewer weights",
    )


def _batch(source: ModelDescription) -> int:
    """The first size of all inputs and outputs, if they share it; else 1."""
    sizes = {each.shape[:1] for each in (*source.inputs, *source.outputs)}
    return max(*next(iter(sizes)), 1) if len(sizes) == 1 and () not in sizes else 1


def _of_all_graphs(summary: Summary, graphs: Graphs) -> Absent:
    """What never runs together is not added up: a budget would fail or pass by another graph."""
    return Absent(
        f"Vela estimates all {graphs.count} graphs of the file together, {summary.cycles:,} cycles "
        f"({summary.place}), and {graphs.fault}",
        f"{graphs.remedy}, or measure on the board",
    )


def _without_cpu(summary: Summary, left: Sequence[OnCpu], graphs: Graphs) -> Absent:
    """The NPU's time alone would pass budgets that the whole model exceeds."""
    bodies = graphs.of_bodies
    return Absent(
        f"Vela estimates the NPU's part only, {summary.cycles:,} cycles ({summary.place}), and of "
        f"the operators {_on_the_cpu(left)}{f'; {bodies}' if bodies else ''}",
        f"{f'{graphs.remedy}; ' if bodies else ''}replace the layers that the NPU does not run (a "
        "mapped_ops budget lists them with Vela's reasons), or measure on the board",
    )


def _memory(summary: Summary, graphs: Graphs) -> FigureOrAbsent:
    if graphs.runners:
        return Absent(
            f"Vela tells the SRAM of the largest of the file's {graphs.count} graphs "
            f"({summary.place}), and while {', '.join(graphs.runners)} runs one of them the "
            "tensors around it stay alive",
            f"{graphs.remedy}, or measure on the board",
        )
    largest = sorted(summary.layers, key=lambda each: -each.sram)[:_SHOWN]
    of_graphs = f" of the largest of the file's {graphs.count} graphs" if graphs.count > 1 else ""
    dram = f", and {spell_bytes(summary.dram)} of DRAM" if summary.dram else ""
    return Figure(
        summary.sram,
        _SOURCE,
        tuple(_alive(each) for each in largest if each.sram),
        f"SRAM of the tensors{of_graphs} ({summary.place}){dram}; the runtime's own structures "
        "come on top",
    )


def _alive(layer: Layer) -> str:
    return f"{layer}: {layer.sram:,} bytes alive while it runs"


def _flash(summary: Summary, graphs: Graphs) -> FigureOrAbsent:
    if not summary.flash:
        return Absent(
            f"Vela puts nothing into flash in {summary.place}: the constants lie in "
            f"{'DRAM' if summary.dram else 'SRAM'}",
            "gate size, or write a target of your own with a system_config and a memory_mode that "
            "have flash (docs/microcontrollers.md)",
        )
    of_graphs = f" of all {graphs.count} graphs of the file" if graphs.count > 1 else ""
    return Figure(
        summary.flash,
        _SOURCE,
        (),
        f"the constants and the NPU's commands{of_graphs} ({summary.place}); the application's "
        "code is not in it",
    )
