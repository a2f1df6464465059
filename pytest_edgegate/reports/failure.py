"""The text of a red test: what broke, by how much, the probable cause, the next step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.table import artifact_of, fitted, sources
from pytest_edgegate.reports.wrapping import WIDTH, wrapped
from pytest_edgegate.spelling import spell_interval

_ORDER = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.NOT_MEASURED, Outcome.PASS)
LINES = 15
"""The most lines of a failure."""
_SHOWN = 10
"""The most details of a verdict."""
_ROWS = 4
"""The least rows of the table before details are left out for more."""


@dataclass(frozen=True)
class _Form:
    """How much of a failure is shown."""

    rows: int
    """Of the table."""
    full: int
    """Verdicts told in full; each of the others has one line."""
    details: int
    brief: bool = False
    """Whether what the headline says already is left out: the interval, and how it is proven."""


class Judged(Protocol):
    """A verdict, or its record."""

    @property
    def outcome(self) -> Outcome: ...

    @property
    def red(self) -> bool: ...

    @property
    def proven(self) -> bool: ...


_Judged = TypeVar("_Judged", bound=Judged)


def worst_first(verdicts: Iterable[_Judged]) -> list[_Judged]:
    """Red before allowed before green; proven failures before the others."""
    return sorted(
        verdicts, key=lambda each: (not each.red, _ORDER.index(each.outcome), not each.proven)
    )


def explain(verdicts: Iterable[VerdictRecord], closing: str = "", opening: str = "") -> str:
    """The message of a BudgetExceeded. Its first line has metric and numbers: the short summary.

    *opening* follows it, *closing* is at the end. Details and rows are left out until it has at
    most LINES lines; they are counted, and the JSON report has them all.
    """
    ordered = worst_first(verdicts)
    red = [each for each in ordered if each.red]
    before = [_headline(red), *(["", *opening.splitlines()] if opening else [])]
    after = ["", closing] if closing else []
    room = LINES - len(before) - len(after)
    drawn = ([*_rows(ordered, form), *_stories(red, form)] for form in _forms(len(red)))
    body: list[str] = next((each for each in drawn if len(each) <= room), [])
    lines = (*before, *(body or _shortest(red, ordered)), *after)
    return "\n".join(printable_line(each) for each in lines)


def _forms(red: int) -> Iterator[_Form]:
    """From the longest to the shortest: a detail of what broke is worth more than a green row, and
    less than a red one."""
    most = max(red, _ROWS)
    for full in range(red, 0, -1):
        for details in range(_SHOWN, 0, -1):
            yield _Form(most, full, details)
    short = ((1, False), (1, True), (0, True))
    for details, brief in short:
        for rows in range(most, red - 1, -1):
            yield _Form(rows, 1, details, brief)
    for rows in range(red - 1, 0, -1):
        for details, brief in short:
            yield _Form(rows, 1, details, brief)


def _shortest(red: Sequence[VerdictRecord], ordered: Sequence[VerdictRecord]) -> list[str]:
    form = _Form(1, 1, 0, brief=True)
    return [*_rows(ordered, form), *_stories(red[:1], form)]


def _rows(ordered: Sequence[VerdictRecord], form: _Form) -> list[str]:
    """The table, and what its figures are from."""
    shown = list(ordered[: form.rows if len(ordered) > form.rows + 1 else None])
    if form.brief and shown[0].measured is not None:
        shown[0] = replace(shown[0], measured=replace(shown[0].measured, low=None, high=None))
    lines = ["", *(line for drawn in fitted(shown, WIDTH, "  ") for line in drawn)]
    left = [each.budget.metric for each in ordered[len(shown) :]]
    lines += [f"  and {len(left)} more: {', '.join(left)}"] if left else []
    return [*lines, *wrapped(sources(shown), WIDTH, "  ")]


def _stories(red: Sequence[VerdictRecord], form: _Form) -> list[str]:
    """The first ones in full, each of the others in one line."""
    lines = [line for each in red[: form.full] for line in ("", *_story(each, form))]
    for each in red[form.full :]:
        lines.append(f"{each.budget.metric}: {each.reason}; next: {each.remedy}")
    return lines


def _headline(red: Sequence[VerdictRecord]) -> str:
    worst = red[0]
    more = f" (and {len(red) - 1} more)" if len(red) > 1 else ""
    about = ", ".join(filter(None, (worst.target, artifact_of(worst))))
    return f"{summary_of(worst)} ({about}){more}"


def summary_of(verdict: VerdictRecord) -> str:
    """What broke, by how much."""
    metric, measured = verdict.budget.metric, verdict.measured
    if verdict.outcome is Outcome.NOT_MEASURED:
        return f"{metric} not measured"
    if verdict.budget.kind is CONTRACT:
        first = f": {verdict.details[0]}" if verdict.details else ""
        return f"contract broken{first}"
    if measured is not None and measured.value is None:
        return f"{metric}: NaN or Inf"
    interval = "" if measured is None else spell_interval(metric, measured.low, measured.high)
    unproven = verdict.outcome is Outcome.FAIL and not verdict.proven
    return f"{metric} {verdict.reason} {interval}".rstrip() + (", not proven" if unproven else "")


def _story(verdict: VerdictRecord, form: _Form) -> list[str]:
    """Without details only the reason, the cause and the remedy."""
    lines = [f"{verdict.budget.metric}: {verdict.reason}"]
    if form.details:
        lines += [f"  {each}" for each in _found(verdict, form)]
    if verdict.cause:
        lines.append(f"  probably: {verdict.cause}")
    lines.append(f"  next: {verdict.remedy}")
    return lines


def _found(verdict: VerdictRecord, form: _Form) -> Iterator[str]:
    measured, most = verdict.measured, form.details
    if measured is not None and measured.method and measured.level is not None and not form.brief:
        proven = "proven" if verdict.proven else "not proven"
        yield f"{proven} by {measured.method} at {measured.level * 100:.0f} %"
    if verdict.own_note:
        yield verdict.own_note
    if len(verdict.details) == most + 1:  # the last one takes the line that would count it
        most += 1
    yield from verdict.details[:most]
    if len(verdict.details) > most:
        yield f"and {len(verdict.details) - most} more"
