"""The whole page of a run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import RunRecord, VerdictRecord
from pytest_edgegate.reports.artifacts import Seen, seen
from pytest_edgegate.reports.html.artifacts import artifacts_section
from pytest_edgegate.reports.html.links import Links
from pytest_edgegate.reports.html.markup import Element, Verbatim, element, written
from pytest_edgegate.reports.html.merged import disagreements_section, machines
from pytest_edgegate.reports.html.scatter import scatter_section
from pytest_edgegate.reports.html.verdicts import (
    Group,
    errors_section,
    groups_of,
    verdicts_section,
)
from pytest_edgegate.reports.html.words import badge, counted
from pytest_edgegate.reports.panels import panels_of
from pytest_edgegate.reports.places import roots_of

MOST_BYTES = 2_000_000
_MOST_VERDICTS, _MOST_ARTIFACTS, _MOST_ERRORS = 3_000, 500, 1_000
"""More are not even tried: they do not fit."""
_STYLE, _SCRIPT = "style.css", "script.js"


@dataclass(frozen=True)
class _Room:
    """How much a page shows of a run."""

    verdicts: int
    artifacts: int
    errors: int
    pictures: bool = True

    def less(self, size: int) -> _Room:
        """For a page that came to *size* bytes, which are too many."""
        if self.pictures:
            return replace(self, pictures=False)
        share = 0.9 * min(MOST_BYTES / size, 1.0)
        verdicts, artifacts, errors = (
            int(share * each) for each in (self.verdicts, self.artifacts, self.errors)
        )
        return replace(self, verdicts=verdicts, artifacts=artifacts, errors=errors)

    @property
    def is_empty(self) -> bool:
        return not (self.verdicts or self.artifacts or self.errors)


def html_of(run: RunRecord) -> bytes:
    """The report as HTML in UTF-8, at most ``MOST_BYTES``: the same record gives the same bytes.

    Of a run that does not fit, pictures are left out first, and then as many verdicts, artifacts
    and errors as it takes, green ones before red ones.
    """
    groups, artifacts = groups_of(run.verdicts), seen(run.verdicts, run.artifacts)
    artifacts.sort(key=lambda of: not any(each.red for each in of.verdicts))
    run = replace(run, errors=tuple(sorted(run.errors, key=lambda each: not each.red)))
    room = _Room(
        verdicts=min(len(run.verdicts), _MOST_VERDICTS),
        artifacts=min(len(artifacts), _MOST_ARTIFACTS),
        errors=min(len(run.errors), _MOST_ERRORS),
    )
    page = written_page(run, groups, artifacts, room)
    while len(page) > MOST_BYTES and not room.is_empty:
        room = room.less(len(page))
        page = written_page(run, groups, artifacts, room)
    return page


def written_page(
    run: RunRecord, groups: Sequence[Group], artifacts: Sequence[Seen], room: _Room
) -> bytes:
    kept, left_out = _within(groups, room.verdicts)
    sections = [
        disagreements_section(run),
        errors_section(run.errors[: room.errors], len(run.errors[room.errors :])),
        verdicts_section(kept, left_out, Links.to(artifacts[: room.artifacts]), roots_of(run)),
        scatter_section(panels_of(run.verdicts, run.artifacts)),
        artifacts_section(
            artifacts[: room.artifacts],
            len(artifacts[room.artifacts :]),
            pictures=room.pictures,
        ),
    ]
    body = element(
        "body",
        element("a", "Skip to the verdicts", href="#verdicts", class_="skip"),
        _head(run, len(artifacts)),
        _contents(sections),
        element("main", sections),
        element(
            "footer",
            element("p", "Drawn from the JSON report of pytest-edgegate, schema 1."),
        ),
        element("p", id="told", class_="told", role="status"),
        element("script", Verbatim(_own(_SCRIPT))),
    )
    page = element("html", _meta(_title(run)), body, lang="en")
    return f"<!DOCTYPE html>\n{written(page)}\n".encode()


def _within(groups: Sequence[Group], most: int) -> tuple[list[Group], int]:
    """The first groups with at most so many verdicts, and the number of the other verdicts."""
    kept, count = [], 0
    for each in groups:
        if count >= most:
            break
        part = replace(each, verdicts=each.verdicts[: most - count])
        kept.append(part)
        count += len(part.verdicts)
    return kept, sum(len(each.verdicts) for each in groups) - count


def _meta(title: str) -> Element:
    style, script = _own(_STYLE), _own(_SCRIPT)
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", Verbatim(style)),
    )


def _own(name: str) -> str:
    return files("pytest_edgegate.reports.html").joinpath(name).read_text("utf-8")


def _digest(text: str) -> str:
    """What a content security policy knows a style sheet or a script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _title(run: RunRecord) -> str:
    return f"Edge gate: {_result(run)}"


def _result(run: RunRecord) -> str:
    red = sum(each.red for each in run.verdicts)
    errors = sum(each.red for each in run.errors)
    parts = [f"{red:,} of {counted(len(run.verdicts), 'verdict')} red"]
    parts += [counted(errors, "error")] if errors else []
    return ", ".join(parts)


def _head(run: RunRecord, artifacts: int) -> Element:
    red = any(each.red for each in run.verdicts) or any(each.red for each in run.errors)
    sign, tone = ("\u2715", "red") if red else ("\u2713", "green")
    return element(
        "header",
        element("h1", "Edge gate ", badge(sign, _result(run), tone)),
        element("dl", _counts(run, artifacts), class_="counts"),
        machines(run),
    )


def _counts(run: RunRecord, artifacts: int) -> Iterator[Element]:
    verdicts = run.verdicts
    tests = len({each.test for each in verdicts} | {each.test for each in run.errors})
    targets = dict.fromkeys(each.target for each in verdicts)
    for name, number, tone in (
        ("red", sum(each.red for each in verdicts), "red"),
        ("errors", sum(each.red for each in run.errors), "red"),
        ("allowed", sum(map(_is_allowed, verdicts)), "amber"),
        ("not proven", sum(map(_is_unproven, verdicts)), "amber"),
        ("pass", sum(each.outcome is Outcome.PASS for each in verdicts), "green"),
        ("tests", tests, ""),
        ("targets", len(targets), ""),
        ("artifacts", artifacts, ""),
    ):
        kind = tone if number else "none"
        yield element("div", element("dt", name), element("dd", f"{number:,}"), class_=kind)


def _is_allowed(verdict: VerdictRecord) -> bool:
    return not verdict.red and verdict.outcome is not Outcome.PASS


def _is_unproven(verdict: VerdictRecord) -> bool:
    is_exact = verdict.budget.kind.rule == "exact"
    return verdict.outcome is Outcome.PASS and not verdict.proven and not is_exact


def _contents(sections: Sequence[Element | None]) -> Element:
    """Links to the sections, by their headings."""
    names = {
        "disagree": "Reports that disagree",
        "errors": "Errors",
        "verdicts": "Verdicts",
        "sizes": "Size against accuracy",
        "artifacts": "Artifacts",
    }
    there = [dict(each.attributes)["id"] for each in sections if each is not None]
    links = (element("li", element("a", names[str(each)], href=f"#{each}")) for each in there)
    return element("nav", element("ul", links), aria_label="On this page")
