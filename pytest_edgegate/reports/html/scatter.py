"""Size against accuracy, as SVG: every artifact of the run, the accepted ones, and the budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from pytest_edgegate.reports.html.axes import Axis, axis
from pytest_edgegate.reports.html.labels import (
    LETTER,
    LINE,
    Anchor,
    Box,
    Label,
    Room,
    apart,
    around,
    line,
)
from pytest_edgegate.reports.html.markup import Content, Element, element
from pytest_edgegate.reports.html.words import badge, code, counted, table
from pytest_edgegate.reports.panels import Before, Panel, Point
from pytest_edgegate.spelling import spell_bytes, spell_value

_WIDTH, _HEIGHT = 400, 290
"""As narrow as the window of a telephone, so that the text is still large enough there."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 12, 10, 42
_RADIUS, _DIAMOND = 4, 6
_SIDES: tuple[tuple[Anchor, int], ...] = (("start", 1), ("end", -1), ("middle", 0))
_MOST_ROWS = 5
"""Of the names of limits on the size, above each other."""
_MOST_POINTS = 60
_BEYOND = 5
"""Points that are more than so many times a budget below the model lie at the edge, as one of them
would press all others into a line."""


def scatter_section(panels: Sequence[Panel]) -> Element | None:
    drawn = [each for each in panels if each.points]
    if not drawn:
        return None
    return element(
        "section",
        element("h2", "Size against accuracy", id="sizes-title"),
        element(
            "p",
            "Accuracy is relative to the model under test, in points (0.01 is one percentage "
            "point). Up and to the left is better; what lies beyond a dashed line is over a "
            "budget, and an arrow points to what lies far below.",
            _about_accepted(drawn),
            class_="note",
        ),
        (_figure(each, f"s{at}") for at, each in enumerate(drawn)),
        id="sizes",
        aria_labelledby="sizes-title",
    )


def _about_accepted(panels: Sequence[Panel]) -> str | None:
    """What a diamond is beside, as the model may be another one since."""
    before = [each.accepted for panel in panels for each in panel.points if each.accepted]
    if not before:
        return None
    told = (
        " A diamond is what was accepted before, relative to the model under test of then, which "
        "may be another one now."
    )
    if all(each.points is not None for each in before):
        return told
    return (
        f"{told} It has none where its accuracy beside that model is not known: no accuracy_drop "
        "was accepted, and the model or the samples are others now."
    )


def _figure(panel: Panel, name: str) -> Element:
    points = panel.points[:_MOST_POINTS]
    more = len(panel.points) - len(points)
    return element(
        "figure",
        element("figcaption", element("h3", code(panel.title))),
        element(
            "div",
            element("div", _picture(panel, points, name), class_="wide picture"),
            _legend(panel, points),
            class_="pair",
        ),
        element("p", f"{counted(more, 'more artifact')} in the JSON report.") if more else None,
    )


def _legend(panel: Panel, points: Sequence[Point]) -> Element:
    changed = any(each.accepted for each in points)
    headings = ("", "artifact", "size", "accuracy", *(["accepted"] if changed else []))
    rows = (_row(each, at, changed=changed) for at, each in enumerate(points, 1))
    return table(f"Artifacts for {panel.title}", headings, rows, "legend")


def _row(point: Point, number: int, *, changed: bool) -> list[Content]:
    return [
        badge("\u2715" if point.red else "", str(number), "red" if point.red else "green"),
        code(point.label),
        spell_bytes(point.size),
        _signed(point.points),
        *([_accepted(point)] if changed else []),
    ]


def _accepted(point: Point) -> Content:
    if point.accepted is None:
        return None
    size, points = point.accepted.size, point.accepted.points
    known = "accuracy not known" if points is None else _signed(points)
    return [f"{spell_bytes(size)}, ", element("br"), known]


def _signed(points: float) -> str:
    text = spell_value("accuracy_drop", abs(points))
    return f"\u2212{text}" if points < 0 else f"+{text}" if points else text


