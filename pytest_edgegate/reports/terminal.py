"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.printable import printable_line
from pytest_edgegate.core.record import ErrorRecord, VerdictRecord
from pytest_edgegate.reports.artifacts import Seen, lines_of, seen
from pytest_edgegate.reports.table import artifact_of, fitted, sources
from pytest_edgegate.reports.wrapping import UNBROKEN, WIDTH, wrapped

_INDENT = "  "


@dataclass(frozen=True)
class Line:
    """A line of text; ``colour`` is one of pytest's names, or empty."""

    text: str
    colour: str = ""


def summary(
    verdicts: Sequence[VerdictRecord],
    artifacts: Sequence[SeenRecord] = (),
    *,
    verbosity: int = 0,
    width: int = WIDTH,
    wraps: bool = True,
    errors: Sequence[ErrorRecord] = (),
    lost: Sequence[str] = (),
    repeated: int = 0,
) -> tuple[str, list[Line]]:
    """(title, lines) of a run's verdicts.

    *verbosity*: pytest's: 0 tells a line for each artifact and the rows that are more than plain
    passes, -1 leaves out the artifacts, 1 has all rows. *width*: columns of the terminal; *wraps*:
    whether it is known, so that sentences are broken there, too, and not in a log that is searched.
    *lost*: the tests whose worker has died. *repeated*: how many tests were run again.
    """
    prose = width if wraps else UNBROKEN
    shown = [each for each in verdicts if verbosity > 0 or not _is_dull(each)]
    files = seen(verdicts, artifacts)
    lines = [] if verbosity < 0 else list(_artifacts(files, prose, verbose=verbosity > 0))
    lines += [Line("")] if lines and shown else []
    lines += _grouped(shown, width, prose)
    if repeated:
        text = f"({_count(repeated, 'test')} run again: the last attempt counts)"
        lines.append(Line(text))
    lines += [Line(f"lost with its worker, not judged: {test}", "red") for test in lost]
    if verdicts or files:
        closing = _closing(verdicts, len(files), len(verdicts) - len(shown))
        lines += [Line(each) for each in wrapped(closing, prose)]
    return title_of(verdicts, errors), [_shown(each) for each in lines]


def _shown(line: Line) -> Line:
    """Names and notes are of others: a line is one line, and nothing that a terminal obeys."""
    return Line(printable_line(line.text), line.colour)


def title_of(verdicts: Sequence[VerdictRecord], errors: Sequence[ErrorRecord]) -> str:
    """The headline of a run: its verdicts, and how many of them are red."""
    counts = {
        "allowed": sum(each.allowed for each in verdicts),
        "xfailed": sum(_is_expected(each) for each in verdicts),
    }
    red = sum(each.red for each in verdicts)
    title = [f"edge gate: {_count(len(verdicts), 'verdict')}, {red} red"]
    title += [f"{count} {name}" for name, count in counts.items() if count]
    unexpected = sum(not each.xfailed for each in errors)
    title += [_count(unexpected, "error")] if unexpected else []
    return ", ".join(title)


def _closing(verdicts: Sequence[VerdictRecord], files: int, hidden: int) -> str:
    """What the run came to, in one line."""
    passed = [each for each in verdicts if each.outcome is Outcome.PASS]
    unproven = sum(not each.proven for each in passed)
    proof = f" ({unproven} not proven)" if unproven else ""
    rest = f"; {_count(hidden, 'more row')}: -v" if hidden else ""
    artifacts = _count(files, "artifact")
    return f"{len(passed)} of {_count(len(verdicts), 'verdict')} pass{proof}, {artifacts}{rest}"


def _artifacts(files: Sequence[Seen], width: int, *, verbose: bool) -> Iterator[Line]:
    for name, figures, of in lines_of(files):
        together = f"{name}: {figures}"
        if len(together) <= width:
            yield Line(together)
        else:
            for each in (*wrapped(f"{name}:", width), *wrapped(figures, width, _INDENT * 2)):
                yield Line(each)
        for about in of.about if verbose else ():
            for each in wrapped(about, width, _INDENT):
                yield Line(each)


def _grouped(shown: Sequence[VerdictRecord], width: int, prose: int) -> list[Line]:
    """One table with rows grouped by test and artifact, each followed by its notes."""
    if not shown:
        return []
    headings, *rows = fitted(shown, width, _INDENT)
    below = {id(verdict): drawn for verdict, drawn in zip(shown, rows, strict=True)}
    lines = [Line(each) for each in headings]
    for (test, artifact), group in groupby(shown, key=lambda each: (each.test, artifact_of(each))):
        own = list(group)
        lines += _headed(test, artifact, width)
        for verdict in own:
            lines += [Line(each, _colour(verdict)) for each in below[id(verdict)]]
        for text in dict.fromkeys((*map(_note, own), sources(own))):
            lines += [Line(each) for each in wrapped(text, prose, _INDENT * 2, _INDENT)]
    return lines


def _headed(test: str, artifact: str, width: int) -> Iterable[Line]:
    """The test, and its artifact beside it or below it."""
    together = f"{test}{_INDENT}{artifact}".rstrip()
    if len(together) <= width or not artifact:
        return [Line(together)]
    return [Line(test), *(Line(each) for each in wrapped(artifact, width, _INDENT))]


def _colour(verdict: VerdictRecord) -> str:
    if verdict.red:
        return "red"
    return "" if verdict.outcome is Outcome.PASS and verdict.proven else "yellow"


def _is_dull(verdict: VerdictRecord) -> bool:
    """Whether it is a plain pass: proven, and without a note."""
    plain = verdict.outcome is Outcome.PASS and verdict.proven
    return plain and not verdict.no_budgets and not verdict.own_note


def _is_expected(verdict: VerdictRecord) -> bool:
    return verdict.xfailed and verdict.outcome is not Outcome.PASS and not verdict.allowed


def _note(verdict: VerdictRecord) -> str:
    """The reason of an allowed verdict; for others the note, if any."""
    note = "" if verdict.red else verdict.own_note
    text = verdict.full_reason if verdict.allowed else note
    about = "" if verdict.budget.kind is CONTRACT else f"{verdict.budget.metric}: "
    return f"{about}{text}" if text else ""


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
