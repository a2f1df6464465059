"""The content of the Markdown report, drawn from the record of a run alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import ErrorRecord, RunRecord, VerdictRecord
from pytest_edgegate.reports.artifacts import lines_of, seen
from pytest_edgegate.reports.changes import is_to_accept
from pytest_edgegate.reports.failure import summary_of, worst_first
from pytest_edgegate.reports.markdown_text import code, escaped, folded, table_head, table_row
from pytest_edgegate.reports.places import ROOT
from pytest_edgegate.reports.table import HEADINGS, artifact_of, row, sources
from pytest_edgegate.reports.terminal import title_of

MARK = "<!-- edgegate-report -->"
"""The first line, by which a bot finds the comment that it wrote before."""
MOST = 65_000
"""The most bytes: GitHub refuses comments of more than 65,536 characters."""
_OPEN = 5
"""The most rows of a table, and the most failures in full, that are not folded."""
_DETAILS = 10
_SHARE = 0.5
"""The part of the page that the table of what is red takes at most, so that reasons follow."""
_SPARE = 200
"""Bytes that each later section keeps for its title and for the number of its rows."""


@dataclass(frozen=True)
class _Section:
    """Rows, between two texts, which may be left out from the end."""

    rows: Sequence[str]
    what: str
    """What a row is, in the plural."""
    before: str = ""
    after: str = "\n"
    title: str = ""
    """The title of a section that is folded."""
    share: float = 1.0
    """The part of the room that it takes at most."""

    def within(self, room: int) -> str:
        """As many whole rows as fit, and how many are left out."""
        if not self.rows:
            return ""
        kept, length = 0, _bytes(self.before + self._drawn(0))
        while kept < len(self.rows) and length + _bytes(self.rows[kept]) <= room * self.share:
            length += _bytes(self.rows[kept])
            kept += 1
        drawn = self._drawn(kept)
        return drawn if _bytes(drawn) <= room else ""

    def _drawn(self, kept: int) -> str:
        left = len(self.rows) - kept
        told = f"{left:,} more {self.what} are left out here; the JSON report has all.\n\n"
        after = "" if self.title else self.after
        rows = self.before + "".join(self.rows[:kept]) + after if kept else ""
        content = rows + (told if left else "")
        return f"{folded(self.title, content)}\n" if self.title else content


def drawn(run: RunRecord, most: int = MOST) -> str:
    """The report, of at most *most* bytes in UTF-8. The same run gives the same text.

    The red rows come first. Where they are too many, whole rows are left out and counted.
    """
    ordered = worst_first(run.verdicts)
    red = [each for each in ordered if each.red]
    sections = [
        *_of_differences(run),
        _table(red, "red verdicts", title=""),
        *_stories(red),
        _errors(run.errors),
        _artifacts(run),
        _table(
            [each for each in ordered if not each.red],
            "verdicts",
            title="Verdicts that are not red",
        ),
        _machines(run),
    ]
    head, closing = f"{MARK}\n{_headline(run)}\n\n", _closing(run)
    wanted = [each for each in sections if each.rows]
    room = most - _bytes(head) - _bytes(closing)
    parts = []
    for at, section in enumerate(wanted):
        part = section.within(room - _SPARE * (len(wanted) - at - 1))
        room -= _bytes(part)
        parts.append(part)
    return f"{head}{''.join(parts)}{closing}".rstrip("\n") + "\n"


def _bytes(text: str) -> int:
    return len(text.encode())


def _headline(run: RunRecord) -> str:
    red = any(each.red for each in run.verdicts) or any(each.red for each in run.errors)
    return f"## {'❌' if red else '✅'} {title_of(run.verdicts, run.errors)}"


def _of_differences(run: RunRecord) -> Iterator[_Section]:
    rows = [f"- {escaped(each)}\n" for each in run.disagreements]
    yield _Section(rows, "disagreements", "**The reports disagree**\n\n")


def _table(verdicts: Sequence[VerdictRecord], what: str, title: str) -> _Section:
    """The columns of the terminal's table, behind test and artifact; none that is empty."""
    cells = [
        [code(each.test), code(artifact_of(each)), *(escaped(cell) for cell in row(each))]
        for each in verdicts
    ]
    headings = ["test", "artifact", *HEADINGS]
    kept = [at for at in range(len(headings)) if any(line[at] for line in cells)]
    rows = [table_row(line[at] for at in kept) for line in cells]
    head = table_head([headings[at] for at in kept])
    if title:
        return _Section(rows, what, head, title=f"{title} ({len(rows):,})")
    return _Section(rows, what, head, share=_SHARE)


