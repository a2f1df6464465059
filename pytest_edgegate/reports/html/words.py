"""Pieces of the page that several of its parts have: badges, lists of facts, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.html.markup import Content, Element, element
from pytest_edgegate.reports.table import HEADINGS, row

_MARKS = {
    Outcome.PASS: "\u2713",
    Outcome.FAIL: "\u2715",
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_MEASURED: "\u2013",
}
"""Outcomes are told apart by their word, a sign and a colour."""


def cells_of(verdict: VerdictRecord) -> dict[str, str]:
    """The figures of a verdict as the table on the terminal has them, by its headings."""
    return dict(zip(HEADINGS, row(verdict), strict=True))


def tone_of(verdict: VerdictRecord) -> str:
    """The class of its colour."""
    if verdict.red:
        return "red"
    if verdict.outcome is not Outcome.PASS:
        return "amber"
    return "green"


def badge_of(verdict: VerdictRecord) -> Element:
    word = cells_of(verdict)["verdict"]
    word = word.removesuffix(", proven").removesuffix(", not proven")
    return badge(_MARKS[verdict.outcome], word.lower(), tone_of(verdict))


def badge(mark: str, text: str, tone: str) -> Element:
    return element(
        "span", element("span", mark, aria_hidden="true"), f" {text}", class_=f"badge {tone}"
    )


def facts(pairs: Iterable[tuple[str, Content]], kind: str = "facts") -> Element:
    """A list of names with their values; an empty value is left out."""
    return element(
        "dl",
        (
            element("div", element("dt", name), element("dd", value))
            for name, value in pairs
            if value
        ),
        class_=kind,
    )


def code(text: str) -> Element:
    """A name of something, in its own direction of writing."""
    return element("bdi", element("code", text))


def listed(texts: Sequence[str], kind: str = "") -> Element | None:
    if not texts:
        return None
    return element("ul", (element("li", each) for each in texts), class_=kind or None)


def table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[Content]],
    kind: str = "",
) -> Element:
    """A table whose first cells name their rows; it scrolls by itself where it is too wide."""
    head = (element("th", each, scope="col") for each in headings)
    body = (
        element(
            "tr",
            element("th", first, scope="row"),
            (element("td", each) for each in others),
        )
        for first, *others in rows
    )
    drawn = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", head)),
        element("tbody", body),
        class_=kind or None,
    )
    return element("div", drawn, class_="wide", tabindex=0, role="region", aria_label=caption)


def counted(number: int, thing: str) -> str:
    """``1 verdict``, ``2 verdicts``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def without(left_out: int, thing: str) -> Element | None:
    """What the page has no room for."""
    if not left_out:
        return None
    text = f"{counted(left_out, f'more {thing}')} would not fit: the JSON report has them all."
    return element("p", text, class_="note")
