"""The Markdown report: what it shows, that text of others stays text, and how long it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.accepted_record import AcceptedRecord, SeenAccepted
from pytest_edgegate.core.artifact_record import ArtifactRecord, ScoreRecord, SeenRecord
from pytest_edgegate.core.errors import StorageError
from pytest_edgegate.core.ports import Reporter
from pytest_edgegate.core.printable import visible
from pytest_edgegate.core.record import ErrorRecord, MergedReport, RunRecord, VerdictRecord
from pytest_edgegate.reports.changes import is_to_accept
from pytest_edgegate.reports.markdown import MarkdownReporter
from pytest_edgegate.reports.markdown_page import MARK, MOST, drawn
from pytest_edgegate.reports.markdown_text import escaped, table_head, table_row

markdown_it = pytest.importorskip("markdown_it")

Make = Callable[..., VerdictRecord]
HOSTILE = (
    "a | b",
    "a \\| b \\",
    "`code` ``` and ~~~ \\`",
    "[text](https://evil.example/x) and [ref][1] [x]: http://evil.example",
    "![picture](http://evil.example/i.png)",
    "<https://evil.example> www.evil.example mailto:me@evil.example",
    "@octocat please, and @org/team, me@evil.example",
    "#12 and octo/repo#3 and GH-4",
    "<script>alert(1)</script> </code></details> <!-- edgegate-report --> &lt; &amp; end",
    "<img src=x onerror=alert(1)>",
    "**bold** __bold__ *it* _it_ ~~gone~~ snake_case_name",
    "$x^2$ $$y$$ \\(z\\)",
    "# heading",
    "- list",
    "+ list",
    "1. list",
    "2) list",
    "---",
    "===",
    "> quote",
    "::add-mask::secret",
    "\x1b[31mred\x07 \u202eturned \ud800",
    "first\n\n# second\r\n| third |",
)


TAGS = {"h2", "p", "strong", "code", "ul", "li", "details", "summary"} | {
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


class Page(HTMLParser):
    """The text of each table cell and list item, and the names of all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        parser = markdown_it.MarkdownIt("commonmark", {"html": True})
        self.feed(parser.enable(["table", "strikethrough"]).render(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in ("td", "li", "p", "th"):
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data

    @property
    def shown(self) -> list[str]:
        """Without the spaces of no width that part links."""
        return [each.replace("\u200b", "").strip() for each in self.texts]


def as_shown(text: str) -> str:
    return " ".join(visible(text).split())


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_stays_text(text: str) -> None:
    cells = Page(table_head("ab") + table_row((escaped(text), f"<code>{escaped(text)}</code>")))
    assert cells.shown == ["a", "b", as_shown(text), as_shown(text)]
    assert cells.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    listed = Page(f"- {escaped(text)}\n")
    assert listed.shown == [as_shown(text)]
    assert listed.tags == {"ul", "li"}


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("see https://a.b", "see https:&#8203;//a.b"),
        ("WWW.a.b", "WWW&#8203;.a.b"),
        ("mailto:a", "mailto&#8203;:a"),
        ("@octocat", "@&#8203;octocat"),
        ("#12", "\\#&#8203;12"),
        ("GH-12", "GH-&#8203;12"),
        ("$a$", "&#36;a&#36;"),
    ],
)
def test_nothing_becomes_a_link_a_mention_or_a_formula(text: str, parted: str) -> None:
    assert escaped(text) == parted


