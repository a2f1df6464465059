"""Every artifact of a run: how it was made, how fast it is, and what it answers otherwise."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Sequence

from pytest_edgegate.core.shown_record import (
    AnswersRecord,
    ClassRecord,
    FlipRecord,
    MakingRecord,
)
from pytest_edgegate.reports.artifacts import Seen, lines_of
from pytest_edgegate.reports.html.axes import Axis
from pytest_edgegate.reports.html.latencies import latency_figure
from pytest_edgegate.reports.html.links import answers_of, figure_of, name_at
from pytest_edgegate.reports.html.markup import Content, Element, element
from pytest_edgegate.reports.html.words import badge, code, counted, facts, listed, table, without
from pytest_edgegate.spelling import spell_bytes

_PNG = b"\x89PNG\r\n\x1a\n"


def artifacts_section(
    artifacts: Sequence[Seen], left_out: int, *, pictures: bool
) -> Element | None:
    if not artifacts:
        return None
    return element(
        "section",
        element("h2", f"Artifacts ({len(artifacts) + left_out:,})", id="artifacts-title"),
        (
            _artifact(label, figures, each, name_at(at), pictures=pictures)
            for at, (label, figures, each) in enumerate(lines_of(artifacts))
        ),
        without(left_out, "artifact"),
        id="artifacts",
        aria_labelledby="artifacts-title",
    )


def _artifact(label: str, figures: str, of: Seen, name: str, *, pictures: bool) -> Element:
    red = any(each.red for each in of.verdicts)
    answers = next((each.answers for each in of.figures if each.answers), None)
    making = next((each.making for each in of.figures if each.making), None)
    return element(
        "details",
        element(
            "summary",
            element("h3", code(label)),
            element("span", figures.replace(" -> ", " \u2192 "), class_="about"),
            badge("\u2715", "red", "red") if red else badge("\u2713", "not red", "green"),
        ),
        element(
            "div",
            _making(of, making),
            _latencies(of, name),
            None
            if answers is None
            else _answers(answers, name, pictures=pictures, was_accepted=_was_accepted(of)),
            class_="inside",
        ),
        class_=f"group {'red' if red else 'calm'}",
        id=name,
    )


def _making(of: Seen, making: MakingRecord | None) -> Element:
    artifact = of.artifact
    accepted = next((each.accepted for each in of.figures if each.accepted), None)
    pairs = [
        (
            "Recipe",
            listed([*artifact.recipe], "lines") if artifact.recipe else "none: a given file",
        ),
        *_made(making),
        ("Format", artifact.format),
        ("Size", f"{spell_bytes(artifact.size_bytes)} ({artifact.size_bytes:,} bytes)"),
        ("SHA-256", element("code", artifact.sha256, class_="long")),
        ("Accepted", None if accepted is None else _accepted(accepted.sha256, accepted.size_bytes)),
        ("About the file", listed(of.about)),
    ]
    return element("div", element("h4", "How it was made"), facts(pairs))


def _accepted(digest: str, size: int) -> list[Element | str]:
    return [element("code", digest[:16], title=digest), f", {spell_bytes(size)}"]


def _made(making: MakingRecord | None) -> Iterator[tuple[str, Element | str | None]]:
    if making is None:
        return
    yield "Model", code(making.model)
    yield "Plan", making.plan
    stages = (
        element(
            "li",
            code(each.transform),
            f": {each.step or 'export'}",
            " (from the cache)" if each.cached else "",
        )
        for each in making.stages
    )
    yield "Stages", element("ol", stages) if making.stages else None
    tools = [f"{name} {version}" for name, version in sorted(making.tools.items())]
    yield "Tools", listed(tools, "tags")
    yield "Type", making.dtype
    yield "Notes", listed(making.notes)


def _latencies(of: Seen, name: str) -> Element | None:
    drawn = (latency_figure(each, figure_of(name, at)) for at, each in enumerate(of.verdicts))
    figures = [each for each in drawn if each is not None]
    return element("div", element("h4", "Latency"), figures) if figures else None


def _was_accepted(of: Seen) -> bool:
    return any(each.accepted for each in of.figures) or any(each.accepted for each in of.verdicts)


def _answers(answers: AnswersRecord, name: str, *, pictures: bool, was_accepted: bool) -> Element:
    """Classes and samples of the model under test and of the artifact. *was_accepted*: whether a
    reader may take it for what has changed since."""
    shares = [share for each in answers.classes for share in _shares(each)]
    least = math.floor(10 * min(shares, default=0.0)) / 10
    least = min(least, 0.9)
    return element(
        "div",
        element("h4", "Classes, against the model under test"),
        element(
            "p",
            "This artifact beside the model under test of this run, and not beside what was "
            "accepted: the details of a regression tell the samples that it lost since.",
            class_="note",
        )
        if was_accepted
        else None,
        element(
            "p",
            f"Right in the model under test and wrong in the artifact: {answers.lost:,} of "
            f"{counted(answers.n, 'sample')}; the other way round: {answers.gained:,}.",
        ),
        table(
            "Accuracy of each class, those that lost most first",
            ("class", "samples", "model", "artifact", "change", f"{least:g} to 1"),
            (_class(each, least) for each in answers.classes),
            "classes",
        ),
        element("p", f"and {answers.more_classes:,} more in the evaluation samples")
        if answers.more_classes
        else None,
        _flips(answers, pictures=pictures),
        id=answers_of(name),
    )


def _shares(each: ClassRecord) -> tuple[float, float]:
    """Of its samples that are right, before and after."""
    return each.reference / max(each.n, 1), each.artifact / max(each.n, 1)


def _class(each: ClassRecord, least: float) -> list[Content]:
    before, after = _shares(each)
    change = each.artifact - each.reference
    return [
        str(each.label),
        f"{each.n:,}",
        f"{before:.3f}",
        f"{after:.3f}",
        f"{change:+,}".replace("-", "\u2212") if change else "0",
        _dumbbell(before, after, least),
    ]


def _dumbbell(before: float, after: float, least: float) -> Element:
    """A ring for the model, a dot for the artifact, on an axis from *least* to 1."""
    x = Axis(least, 1.0, 6, 94)
    left, right = x.at(before), x.at(after)
    return element(
        "svg",
        element("path", d="M6 8H94", class_="grid"),
        element("path", d=f"M{left} 8H{right}", class_="way"),
        element("circle", cx=left, cy=8, r=5, class_="ring"),
        element("circle", cx=right, cy=8, r=3.5, class_="dot"),
        viewBox="0 0 100 16",
        class_=f"dumbbell {'red' if after < before else 'green'}",
        aria_hidden="true",
    )


def _flips(answers: AnswersRecord, *, pictures: bool) -> list[Element] | None:
    if not answers.flips:
        return None
    more = answers.lost - len(answers.flips)
    return [
        element("h4", "Samples that flipped: right in the model under test, wrong in the artifact"),
        element(
            "ul",
            (_flip(each, picture=pictures) for each in answers.flips),
            class_="flips",
        ),
        *([element("p", f"and {counted(more, 'more sample')}")] if more > 0 else []),
    ]


def _flip(flip: FlipRecord, *, picture: bool) -> Element:
    said = f"sample {flip.sample}, label {flip.label}: {flip.reference} \u2192 {flip.artifact}"
    drawn = None
    if picture and _is_png(flip.picture):
        source = f"data:image/png;base64,{flip.picture}"
        drawn = element("img", src=source, alt=f"sample {flip.sample}")
    return element("li", drawn, element("span", said))


def _is_png(text: str) -> bool:
    """Whether a text of the record is a picture that this package has written."""
    try:
        return base64.b64decode(text, validate=True).startswith(_PNG)
    except (binascii.Error, ValueError):  # a report that was edited
        return False
