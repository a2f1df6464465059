"""Size against accuracy, as SVG: every artifact of the run, the accepted ones, and the budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_edgegate.reports.html.axes import Axis, axis
from pytest_edgegate.reports.html.markup import Content, Element, element
from pytest_edgegate.reports.html.words import badge, code, counted, table
from pytest_edgegate.reports.panels import Panel, Point
from pytest_edgegate.spelling import spell_bytes, spell_value

_WIDTH, _HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 16, 16, 52
_RADIUS = 5
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
            "budget, and an arrow points to what lies far below. A diamond is what was accepted "
            "before.",
            class_="note",
        ),
        (_figure(each, f"s{at}") for at, each in enumerate(drawn)),
        id="sizes",
        aria_labelledby="sizes-title",
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
    size, points = point.accepted
    return [f"{spell_bytes(size)}, ", element("br"), _signed(points)]


def _signed(points: float) -> str:
    text = spell_value("accuracy_drop", abs(points))
    return f"\u2212{text}" if points < 0 else f"+{text}" if points else text


def _picture(panel: Panel, points: Sequence[Point], name: str) -> Element:
    x, y = _axes(panel, points)
    return element(
        "svg",
        element("title", f"Size against accuracy for {panel.title}", id=f"{name}-title"),
        element("desc", _said(panel, points), id=f"{name}-desc"),
        _grid(x, y),
        _limits(panel, x, y),
        (_before(each, x, y) for each in points),
        (_point(each, x, y) for each in sorted(points, key=lambda each: each.red)),
        _numbers(points, x, y),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _axes(panel: Panel, points: Sequence[Point]) -> tuple[Axis, Axis]:
    before = [each.accepted for each in points if each.accepted]
    sizes = [float(each.size) for each in points] + [float(size) for size, _ in before]
    heights = [each.points for each in points] + [above for _, above in before]
    heights += [-each for each in panel.drops]
    if panel.drops and max(panel.drops) > 0:
        least = -_BEYOND * max(panel.drops)
        heights = [max(each, least) for each in heights]
    x = axis([*sizes, *panel.sizes], _LEFT, _WIDTH - _RIGHT, sizes=True)
    return x, axis([0.0, *heights], _HEIGHT - _BOTTOM, _TOP)


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
        at = x.at(value)
        yield element("path", d=f"M{at} {_TOP}V{bottom}", class_="grid")
        yield element("text", spell_bytes(value), x=at, y=bottom + 18, class_="middle")
    for value in y.ticks():
        at = y.at(value)
        kind = "grid zero" if value == 0 else "grid"
        yield element("path", d=f"M{_LEFT} {at}H{right}", class_=kind)
        text = f"{value:g}".replace("-", "\u2212")
        yield element("text", text, x=_LEFT - 8, y=at + 4, class_="end")
    yield element(
        "text",
        "size of what ships",
        x=(_LEFT + right) / 2,
        y=_HEIGHT - 10,
        class_="middle title",
    )
    middle = (_TOP + bottom) / 2
    yield element(
        "text",
        "points beside the model",
        transform=f"translate(16 {middle}) rotate(-90)",
        class_="middle title",
    )


def _limits(panel: Panel, x: Axis, y: Axis) -> Iterator[Element]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    rows = _apart([x.at(each) for each in panel.sizes], 200)
    for value, row in zip(panel.sizes, rows, strict=True):
        at = x.at(value)
        yield element("path", d=f"M{at} {_TOP}V{bottom}", class_="limit")
        text = f"size \u2264 {spell_bytes(value)}"
        near = at > right - 100
        place = at - 5 if near else at + 5
        kind = "limit-text end" if near else "limit-text"
        yield element("text", text, x=place, y=(_TOP + bottom) // 2 + 15 * row, class_=kind)
    rows = _apart([y.at(-each) for each in panel.drops], 14)
    for value, row in zip(panel.drops, rows, strict=True):
        at = y.at(-value)
        yield element("path", d=f"M{_LEFT} {at}H{right}", class_="limit")
        text, place = f"drop \u2264 {value:g}", _LEFT + 6 + 90 * row
        yield element("text", text, x=place, y=at + 14, class_="limit-text")


def _apart(places: Sequence[float], room: float) -> list[int]:
    """The row, or column, of each label, so that those side by side do not cover each other."""
    rows: list[int] = []
    for at, place in enumerate(places):
        near = [rows[other] for other in range(at) if abs(places[other] - place) < room]
        rows.append(next(row for row in range(len(near) + 1) if row not in near))
    return rows


def _before(point: Point, x: Axis, y: Axis) -> Iterable[Element]:
    """The accepted artifact, and the way from it to this one."""
    if point.accepted is None:
        return
    size, above = point.accepted
    to, (left, top) = (x.at(point.size), y.at(point.points)), (x.at(size), y.at(above))
    yield element("path", d=f"M{left} {top}L{to[0]} {to[1]}", class_="way")
    yield element("path", d=f"M{left - 8} {top}l8 -8 8 8 -8 8z", class_="accepted")


def _point(point: Point, x: Axis, y: Axis) -> Element:
    left, top = x.at(point.size), y.at(point.points)
    size = 2 * _RADIUS
    shape = (
        element("rect", x=left - _RADIUS, y=top - _RADIUS, width=size, height=size)
        if point.red
        else element("circle", cx=left, cy=top, r=_RADIUS)
    )
    interval = None
    if point.low is not None and point.high is not None:
        interval = element("path", d=f"M{left} {y.at(point.low)}V{y.at(point.high)}", class_="bar")
    beyond = None
    if point.points < y.low:
        beyond = element("path", d=f"M{left} {top - 26}v18m-5 -6l5 6 5 -6", class_="beyond")
    said = f"{point.label}: {spell_bytes(point.size)}, {_signed(point.points)}"
    return element(
        "g",
        element("title", said),
        interval,
        beyond,
        shape,
        class_=f"point {'red' if point.red else 'green'}",
    )


def _numbers(points: Sequence[Point], x: Axis, y: Axis) -> Iterator[Element]:
    """The numbers of the table beside the points, each moved until it covers no other: towards the
    middle, where there is room."""
    taken: list[tuple[float, float]] = []
    middle = (_HEIGHT - _BOTTOM + _TOP) / 2
    numbered = sorted(enumerate(points, 1), key=lambda each: (each[1].points, each[0]))
    for number, point in numbered:
        left, top = x.at(point.size) + 9, y.at(point.points) + 4
        step = 1 if top < middle else -1
        while any(abs(left - one) < 20 and abs(top - other) < 14 for one, other in taken):
            top += step
        taken.append((left, top))
        tone = "red" if point.red else "green"
        yield element("text", str(number), x=left, y=round(top, 1), class_=f"number {tone}")
