"""The text of a red test: what broke, by how much, the probable cause, the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.table import HEADINGS, row, table
from pytest_edgegate.spelling import spell_interval

_ORDER = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.NOT_MEASURED, Outcome.PASS)
_SHOWN = 10
"""The number of details shown."""


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

    *opening* follows it, *closing* is at the end.
    """
    ordered = worst_first(verdicts)
    red = [each for each in ordered if each.red]
    lines = [_headline(red), *(["", opening] if opening else [])]
    lines += ["", *table(HEADINGS[1:], (row(each)[1:] for each in ordered), "  ")]
    for each in red:
        lines += ["", *_story(each)]
    if closing:
        lines += ["", closing]
    return "\n".join(lines)


def _headline(red: Sequence[VerdictRecord]) -> str:
    worst = red[0]
    more = f" (and {len(red) - 1} more)" if len(red) > 1 else ""
    about = ", ".join(filter(None, (worst.target, row(worst)[0])))
    return f"{_summary(worst)} ({about}){more}"


def _summary(verdict: VerdictRecord) -> str:
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


def _story(verdict: VerdictRecord) -> list[str]:
    measured = verdict.measured
    lines = [f"{verdict.budget.metric}: {verdict.reason}"]
    if measured is not None and measured.method and measured.level is not None:
        proven = "proven" if verdict.proven else "not proven"
        lines.append(f"  {proven} by {measured.method} at {measured.level * 100:.0f} %")
    if verdict.note:
        lines.append(f"  {verdict.note}")
    lines += [f"  {each}" for each in verdict.details[:_SHOWN]]
    if len(verdict.details) > _SHOWN:
        lines.append(f"  and {len(verdict.details) - _SHOWN} more")
    if verdict.cause:
        lines.append(f"  probably: {verdict.cause}")
    lines.append(f"  next: {verdict.remedy}")
    return lines
