"""The verdicts of a run, by test and artifact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import ErrorRecord, VerdictRecord
from pytest_edgegate.core.shown_record import PartRecord
from pytest_edgegate.reports.failure import worst_first
from pytest_edgegate.reports.html.commands import parts_of
from pytest_edgegate.reports.html.links import Links
from pytest_edgegate.reports.html.markup import Content, Element, element
from pytest_edgegate.reports.html.words import (
    badge,
    badge_of,
    cells_of,
    code,
    counted,
    facts,
    listed,
    table,
    without,
)
from pytest_edgegate.reports.places import shown_path
from pytest_edgegate.reports.table import artifact_of, source
from pytest_edgegate.spelling import spell_bytes

_COLUMNS = ("budget", "verdict", "measured", "interval", "limit", "accepted")
_MOST_DETAILS = 40
"""Lines of a verdict; the JSON report has all."""


@dataclass(frozen=True)
class Group:
    """The verdicts of one test on one artifact, the worst first."""

    test: str
    target: str
    artifact: str
    """Its recipe, or the name of its file; empty without one."""
    verdicts: tuple[VerdictRecord, ...]

    @property
    def red(self) -> int:
        return sum(each.red for each in self.verdicts)


def groups_of(verdicts: Iterable[VerdictRecord]) -> list[Group]:
    """Red ones first, then those with something that was allowed or not decided."""
    found: dict[tuple[str, str, str, str], list[VerdictRecord]] = {}
    for each in verdicts:
        digest = "" if each.artifact is None else each.artifact.sha256
        key = (each.test, each.target, artifact_of(each), digest)
        found.setdefault(key, []).append(each)
    groups = [
        Group(test, target, artifact, tuple(worst_first(each)))
        for (test, target, artifact, _), each in found.items()
    ]
    return sorted(groups, key=lambda each: (not each.red, all(map(_passes, each.verdicts))))


def _passes(verdict: VerdictRecord) -> bool:
    return verdict.outcome is Outcome.PASS


def verdicts_section(
    groups: Sequence[Group], left_out: int, links: Links, roots: Sequence[str]
) -> Element:
    """*left_out*: how many verdicts the page has no room for. *links*: to what explains them.
    *roots*: the folders that paths are relative to."""
    total = sum(len(each.verdicts) for each in groups)
    red = sum(each.red for each in groups)
    columns = [each for each in _COLUMNS if each != "accepted" or _any_accepted(groups)]
    return element(
        "section",
        element("h2", "Verdicts", id="verdicts-title"),
        _tools(red, total),
        element(
            "div",
            (_group(each, at, columns, links, roots) for at, each in enumerate(groups)),
            id="groups",
        ),
        element("p", "No verdict matches.", id="nothing", hidden=True) if groups else None,
        None if groups else element("p", "Nothing was judged."),
        without(left_out, "verdict"),
        id="verdicts",
        aria_labelledby="verdicts-title",
    )


def _any_accepted(groups: Iterable[Group]) -> bool:
    return any(one.accepted is not None for each in groups for one in each.verdicts)


def _tools(red: int, total: int) -> Element:
    """The filter and the search, which the script shows: without it they would do nothing."""
    search = element("input", type="search", id="search", autocomplete="off", spellcheck="false")
    return element(
        "div",
        element("div", element("label", "Search", for_="search"), search, class_="field"),
        element(
            "div",
            element("input", type="checkbox", id="failures"),
            element("label", f"Only failures ({red:,})", for_="failures"),
            class_="field",
        ),
        element("button", "Open all", type="button", id="open-all"),
        element("button", "Close all", type="button", id="close-all"),
        element("p", counted(total, "verdict"), id="shown", role="status"),
        class_="tools",
        role="search",
        aria_label="Verdicts",
        hidden=True,
    )


def _group(
    group: Group, at: int, columns: Sequence[str], links: Links, roots: Sequence[str]
) -> Element:
    name = f"g{at}"
    label = ", ".join(filter(None, (group.target, group.artifact)))
    return element(
        "details",
        element(
            "summary",
            element("h3", code(group.test), id=f"{name}-title"),
            element("span", label, class_="about"),
            _tally(group),
        ),
        element(
            "div",
            _about(group, roots),
            _rows(group, name, columns, links),
            class_="inside",
        ),
        class_=f"group {'red' if group.red else 'calm'}",
        id=name,
        open=bool(group.red),
    )


def _tally(group: Group) -> Element:
    total, passed = len(group.verdicts), sum(map(_passes, group.verdicts))
    if group.red:
        return badge("\u2715", f"{group.red} of {total} red", "red")
    if passed < total:
        return badge("!", f"{total - passed} of {total} allowed", "amber")
    return badge("\u2713", f"{total} of {total} pass", "green")


def _about(group: Group, roots: Sequence[str]) -> Element | None:
    """The artifact: its size and what identifies it."""
    artifact = group.verdicts[0].artifact
    if artifact is None:
        return None
    pairs: list[tuple[str, Content]] = [
        ("Artifact", code(group.artifact)),
        ("Format", artifact.format),
        ("Size", spell_bytes(artifact.size_bytes)),
        ("SHA-256", element("code", artifact.sha256[:16], title=artifact.sha256)),
        *(
            (name, code(shown_path(path, roots)))
            for name, path in (
                ("File", artifact.path),
                ("Copy", artifact.exported),
                ("Compiled", artifact.compiled),
            )
            if path
        ),
        ("Cached", "yes" if artifact.cached else "no"),
    ]
    return facts(pairs, "facts small")


def _rows(group: Group, name: str, columns: Sequence[str], links: Links) -> Element:
    head = (
        element("th", each, scope="col", role="columnheader", class_=f"c-{each}")
        for each in columns
    )
    # A narrow window shows the rows as cards, and browsers then forget that they are of a table
    return element(
        "table",
        element("thead", element("tr", head, role="row"), role="rowgroup"),
        element(
            "tbody",
            (_row(each, columns, links) for each in group.verdicts),
            role="rowgroup",
        ),
        class_="verdicts",
        role="table",
        aria_labelledby=f"{name}-title",
    )


def _row(verdict: VerdictRecord, columns: Sequence[str], links: Links) -> Iterable[Element]:
    cells = cells_of(verdict)
    first, *others = columns
    kind = f"verdict{' is-red' if verdict.red else ''}"
    yield element(
        "tr",
        element("th", code(cells[first]), scope="row", role="rowheader"),
        (
            element(
                "td",
                badge_of(verdict) if each == "verdict" else cells[each],
                _proof(verdict) if each == "verdict" else None,
                class_=f"c-{each}",
                role="cell",
                data_label=each,
            )
            for each in others
        ),
        class_=kind,
        role="row",
    )
    yield element(
        "tr",
        element("td", _story(verdict, links), colspan=len(columns), role="cell"),
        class_=f"more{' is-red' if verdict.red else ''}",
        role="row",
    )


def _proof(verdict: VerdictRecord) -> Element | None:
    if verdict.budget.kind.rule == "exact" or verdict.outcome not in (Outcome.PASS, Outcome.FAIL):
        return None
    return element("span", "proven" if verdict.proven else "not proven", class_="proof")


def _story(verdict: VerdictRecord, links: Links) -> Element:
    """Why it is so, and what to do; in one line as far as nothing is wrong."""
    by = _measured_by(verdict)
    notes = [each for each in verdict.note.split("; ") if each]
    pairs: list[tuple[str, Content]] = [("Note", listed(notes) if notes[1:] else verdict.note)]
    if verdict.outcome is Outcome.PASS:
        line = element("p", "; ".join(filter(None, (verdict.reason, by))), class_="quiet")
        return element("div", line, facts(pairs, "story") if notes else None)
    details = verdict.details[:_MOST_DETAILS]
    more = len(verdict.details) - len(details)
    lines = [*details, *([f"and {more} more"] if more else [])]
    pairs = [
        ("Reason", verdict.reason),
        ("Measured", by),
        *pairs,
        ("Details", listed(lines, "lines")),
        ("Layers", _parts(verdict.parts)),
        ("See", _link(verdict, links)),
        ("Probably", verdict.cause),
        ("Next", _remedy(verdict.remedy) if verdict.remedy else None),
    ]
    return facts(pairs, "story")


def _link(verdict: VerdictRecord, links: Links) -> Element | None:
    found = links.of(verdict) if verdict.red else None
    return None if found is None else element("a", found.text, href=f"#{found.name}")


def _measured_by(verdict: VerdictRecord) -> str:
    measured = verdict.measured
    if measured is None:
        return ""
    named = source(measured)
    parts = ["read from the file" if named == "file" else f"by {named}"]
    if measured.decided_early and measured.n_total:
        parts.append(f"decided early, of {measured.n_total:,}")
    if measured.method and measured.level is not None:
        parts.append(f"{measured.method} at {measured.level * 100:.0f} %")
    if measured.scored_by and measured.artifact_value is not None:
        values = (measured.reference_value, measured.artifact_value)
        shown = " \u2192 ".join(f"{each:.4g}" for each in values if each is not None)
        parts.append(f"{measured.scored_by} {shown}")
    return "; ".join(parts)


def _parts(parts: Sequence[PartRecord]) -> Element | None:
    if not parts:
        return None
    rows = [(code(each.name), f"{each.error:.4g} {each.unit}") for each in parts[:_MOST_DETAILS]]
    return table("Layers by their error, the worst first", ("layer", "error"), rows)


def _remedy(text: str) -> list[Element | str]:
    """Each command in it has a button, which the script shows where a browser can copy."""
    found: list[Element | str] = []
    for part, is_command in parts_of(text):
        if not is_command:
            found.append(part)
            continue
        # The label says which one: a reader of the buttons alone hears "Copy" only otherwise
        label = f"Copy {part}"
        found += [
            element("code", part, class_="command"),
            element("button", "Copy", type="button", class_="copy", aria_label=label, hidden=True),
        ]
    return found


def errors_section(errors: Sequence[ErrorRecord], left_out: int) -> Element | None:
    if not errors:
        return None
    return element(
        "section",
        element("h2", f"Errors ({len(errors) + left_out:,})", id="errors-title"),
        element("p", "These tests came to no verdict.", class_="note"),
        map(_error, errors),
        without(left_out, "error"),
        id="errors",
        aria_labelledby="errors-title",
    )


def _error(error: ErrorRecord) -> Element:
    tone = "red" if error.red else "amber"
    return element(
        "article",
        element(
            "div",
            element("h3", code(error.test)),
            element("span", error.target or "", class_="about"),
            badge("\u2715", "error" if error.red else "error (xfailed)", tone),
            class_="head",
        ),
        element(
            "div",
            facts([("Message", error.message), ("Next", _remedy(error.remedy))], "story"),
            class_="inside",
        ),
        class_=f"group {'red' if error.red else 'calm'} error",
    )
