"""The text of a red test: what broke, by how much, why it probably broke, what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.reports.table import HEADINGS, row, table
from pytest_edgegate.spelling import spell_interval

_ORDER = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.NOT_MEASURED, Outcome.PASS)


def worst_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Red before allowed before green; proven failures before the others."""
    return sorted(
        verdicts, key=lambda each: (not each.red, _ORDER.index(each.outcome), not each.proven)
    )


def explain(verdicts: Sequence[Verdict], closing: str = "") -> str:
    """The message of a BudgetExceeded. Its first line has metric and numbers: the short summary."""
    ordered = worst_first(verdicts)
    red = [each for each in ordered if each.red]
    lines = [_headline(red), "", *table(HEADINGS[1:], (row(each)[1:] for each in ordered), "  ")]
    for each in red:
        lines += ["", *_story(each)]
    if closing:
        lines += ["", closing]
    return "\n".join(lines)


def _headline(red: Sequence[Verdict]) -> str:
    worst = red[0]
    more = f" (and {len(red) - 1} more)" if len(red) > 1 else ""
    return f"{_summary(worst)} ({worst.target}, {row(worst)[0]}){more}"


def _summary(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.NOT_MEASURED:
        return f"{verdict.budget.metric} not measured"
    measured = verdict.measured
    if verdict.budget.metric == "contract":
        first = f": {verdict.details[0]}" if verdict.details else ""
        return f"contract broken{first}"
    if measured is not None and measured.nonfinite:
        return f"{verdict.budget.metric}: NaN or Inf"
    interval = "" if measured is None else spell_interval(
        verdict.budget.metric, measured.low, measured.high
    )  # fmt: skip
    unproven = verdict.outcome is Outcome.FAIL and not verdict.proven
    return f"{verdict.reason} {interval}".rstrip() + (", not proven" if unproven else "")


def _story(verdict: Verdict) -> list[str]:
    measured = verdict.measured
    lines = [f"{verdict.budget.metric}: {verdict.reason.removeprefix(verdict.budget.metric + ' ')}"]
    if measured is not None and measured.method and measured.level is not None:
        proven = "proven" if verdict.proven else "not proven"
        lines.append(f"  {proven} by {measured.method} at {measured.level * 100:.0f} %")
    if verdict.note:
        lines.append(f"  {verdict.note}")
    shown = 10
    lines += [f"  {each}" for each in verdict.details[:shown]]
    if len(verdict.details) > shown:
        lines.append(f"  and {len(verdict.details) - shown} more")
    if verdict.cause:
        lines.append(f"  probably: {verdict.cause}")
    lines.append(f"  next: {verdict.remedy}")
    return lines