def _stories(red: Sequence[VerdictRecord]) -> Iterator[_Section]:
    rows = [_story(each) for each in red]
    yield _Section(rows[:_OPEN], "failures", after="")
    more = rows[_OPEN:]
    yield _Section(more, "failures", after="", title=f"{len(more):,} more failures")


def _story(verdict: VerdictRecord) -> str:
    """What broke, by how much, the probable cause and what to do."""
    about = [code(artifact_of(verdict)), f"on {code(verdict.target)}", f"in {code(verdict.test)}"]
    lines = [f"**{escaped(summary_of(verdict))}**: {' '.join(filter(None, about))}", ""]
    if verdict.outcome is Outcome.NOT_MEASURED or verdict.budget.metric == "contract":
        lines.append(f"- {escaped(verdict.reason)}")
    texts = [sources([verdict]), verdict.own_note, *verdict.details[:_DETAILS]]
    lines += [f"- {escaped(each)}" for each in filter(None, texts)]
    left = len(verdict.details) - _DETAILS
    lines += [f"- and {left:,} more"] if left > 0 else []
    lines += [f"- probably: {escaped(verdict.cause)}"] if verdict.cause else []
    lines += [f"- next: {escaped(verdict.remedy)}"] if verdict.remedy else []
    return "\n".join(lines) + "\n\n"


def _errors(errors: Iterable[ErrorRecord]) -> _Section:
    rows = [
        f"- {code(each.test)}{' (xfailed)' if each.xfailed else ''}: "
        f"{escaped(each.message)}; next: {escaped(each.remedy)}\n"
        for each in sorted(errors, key=lambda each: each.xfailed)
    ]
    return _Section(rows, "errors", "**Errors**\n\n")


def _artifacts(run: RunRecord) -> _Section:
    lines = lines_of(seen(run.verdicts, run.artifacts))
    rows = [table_row((code(name), escaped(figures))) for name, figures, _ in lines]
    head = table_head(("artifact", "size, accuracy, parity"))
    title = f"Artifacts ({len(rows):,})" if len(rows) > _OPEN else ""
    return _Section(rows, "artifacts", head, title=title)


def _machines(run: RunRecord) -> _Section:
    """The machine and the packages of the run, or of each of the merged reports."""
    if not run.merged_from:
        rows = [f"- {each}\n" for each in _environment(run.environment)]
    else:
        rows = [
            f"- {code(each.report)}: {'; '.join(_environment(each.environment))}\n"
            for each in run.merged_from
        ]
    return _Section(rows, "lines", title="Machine and packages")


def _environment(found: Mapping[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        if key == ROOT:  # a folder of the machine, which means nothing to who reads this
            continue
        if isinstance(value, Mapping):
            text = ", ".join(f"{name} {each}" for name, each in value.items())
        elif isinstance(value, list | tuple):
            text = ", ".join(map(str, value))
        else:
            text = str(value)
        yield f"{escaped(key)}: {escaped(text)}" if text else escaped(key)


def _closing(run: RunRecord) -> str:
    """What to type to accept, where a run has something to accept."""
    if not is_to_accept(run):
        return ""
    return (
        "To accept what this run has measured:\n\n```shell\npytest --edge-accept\n```\n\n"
        "It shows what would change and by how much, and refuses what is red by anything but a "
        "regression.\n"
    )
