"""A picture of a run: size against accuracy, a point an artifact, the budgets drawn in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import BackendUnavailableError
from pytest_edgegate.reports.writing import write_report
from pytest_edgegate.spelling import spell_bytes

_GOOD, _BAD, _LIMIT = "#1a7f37", "#cf222e", "#57606a"
_LETTER, _LINE, _POINTS_A_PIXEL = 4.6, 9.0, 0.72
"""Of a label, in points: the width of a letter, the height of a line; matplotlib's own 100 dpi."""
_WIDE = 6
"""Sizes that differ by more than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Point:
    """An artifact: its size in bytes and its accuracy beside the model under test, in points.

    ``low`` and ``high`` are the ends of the interval, where there is one.
    """

    label: str
    size: int
    points: float
    low: float | None = None
    high: float | None = None
    red: bool = False


@dataclass(frozen=True)
class Panel:
    """The artifacts of one target, and the budgets that they were judged by."""

    title: str
    points: tuple[Point, ...]
    sizes: tuple[float, ...] = ()
    """Limits in bytes."""
    drops: tuple[float, ...] = ()
    """Limits in points below the model under test."""


class PlotReporter:
    """Writes the picture in the format that the file's name ends in."""

    def write(
        self, path: Path, verdicts: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]
    ) -> None:
        draw(path, panels_of(verdicts))


def panels_of(verdicts: Iterable[Mapping[str, Any]]) -> list[Panel]:
    """One panel a target, of the artifacts whose drop in accuracy was measured."""
    by_target: dict[str, list[Mapping[str, Any]]] = {}
    for verdict in verdicts:
        if verdict["artifact"] is not None:
            by_target.setdefault(verdict["target"], []).append(verdict)
    return [_panel(target, found) for target, found in by_target.items()]


def draw(path: Path, panels: Sequence[Panel]) -> None:
    """Raises BackendUnavailableError without matplotlib, StorageError."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendUnavailableError("matplotlib", "a picture of the run", "report") from error
    wanted = list(panels) or [Panel("nothing was measured", ())]
    # Text stays text, and the same run gives the same bytes
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "edgegate"}):
        figure = Figure(figsize=(7.5, 4.6 * len(wanted)), layout="constrained")
        for axes, panel in zip(figure.subplots(len(wanted), squeeze=False)[:, 0], wanted,
                               strict=True):  # fmt: skip
            _draw_panel(axes, panel)
        dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        drawn = BytesIO()
        form = path.suffix[1:]
        figure.savefig(drawn, dpi=150, format=form, metadata=dated.get(path.suffix))
    write_report(path, drawn.getvalue(), "--edge-report-plot")


def _panel(target: str, verdicts: Sequence[Mapping[str, Any]]) -> Panel:
    points: dict[str, Point] = {}
    red = {each["artifact"]["sha256"] for each in verdicts if _is_red(each)}
    for each in _measured(verdicts, "accuracy_drop"):
        artifact, drop = each["artifact"], each["measured"]
        # the ends of an accuracy are those of the drop, the other way round
        ends = [None if end is None else -100 * end for end in (drop["high"], drop["low"])]
        label = ", ".join(artifact["recipe"]) or artifact["format"]
        points[artifact["sha256"]] = Point(
            label, artifact["size_bytes"], -100 * drop["value"], ends[0], ends[1],
            artifact["sha256"] in red,
        )  # fmt: skip
    return Panel(
        target, tuple(points.values()), _limits(verdicts, "size"),
        tuple(100 * each for each in _limits(verdicts, "accuracy_drop")),
    )  # fmt: skip


def _is_red(verdict: Mapping[str, Any]) -> bool:
    return verdict["outcome"] != "pass" and not verdict["allowed"]


def _measured(verdicts: Sequence[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    return [
        each for each in verdicts
        if each["budget"]["metric"] == metric
        and each["measured"] is not None and each["measured"]["value"] is not None
    ]  # fmt: skip


def _limits(verdicts: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, ...]:
    return tuple(
        sorted({each["budget"]["limit"] for each in verdicts if each["budget"]["metric"] == metric})
    )


def _draw_panel(axes: Any, panel: Panel) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_title(panel.title)
    axes.set_xlabel("size of what ships")
    axes.set_ylabel("accuracy beside the model under test, points")
    axes.axhline(0, color=_LIMIT, linewidth=0.8)
    sizes = [each.size for each in panel.points] + list(panel.sizes)
    if sizes and max(sizes) > _WIDE * max(min(sizes), 1):
        axes.set_xscale("log")
    for limit in panel.sizes:
        axes.axvline(limit, color=_LIMIT, linestyle="--", linewidth=1)
        axes.annotate(f"size <= {spell_bytes(limit)}", (limit, 0.01), rotation=90, fontsize=7,
                      xycoords=("data", "axes fraction"), xytext=(-9, 0), color=_LIMIT,
                      textcoords="offset points")  # fmt: skip
    for limit in panel.drops:
        axes.axhline(-limit, color=_LIMIT, linestyle="--", linewidth=1)
        axes.annotate(f"drop <= {limit:g} points", (0.01, -limit), fontsize=7, color=_LIMIT,
                      xycoords=("axes fraction", "data"), xytext=(0, 3),
                      textcoords="offset points")  # fmt: skip
    for point in panel.points:
        _draw_point(axes, point)
    axes.xaxis.set_major_formatter(lambda value, at: spell_bytes(value))
    if axes.get_xscale() == "log":
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.25, y=0.2)
    if axes.get_xscale() == "linear":
        axes.set_xlim(left=0)
    axes.grid(alpha=0.25)
    _label(axes, panel.points)


def _draw_point(axes: Any, point: Point) -> None:
    colour = _BAD if point.red else _GOOD
    if point.low is not None and point.high is not None:
        axes.vlines(point.size, point.low, point.high, color=colour, alpha=0.5, linewidth=2)
    axes.plot([point.size], [point.points], marker="X" if point.red else "o", color=colour,
              markersize=7, linestyle="none")  # fmt: skip


def _label(axes: Any, points: Sequence[Point]) -> None:
    """Names beside the points, each moved up until it covers no other."""
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda each: each.points):
        x, y = axes.transData.transform((point.size, point.points)) * _POINTS_A_PIXEL
        width, up = _LETTER * len(point.label), 4.0
        while any(
            x < right and left < x + width and abs(y + up - at) < _LINE for left, right, at in taken
        ):
            up += 1
        taken.append((x, x + width, y + up))
        axes.annotate(point.label, (point.size, point.points), xytext=(6, up), fontsize=8,
                      textcoords="offset points", color=_BAD if point.red else _GOOD)  # fmt: skip


REPORTER = PlotReporter()