def run_with(make: Make, text: str) -> RunRecord:
    """A run in which every text of others is this one."""
    artifact = ArtifactRecord("litert", text, 10, (text,), cached=False, path=text)
    told: dict[str, Any] = {"reason": text, "remedy": text, "cause": text, "note": text}
    drop = make("accuracy_drop", 0.02, 0.01, "fail", reference_value=0.9, artifact_value=0.88)
    assert drop.measured is not None
    verdict = replace(
        drop,
        measured=replace(drop.measured, source=text, scored_by=text),
        test=text,
        target=text,
        artifact=artifact,
        details=(text, text),
        **told,
    )
    green = replace(make("size", 5, 9), test=text, target=text, artifact=artifact)
    return RunRecord(
        {"cpu": text, "packages": {text: text}, "isa": [text]},
        (verdict, green, replace(make("contract", 2, 0, "fail"), details=(text,), **told)),
        (ErrorRecord(text, text, text, text),),
        artifacts=(SeenRecord(text, text, artifact, 2.0, ScoreRecord(text, 0.9, 0.8, 1, 1)),),
        merged_from=(MergedReport(text, {"cpu": text}), MergedReport("b.json", {})),
        disagreements=(text,),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_report_of_hostile_names(make: Make, text: str) -> None:
    drawn_text, tame = (drawn(run_with(make, each)) for each in (text, "tame"))
    assert drawn_text.startswith(f"{MARK}\n## ")
    assert drawn_text.count(MARK) == 1
    assert "\x1b" not in drawn_text
    assert not any(line.lstrip().startswith("::") for line in drawn_text.splitlines())
    assert "##[" not in drawn_text
    page = Page(drawn_text)
    assert page.tags == Page(tame).tags
    expected = [each.replace("tame", as_shown(text)) for each in Page(tame).shown]
    assert page.shown == expected


def test_red_comes_first_with_what_broke_and_what_to_do(make: Make) -> None:
    run = RunRecord(
        {},
        (
            make("size", 5, 9),
            make("parameters", None, 1, "not_measured", allowed=True, proven=False),
            make(
                "accuracy_drop", 0.02, 0.01, "fail", reason="0.02 > 0.01", low=0.015, high=0.025,
                cause="ranges", details=("class 3 lost 9 samples",), remedy="train it",
            ),
        ),
        (ErrorRecord("test_b.py", None, "it is broken", "mend it"),),
    )  # fmt: skip
    lines = drawn(run).splitlines()
    assert lines[:3] == [
        MARK,
        "## ❌ edge gate: 3 verdicts, 1 red, 1 allowed, 1 error",
        "",
    ]
    text = "\n".join(lines)
    red = text.index("| FAIL, proven |")
    story = text.index("**accuracy\\_drop 0.02 &gt; 0.01 \\[0.015, 0.025\\]**: ")
    assert red < story < text.index("it is broken") < text.index("<details>")
    assert "- class 3 lost 9 samples\n- probably: ranges\n- next: train it\n" in text
    assert "- <code>test\\_b.py</code>: it is broken; next: mend it\n" in text
    folded = text[text.index("<details><summary>Verdicts that are not red (2)") :]
    assert "NOT MEASURED" not in folded
    assert "not measured (allowed)" in folded
    assert "--edge-accept" not in text


def test_green(make: Make) -> None:
    assert drawn(RunRecord({}, (make("size", 5, 9),))).splitlines()[1] == (
        "## ✅ edge gate: 1 verdict, 0 red"
    )
    assert drawn(RunRecord({})) == f"{MARK}\n## ✅ edge gate: 0 verdicts, 0 red\n"


@pytest.mark.parametrize("text", ["x" * 100_000, "é日" * 50_000, "|" * 3_000])
@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("most", [MOST, 10_000, 3_000])
def test_a_report_is_never_too_long(make: Make, text: str, count: int, most: int) -> None:
    run = run_with(make, text)
    run = replace(
        run,
        verdicts=run.verdicts * count,
        errors=run.errors * count,
        disagreements=run.disagreements * count,
    )
    text = drawn(run, most)
    assert len(text.encode()) <= most
    page = Page(text)
    assert page.tags <= TAGS


def test_whole_rows_are_left_out_and_counted(make: Make) -> None:
    red = make("accuracy_drop", 0.02, 0.01, "fail")
    verdicts = tuple(replace(red, test=f"test_a.py::test_{at}") for at in range(2000))
    text = drawn(RunRecord({}, verdicts))
    rows = [line for line in text.splitlines() if line.startswith("| <code>test")]
    left = f"{2000 - len(rows):,} more red verdicts are left out here"
    assert 100 < len(rows) < 1000
    assert left in text
    assert {line.count("|") for line in rows} == {rows[0].count("|")}
    assert "- next: do this" in text


ACCEPTED = AcceptedRecord(0.9, "0" * 64, 9, 100, "host:fake")
SEEN = SeenAccepted("0" * 64, 9, "top1", 0.9)


def test_what_to_type_to_accept_is_at_the_end(make: Make) -> None:
    red = make("accuracy_regression", 0.02, 0.01, "fail")
    assert is_to_accept(RunRecord({}, (red,)))
    assert drawn(RunRecord({}, (red,))).splitlines()[-5:-1] == [
        "```shell",
        "pytest --edge-accept",
        "```",
        "",
    ]
    assert not is_to_accept(RunRecord({}, (replace(red, xfailed=True),)))
    assert not is_to_accept(RunRecord({}, (make("accuracy_drop", 0.02, 0.01, "fail"),)))


@pytest.mark.parametrize(
    ("metric", "value", "changes", "is_change"),
    [
        ("size_regression", 1.0, {}, False),
        ("size_regression", 1.1, {"value": 8}, True),
        ("parity_agreement", 0.9, {}, False),
        ("parity_agreement", 0.95, {}, True),
        ("parity_agreement", 0.9, {"size_bytes": 8}, True),
        ("parity_agreement", 0.9, {"sha256": "1" * 64}, False),
        ("parity_agreement", None, {}, False),
        ("latency_p95", 0.1, {}, False),
    ],
)
def test_an_entry_that_would_change(
    make: Make, metric: str, value: float | None, changes: dict[str, Any], is_change: bool
) -> None:
    given = {"value": 9, **changes} if metric == "size_regression" else changes
    artifact = ArtifactRecord("litert", "2" * 64, 9, ("PTQ()",), cached=False)
    verdict = make(metric, value, 0.5)
    accepted = replace(ACCEPTED, **given)
    run = RunRecord({}, (replace(verdict, artifact=artifact, accepted=accepted),))
    assert is_to_accept(run) is is_change


@pytest.mark.parametrize(
    ("score", "size", "is_change"),
    [
        (ScoreRecord("top1", 0.9, 0.9, 100, 100), 9, False),
        (ScoreRecord("top1", 0.9, 0.91, 100, 100), 9, True),
        (ScoreRecord("top1", 0.9, 0.91, 10, 100), 9, False),
        (ScoreRecord("auc", 0.9, 0.91, 100, 100), 9, False),
        (None, 10, True),
        (None, 9, False),
    ],
)
def test_an_artifact_that_differs_from_the_accepted_one(
    score: ScoreRecord | None, size: int, is_change: bool
) -> None:
    artifact = ArtifactRecord("litert", "2" * 64, size, ("PTQ()",), cached=False)
    seen = SeenRecord("test_a", "coral", artifact, None, score, SEEN)
    assert is_to_accept(RunRecord({}, artifacts=(seen,))) is is_change


def test_the_file(tmp_path: Path, make: Make) -> None:
    reporter, run = MarkdownReporter(), run_with(make, HOSTILE[0])
    path = tmp_path / "new" / "report.md"
    reporter.write(path, run)
    assert path.read_bytes() == drawn(run).encode()
    assert isinstance(reporter, Reporter)
    with pytest.raises(StorageError, match="--edge-report-md"):
        reporter.write(tmp_path, run)
