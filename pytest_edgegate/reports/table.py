"""Verdicts as rows of text, aligned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.recipe import spell
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.spelling import spell_interval, spell_value

HEADINGS = ("artifact", "budget", "measured", "90 % interval", "limit", "verdict", "by")


def row(verdict: Verdict) -> list[str]:
    """The cells of a verdict, in the order of HEADINGS."""
    measured, metric = verdict.measured, verdict.budget.metric
    return [
        _artifact(verdict),
        metric,
        _value(metric, measured),
        "" if measured is None else spell_interval(metric, measured.low, measured.high),
        _limit(verdict),
        _outcome(verdict),
        _source(measured),
    ]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Lines of columns as wide as their widest cell; a column with nothing in it is left out."""
    cells = [list(headings), *(list(each) for each in rows)]
    kept = [at for at in range(len(headings)) if any(line[at] for line in cells[1:])]
    widths = {at: max(len(line[at]) for line in cells) for at in kept}
    return [
        indent + "  ".join(line[at].ljust(widths[at]) for at in kept).rstrip() for line in cells
    ]


def _artifact(verdict: Verdict) -> str:
    """The recipe as a user types it, or the name of a file that others made."""
    made = verdict.artifact
    if made is None:
        return ""
    return spell(made.recipe) if made.recipe else made.path.name


def _value(metric: str, measured: Measurement | None) -> str:
    if measured is None:
        return "-"
    if measured.nonfinite and measured.value != measured.value:
        return "NaN or Inf"
    return spell_value(metric, measured.value)


def _limit(verdict: Verdict) -> str:
    if verdict.budget.metric == "contract":
        return ""
    measured = verdict.measured
    direction = (measured and measured.direction) or verdict.budget.info.direction
    sign = "<=" if direction == "at most" else ">="
    return f"{sign} {spell_value(verdict.budget.metric, verdict.budget.limit)}"


def _outcome(verdict: Verdict) -> str:
    name = str(verdict.outcome).replace("_", " ")
    if verdict.red:
        name = name.upper()
    if verdict.allowed:
        return f"{name} (allowed)"
    proven = verdict.proven and verdict.budget.info.rule == "interval"
    unproven = verdict.outcome in (Outcome.PASS, Outcome.FAIL) and not verdict.proven
    return f"{name}, proven" if proven else f"{name}, not proven" if unproven else name


def _source(measured: Measurement | None) -> str:
    if measured is None:
        return ""
    samples = "" if measured.n is None else f", n {measured.n:,}"
    return f"{measured.source}{samples}{' (cached)' if measured.cached else ''}"
