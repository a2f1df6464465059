"""Draws the picture of a run with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from warnings import catch_warnings

from pytest_edgegate.core.errors import BackendUnavailableError
from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.reports.panels import Panel, Point
from pytest_edgegate.spelling import spell_bytes

_GOOD, _BAD, _LIMIT = "#1a7f37", "#cf222e", "#57606a"
_LETTER, _LINE, _POINTS_A_PIXEL = 4.6, 9.0, 0.72
"""Sizes of labels in points (width of a letter, height of a line) and matplotlib's 100 dpi."""
_LONGEST = 60
"""Letters of a name."""
_WIDE = 6
"""Sizes that differ by more than this factor are drawn on a logarithmic axis."""
_UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def drawn(panels: Sequence[Panel], form: str) -> bytes:
    """The picture in one of matplotlib's formats ("svg"); the same panels give the same bytes.

    Raises BackendUnavailableError without matplotlib.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise BackendUnavailableError("matplotlib", "a picture of the run", "report") from error
    wanted = list(panels) or [Panel("nothing was measured", ())]
    # Text stays text, names with dollar signs are no formulas, identifiers in an SVG not random
    looks = {"svg.fonttype": "none", "text.parse_math": False, "svg.hashsalt": "edgegate"}
    with rc_context(looks), catch_warnings(action="ignore", category=UserWarning):
        figure = Figure(figsize=(7.5, 4.6 * len(wanted)), layout="constrained")
        places = figure.subplots(len(wanted), squeeze=False)[:, 0]
        for axes, panel in zip(places, wanted, strict=True):
            _draw_panel(axes, panel)
        picture = BytesIO()
        figure.savefig(picture, dpi=150, format=form, metadata=_UNDATED.get(form))
    return picture.getvalue()


def _draw_panel(axes: Any, panel: Panel) -> None:
    axes.set_title(_shown(panel.title))
    axes.set_xlabel("size of what ships")
    axes.set_ylabel("accuracy beside the model under test, points (0.01 = 1 %)")
    axes.axhline(0, color=_LIMIT, linewidth=0.8)
    sizes = [each.size for each in panel.points] + list(panel.sizes)
    if sizes and max(sizes) > _WIDE * max(min(sizes), 1):
        axes.set_xscale("log")
    _draw_limits(axes, panel)
    for point in panel.points:
        _draw_point(axes, point)
    _scale(axes)
    axes.grid(alpha=0.25)
    _label(axes, panel.points)


def _draw_limits(axes: Any, panel: Panel) -> None:
    words = {"fontsize": 7, "color": _LIMIT, "textcoords": "offset points"}
    for limit in panel.sizes:
        axes.axvline(limit, color=_LIMIT, linestyle="--", linewidth=1)
        place = {"xy": (limit, 0.01), "xytext": (-9, 0), "xycoords": ("data", "axes fraction")}
        axes.annotate(f"size <= {spell_bytes(limit)}", rotation=90, **place, **words)
    for limit in panel.drops:
        axes.axhline(-limit, color=_LIMIT, linestyle="--", linewidth=1)
        place = {"xy": (0.01, -limit), "xytext": (0, 3), "xycoords": ("axes fraction", "data")}
        axes.annotate(f"drop <= {limit:g}", **place, **words)


def _scale(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axes.xaxis.set_major_formatter(lambda value, at: spell_bytes(value))
    logarithmic = axes.get_xscale() == "log"
    if logarithmic:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.25, y=0.2)
    if not logarithmic:
        axes.set_xlim(left=0)


def _draw_point(axes: Any, point: Point) -> None:
    marker = {"color": _colour(point), "marker": "X" if point.red else "o", "markersize": 7}
    if point.low is not None and point.high is not None:
        ends = point.low, point.high
        axes.vlines(point.size, *ends, color=_colour(point), alpha=0.5, linewidth=2)
    axes.plot([point.size], [point.points], linestyle="none", **marker)


def _label(axes: Any, points: Sequence[Point]) -> None:
    """Draws names beside the points, each moved up until it covers no other."""
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda each: each.points):
        place = point.size, point.points
        x, y = axes.transData.transform(place) * _POINTS_A_PIXEL
        label = _shown(point.label)
        width, up = _LETTER * len(label), 4.0
        while any(
            x < right and left < x + width and abs(y + up - at) < _LINE for left, right, at in taken
        ):
            up += 1
        taken.append((x, x + width, y + up))
        shift = {"xytext": (6, up), "textcoords": "offset points"}
        axes.annotate(label, place, fontsize=8, color=_colour(point), **shift)


def _shown(name: str) -> str:
    """A name from outside, short enough for the picture and of characters that SVG may hold."""
    text = printable_line(name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _colour(point: Point) -> str:
    return _BAD if point.red else _GOOD