def _picture(panel: Panel, points: Sequence[Point], name: str) -> Element:
    x = _sizes(panel, points)
    named = _size_labels(panel, x)
    top = _TOP + LINE * max((row + 1 for row, _ in named.values()), default=0)
    y = _heights(panel, points, top)
    room = Room(
        Box(_LEFT, top, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM),
        _taken(panel, points, x, y),
        faint=line((_LEFT, y.at(0)), (_WIDTH - _RIGHT, y.at(0))),
    )
    return element(
        "svg",
        element("title", f"Size against accuracy for {panel.title}", id=f"{name}-title"),
        element("desc", _said(panel, points), id=f"{name}-desc"),
        _grid(x, y),
        (_size_limit(each, x, y, named.get(each)) for each in panel.sizes),
        (_drop_limit(each, y) for each in panel.drops),
        (_before(each, x, y) for each in points),
        (_point(each, x, y) for each in sorted(points, key=lambda each: each.red)),
        _numbers(points, x, y, room),
        _drop_labels(panel, y, room),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _sizes(panel: Panel, points: Sequence[Point]) -> Axis:
    before = [float(each.size) for each in _drawn_before(points)]
    sizes = [float(each.size) for each in points]
    return axis([*sizes, *before, *panel.sizes], _LEFT, _WIDTH - _RIGHT, sizes=True)


def _heights(panel: Panel, points: Sequence[Point], top: float) -> Axis:
    heights = [each.points for each in points]
    heights += [each.points for each in _drawn_before(points) if each.points is not None]
    heights += [-each for each in panel.drops]
    if panel.drops and max(panel.drops) > 0:
        least = -_BEYOND * max(panel.drops)
        heights = [max(each, least) for each in heights]
    return axis([0.0, *heights], _HEIGHT - _BOTTOM, top)


def _drawn_before(points: Sequence[Point]) -> list[Before]:
    """What was accepted, as far as it has a place in the picture."""
    before = [each.accepted for each in points if each.accepted is not None]
    return [each for each in before if each.points is not None]


def _said(panel: Panel, points: Sequence[Point]) -> str:
    red = sum(each.red for each in points)
    limits = [
        *(f"size at most {spell_bytes(each)}" for each in panel.sizes),
        *(f"accuracy drop at most {each:g}" for each in panel.drops),
    ]
    budgets = f" Budgets: {', '.join(limits)}." if limits else ""
    return f"{counted(len(points), 'artifact')}, {red} red.{budgets} The table has the figures."


def _grid(x: Axis, y: Axis) -> Iterator[Element]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for value in x.ticks():
        yield element("path", d=f"M{x.at(value)} {y.end}V{bottom}", class_="grid")
    named = ((x.at(value), spell_bytes(value)) for value in x.ticks())
    for each in apart(named, within=(0, _WIDTH)):
        yield element("text", each.text, x=each.x, y=bottom + 15, class_="middle")
    for value in y.ticks():
        at = y.at(value)
        kind = "grid zero" if value == 0 else "grid"
        yield element("path", d=f"M{_LEFT} {at}H{right}", class_=kind)
        text = f"{value:g}".replace("-", "\u2212")
        yield element("text", text, x=_LEFT - 6, y=at + 4, class_="end")
    yield element(
        "text",
        "size of what ships",
        x=(_LEFT + right) / 2,
        y=_HEIGHT - 8,
        class_="middle",
    )
    middle = (y.end + bottom) / 2
    yield element(
        "text",
        "points beside the model",
        transform=f"translate(13 {middle}) rotate(-90)",
        class_="middle",
    )


def _size_labels(panel: Panel, x: Axis) -> dict[float, tuple[int, Label]]:
    """The row above the picture, and the name, of each limit on the size, none of which covers
    another or the line of another. Places are relative to the upper end of the picture."""
    room = Room(Box(0, -LINE * _MOST_ROWS - 4, _WIDTH, 2))
    found: dict[float, tuple[int, Label]] = {}
    anchors: tuple[Anchor, ...] = ("middle", "end", "start")
    places = [x.at(each) for each in panel.sizes]
    for value, at in zip(panel.sizes, places, strict=True):
        others = [each for each in places if each > at]  # the lines of those before are taken
        # First without covering where a line of another would come up from a higher row
        for lone, row, anchor in product((True, False), range(_MOST_ROWS), anchors):
            label = Label(f"size \u2264 {spell_bytes(value)}", at, -LINE * row - 4, anchor)
            [way] = line((at, label.box.bottom + 1), (at, 0))
            if lone and any(label.box.left - 2 < each < label.box.right + 2 for each in others):
                continue
            if room.fits(label.box) and room.fits(way):
                room.taken += [label.box, way]
                found[value] = row, label
                break
    return found


def _size_limit(
    value: float, x: Axis, y: Axis, named: tuple[int, Label] | None
) -> Iterator[Element]:
    at, up = x.at(value), y.end - (0 if named is None else LINE * named[0])
    title = element("title", f"size \u2264 {spell_bytes(value)}")
    yield element("path", title, d=f"M{at} {up}V{_HEIGHT - _BOTTOM}", class_="limit")
    if named is not None:
        yield _text(replace(named[1], y=y.end + named[1].y), "limit-text")


def _drop_limit(value: float, y: Axis) -> Element:
    title = element("title", f"drop \u2264 {value:g}")
    return element("path", title, d=f"M{_LEFT} {y.at(-value)}H{_WIDTH - _RIGHT}", class_="limit")


def _drop_labels(panel: Panel, y: Axis, room: Room) -> Iterator[Element]:
    for value in panel.drops:
        at, text = y.at(-value), f"drop \u2264 {value:g}"
        ends = range(_LEFT + 4, int(_WIDTH - _RIGHT - LETTER * len(text)), 8)
        places = (Label(text, left, at + up) for left in ends for up in (12, -5))
        yield _text(room.best(places), "limit-text")


def _text(label: Label, kind: str) -> Element:
    anchor = "" if label.anchor == "start" else f" {label.anchor}"
    return element("text", label.text, x=label.x, y=round(label.y, 1), class_=f"{kind}{anchor}")


def _taken(panel: Panel, points: Sequence[Point], x: Axis, y: Axis) -> list[Box]:
    """What no label should cover."""
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    found = [
        *(box for each in panel.sizes for box in line((x.at(each), y.end), (x.at(each), bottom))),
        *(box for each in panel.drops for box in line((_LEFT, y.at(-each)), (right, y.at(-each)))),
    ]
    for each in points:
        at = x.at(each.size), y.at(each.points)
        found.append(around(*at, _RADIUS + 1))
        if each.low is not None and each.high is not None:
            found += line((at[0], y.at(each.high)), (at[0], y.at(each.low)))
        if each.points < y.low:
            found.append(Box(at[0] - 6, at[1] - 26, at[0] + 6, at[1]))
        if each.accepted is not None and each.accepted.points is not None:
            before = x.at(each.accepted.size), y.at(each.accepted.points)
            found += [around(*before, _DIAMOND + 1), *line(before, at, parts=12)]
    return found


def _before(point: Point, x: Axis, y: Axis) -> Iterable[Element]:
    """The accepted artifact, and the way from it to this one."""
    if point.accepted is None or point.accepted.points is None:
        return
    to = x.at(point.size), y.at(point.points)
    left, top, one = x.at(point.accepted.size), y.at(point.accepted.points), _DIAMOND
    yield element("path", d=f"M{left} {top}L{to[0]} {to[1]}", class_="way")
    shape = f"M{round(left - one, 1)} {top}l{one} -{one} {one} {one} -{one} {one}z"
    yield element("path", d=shape, class_="accepted")


def _point(point: Point, x: Axis, y: Axis) -> Element:
    left, top = x.at(point.size), y.at(point.points)
    size = 2 * _RADIUS
    shape = (
        element(
            "rect",
            x=round(left - _RADIUS, 1),
            y=round(top - _RADIUS, 1),
            width=size,
            height=size,
        )
        if point.red
        else element("circle", cx=left, cy=top, r=_RADIUS)
    )
    interval = None
    if point.low is not None and point.high is not None:
        interval = element("path", d=f"M{left} {y.at(point.low)}V{y.at(point.high)}", class_="bar")
    beyond = None
    if point.points < y.low:
        beyond = element("path", d=f"M{left} {top - 24}v17m-5 -6l5 6 5 -6", class_="beyond")
    said = f"{point.label}: {spell_bytes(point.size)}, {_signed(point.points)}"
    return element(
        "g",
        element("title", said),
        interval,
        beyond,
        shape,
        class_=f"point {'red' if point.red else 'green'}",
    )


def _numbers(points: Sequence[Point], x: Axis, y: Axis, room: Room) -> Iterator[Element]:
    """The numbers of the table beside the points, each as near as there is room."""
    for number, point in enumerate(points, 1):
        left, top = x.at(point.size), y.at(point.points) + 4
        places = (
            Label(str(number), left + right * (8 + far), top + down, anchor)
            for far in (0, 6, 14, 24)
            for down in (0, -far - 6, far + 6, -far - 12, far + 12)
            for anchor, right in _SIDES
            if down or right
        )
        found = room.best(places)
        yield _text(found, f"number {'red' if point.red else 'green'}")
