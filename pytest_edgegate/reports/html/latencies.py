"""Distributions of single inferences, of an artifact and of the file that it was compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.core.shown_record import SHARES, TimesRecord
from pytest_edgegate.reports.html.axes import Axis, axis
from pytest_edgegate.reports.html.labels import LETTER, apart
from pytest_edgegate.reports.html.markup import Element, element
from pytest_edgegate.reports.html.words import table
from pytest_edgegate.spelling import spell_time

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 400, 12, 12, 78, 20, 24
"""As narrow as the window of a telephone, so that the text is still large enough there."""
_NAME = 16
"""The height of the name of a side, which stands above its distribution."""
_NAMED = {"smallest": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "p99": 0.99, "largest": 1.0}
_P95, _P99 = SHARES.index(0.95), SHARES.index(0.99)
_FAR = 2
"""Times beyond so many times the p95 are in the table alone, and a limit beyond so many times all
that is drawn is named at the edge: they would take all the room."""


def latency_figure(verdict: VerdictRecord, name: str) -> Element | None:
    """The distributions that a verdict on a latency was read from."""
    times = None if verdict.measured is None else verdict.measured.times
    if times is None or not times.artifact:
        return None
    sides = _sides(verdict, times)
    limit = verdict.budget.limit if verdict.budget.unit == "s" else None
    metric = verdict.budget.metric
    return element(
        "figure",
        element("figcaption", f"{metric}: single inferences, {times.n:,} of the artifact"),
        element(
            "div",
            element("div", _picture(metric, sides, limit, name), class_="wide picture"),
            table(
                f"Times of {metric}",
                ("", *(title for title, _ in sides)),
                (
                    (named, *(spell_time(found[SHARES.index(share)]) for _, found in sides))
                    for named, share in _NAMED.items()
                ),
                "times",
            ),
            class_="pair",
        ),
        id=name,
    )


def _sides(verdict: VerdictRecord, times: TimesRecord) -> list[tuple[str, Sequence[float]]]:
    other = verdict.budget.kind.against or "other file"
    return [("artifact", times.artifact), *([(other, times.other)] if times.other else [])]


def _picture(
    metric: str,
    sides: Sequence[tuple[str, Sequence[float]]],
    limit: float | None,
    name: str,
) -> Element:
    x, bottom = _axis(sides, limit), _TOP + _ROW * len(sides)
    medians = ", ".join(f"{title} {spell_time(_median(found))}" for title, found in sides)
    return element(
        "svg",
        element("title", f"Distribution of {metric}", id=f"{name}-title"),
        element("desc", f"Medians: {medians}.", id=f"{name}-desc"),
        _grid(x, bottom),
        (_side(found, x, _TOP + _ROW * at) for at, (_, found) in enumerate(sides)),
        None if limit is None else _limit(limit, x, bottom),
        (
            _name(title, limit, x, _TOP + _ROW * at + _NAME - 4)
            for at, (title, _) in enumerate(sides)
        ),
        viewBox=f"0 0 {_WIDTH} {bottom + _BOTTOM}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _axis(sides: Sequence[tuple[str, Sequence[float]]], limit: float | None) -> Axis:
    ends = [each for _, found in sides for each in (found[0], found[_last(found)])]
    if limit is not None and limit <= _FAR * max(ends):
        ends.append(limit)
    x = axis(ends, _LEFT, _WIDTH - _RIGHT)
    return replace(x, low=max(x.low, 0.0))


def _last(found: Sequence[float]) -> int:
    """The last of the quantiles that are drawn."""
    return _P99 if found[_P99] <= _FAR * found[_P95] else _P95


def _grid(x: Axis, bottom: float) -> Iterator[Element]:
    ticks = x.ticks()
    for value in ticks:
        yield element("path", d=f"M{x.at(value)} {_TOP}V{bottom}", class_="grid")
    named = ((x.at(value), spell_time(value) if value else "0") for value in ticks)
    for each in apart(named, within=(0, _WIDTH)):
        yield element("text", each.text, x=each.x, y=bottom + 16, class_="middle")


def _limit(limit: float, x: Axis, bottom: float) -> list[Element]:
    text = f"limit {spell_time(limit)}"
    if limit > x.high:
        end = _WIDTH - _RIGHT
        return [element("text", f"{text} \u2192", x=end, y=_TOP - 6, class_="limit-text end")]
    at, half = x.at(limit), LETTER * len(text) / 2
    place = round(min(max(at, half), _WIDTH - half), 1)
    return [
        element("path", d=f"M{at} {_TOP - 2}V{bottom}", class_="limit"),
        element("text", text, x=place, y=_TOP - 6, class_="limit-text middle"),
    ]


def _name(title: str, limit: float | None, x: Axis, base: float) -> Element:
    """The name of a side, at the left, or at the right where the line of a limit is at the left."""
    strikes = limit is not None and x.at(limit) <= _LEFT + LETTER * len(title) + LETTER
    if strikes:
        return element("text", title, x=_WIDTH - _RIGHT, y=base, class_="name end")
    return element("text", title, x=_LEFT, y=base, class_="name")


def _median(found: Sequence[float]) -> float:
    return found[SHARES.index(0.5)]


def _side(found: Sequence[float], x: Axis, top: float) -> Iterator[Element]:
    """A column for the times between two quantiles, as high as they are dense; and the median."""
    base, room, last = top + _ROW - 6, _ROW - 6 - _NAME - 4, _last(found)
    quantiles = list(zip(SHARES, found, strict=True))[: last + 1]
    least = (found[last] - found[0]) / 200 or 1e-12
    columns = [
        (low, high, (until - since) / max(high - low, least))
        for (since, low), (until, high) in pairwise(quantiles)
    ]
    highest = max(density for *_, density in columns)
    outline = [f"M{x.at(found[0])} {base}"]
    for low, high, density in columns:
        height = round(base - room * density / highest, 1)
        outline.append(f"L{x.at(low)} {height}L{x.at(high)} {height}")
    outline.append(f"L{x.at(found[last])} {base}z")
    middle = x.at(_median(found))
    yield element("path", d="".join(outline), class_="density" if top == _TOP else "density other")
    yield element("path", d=f"M{_LEFT} {base}H{_WIDTH - _RIGHT}", class_="grid zero")
    yield element("path", d=f"M{middle} {top + _NAME}V{base}", class_="median")
