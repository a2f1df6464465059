"""The HTML report: what is on the page, and that no text of a run becomes anything but text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from report_page import Element, parsed

from pytest_edgegate.core.accepted_record import AcceptedRecord, SeenAccepted
from pytest_edgegate.core.artifact_record import ArtifactRecord, ScoreRecord, SeenRecord
from pytest_edgegate.core.record import ErrorRecord, MergedReport, RunRecord, VerdictRecord
from pytest_edgegate.core.shown_record import (
    SHARES,
    AnswersRecord,
    ClassRecord,
    FlipRecord,
    MakingRecord,
    PartRecord,
    StageRecord,
    TimesRecord,
)
from pytest_edgegate.measures.pictures import pictures_of
from pytest_edgegate.reports.html import HtmlReporter
from pytest_edgegate.reports.html.markup import MOST_CHARACTERS, element, written
from pytest_edgegate.reports.html.page import MOST_BYTES, html_of

Make = Callable[..., VerdictRecord]
ENVIRONMENT = {"python": "3.11.2", "cpu": "a chip", "packages": {"numpy": "2.4"}, "isa": ["avx2"]}

HOSTILE = {
    "the end of a script": "</script><script>alert(1)</script>",
    "quotes": '"\' onload="alert(1)" x=\'',
    "entities": "&lt;b&gt;&amp;amp;&#60;b&#62;",
    "a comment": "<!-- --> ]]> <![CDATA[",
    "an end of everything": "</td></tr></table></details></main></body></html>",
    "a picture": "<svg/onload=alert(1)>",
    "Markdown": "[a](javascript:alert(1)) ![b](http://example.com/x.png) **c** `d`",
    "a workflow command": "::add-mask::secret",
    "a long name": "x" * 1_500,
}
"""Texts that are shown as they are."""
UNSEEN = {
    "control characters": ("a\x1b[31mb\x00c\x07\r", "a\\x1b[31mb\\x00c\\x07\\x0d"),
    "a changed direction": ("a\u202egnp.exe\u2066\u200f", "a\\u202egnp.exe\\u2066\\u200f"),
    "ends of lines of scripts": ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
    "nothing to be seen": ("a\u200bb\ufeffc\u00ad", "a\\u200bb\\ufeffc\\xad"),
    "half a character": ("a\ud800b", "a\\ud800b"),
}


def times(*scale: float) -> TimesRecord:
    made = [tuple(each * (1 + share) for share in SHARES) for each in scale]
    return TimesRecord(1_000, *made)


def a_run(make: Make, text: str = "plain", *, hostile: bool = False) -> RunRecord:
    """A run with everything that a page can show, with a *text* in every place for one."""
    artifact = ArtifactRecord(
        "litert", "ab" * 32, 41_000, (text,), cached=True, compiled=text, path=text, exported=text
    )
    common: dict[str, Any] = {"test": text, "target": text, "reason": text, "remedy": text}
    common |= {"note": text, "cause": text, "details": (text, text)}
    records = [
        make("accuracy_drop", 0.03, 0.01, "fail", low=0.02, high=0.04, n=100, **common),
        make("size", 41_000, 60_000, **common),
        make("latency_p95", 0.003, 0.006, times=times(0.002), **common),
        make("latency_ratio", 0.5, 0.8, times=times(0.002, 0.004), **common),
    ]
    accepted = AcceptedRecord(39_000, "cd" * 32, 39_000, None, text)
    verdicts = [
        replace(each, artifact=artifact, about_file=(text,), parts=(PartRecord(text, 20.5, "dB"),))
        for each in records
    ]
    verdicts[1] = replace(verdicts[1], accepted=accepted)
    answers = AnswersRecord(
        100,
        (ClassRecord(3, 10, 9, 5), ClassRecord(4, 90, 80, 80)),
        7,
        5,
        1,
        (FlipRecord(12, 3, 3, 5), FlipRecord(13, 3, 3, 4)),
    )
    making = MakingRecord(text, text, (StageRecord(text, text, True),), text, {text: text}, (text,))
    seen = SeenRecord(
        text,
        text,
        artifact,
        3.3,
        ScoreRecord(text, 0.98, 0.95, 100, 100),
        SeenAccepted("cd" * 32, 39_000, text, 0.97, 0.02),
        answers,
        making,
    )
    errors = (ErrorRecord(text, text, text, text),)
    known = {"python": text, "cpu": text, "machine": text, "isa": [text], "packages": {text: text}}
    return RunRecord(known if hostile else ENVIRONMENT, tuple(verdicts), errors, artifacts=(seen,))


def page_of(run: RunRecord) -> Element:
    return parsed(html_of(run))


def section(page: Element, name: str) -> Element:
    [found] = [each for each in page.all("section") if each.attributes["id"] == name]
    return found


def shape(of: Element) -> list[str]:
    """The elements of a page in order, with the names of their attributes."""
    return [f"{each.tag} {sorted(each.attributes)}" for each in of.inner()]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_text_only(make: Make, name: str) -> None:
    text = HOSTILE[name]
    page, plain = page_of(a_run(make, text, hostile=True)), page_of(a_run(make, hostile=True))
    assert shape(page) == shape(plain)
    told = page.all("body")[0].text
    assert told.count(text) == plain.all("body")[0].text.count("plain")


@pytest.mark.parametrize("name", UNSEEN)
def test_what_cannot_be_seen_is_spelt_out(make: Make, name: str) -> None:
    text, spelt = UNSEEN[name]
    content = html_of(a_run(make, text, hostile=True)).decode()
    assert spelt in page_of(a_run(make, text, hostile=True)).text
    assert not [each for each in text if each in content and not each.isascii()]
    assert not re.search("[\x00-\x08\x0b-\x1f]", content)


def test_a_text_without_end_is_cut_and_its_rest_counted(make: Make) -> None:
    page = page_of(a_run(make, "y" * (MOST_CHARACTERS + 1_234), hostile=True))
    assert "... and 1,234 more characters" in page.text


def test_a_value_of_an_attribute_stays_in_it() -> None:
    made = written(element("p", title='" onclick="x" <b> &quot;', class_="a"))
    [found] = parsed(f"<x>{made}</x>".encode()).all("p")
    assert found.attributes == {"title": '" onclick="x" <b> &quot;', "class": "a"}


def test_a_picture_that_is_none_is_not_drawn(make: Make) -> None:
    run = a_run(make)
    for text in ('"><script>', "PHN2Zz4=", "aGk", "\ud800"):
        flips = (FlipRecord(1, 3, 3, 5, text),)
        answers = replace(run.artifacts[0].answers or AnswersRecord(0, (), 0, 0, 0), flips=flips)
        seen = replace(run.artifacts[0], answers=answers)
        assert not page_of(replace(run, artifacts=(seen,))).all("img")


def test_a_picture_of_a_sample_is_drawn_with_its_name(make: Make) -> None:
    import numpy as np

    run = a_run(make)
    [picture] = pictures_of((np.zeros((1, 8, 8, 1), np.float32),))
    answers = replace(
        run.artifacts[0].answers or AnswersRecord(0, (), 0, 0, 0),
        flips=(FlipRecord(1, 3, 3, 5, picture),),
    )
    page = page_of(replace(run, artifacts=(replace(run.artifacts[0], answers=answers),)))
    [image] = page.all("img")
    assert image.attributes == {"src": f"data:image/png;base64,{picture}", "alt": "sample 1"}


def test_nothing_is_fetched_and_only_its_own_script_runs(make: Make) -> None:
    page = page_of(a_run(make, "http://example.com/a.js", hostile=True))
    policy = next(
        str(each.attributes["content"])
        for each in page.all("meta")
        if each.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        [own] = page.all(tag)
        digest = base64.b64encode(hashlib.sha256(own.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for each in page.inner():
        assert not {"src", "href", "srcset", "action", "style"} & each.attributes.keys() or (
            str(each.attributes.get("href")).startswith("#")
        )
        assert not [name for name in each.attributes if name.startswith("on")]


def test_the_same_record_gives_the_same_bytes_also_from_json(make: Make) -> None:
    run = a_run(make)
    again = RunRecord.from_json(json.loads(json.dumps(run.to_json())))
    assert html_of(run) == html_of(run) == html_of(again)


def test_the_file_has_the_page(make: Make, tmp_path: Path) -> None:
    run, path = a_run(make), tmp_path / "new" / "report.html"
    HtmlReporter().write(path, run)
    assert path.read_bytes() == html_of(run)


def test_the_head_counts_what_matters(make: Make) -> None:
    page = page_of(a_run(make))
    assert page.all("h1")[0].text == "Edge gate \u2715 1 of 4 verdicts red, 1 error"
    [title] = page.all("head")[0].all("title")
    assert title.text == "Edge gate: 1 of 4 verdicts red, 1 error"
    [counts] = page.all("dl", "counts")
    found = {each.all("dt")[0].text: each.all("dd")[0].text for each in counts.all("div")}
    assert found == {
        "red": "1",
        "errors": "1",
        "allowed": "0",
        "not proven": "0",
        "pass": "3",
        "tests": "1",
        "targets": "1",
        "artifacts": "1",
    }
    [machine] = page.all("details", "machine")
    assert "a chip" in machine.text
    assert "numpy 2.4" in machine.text


@pytest.mark.parametrize("text", ["coral.json: size was 4 B, is 5 B", *HOSTILE.values()])
def test_merged_reports_tell_where_they_disagree_and_their_machines(make: Make, text: str) -> None:
    parts = (MergedReport(text, {"cpu": "an ARM"}), MergedReport("b.json", {"cpu": "an x86"}))
    run = replace(a_run(make), merged_from=parts, disagreements=(text,))
    page = page_of(run)
    shown = text if len(text) < 1_000 else text[:100]
    assert shown in section(page, "disagree").text
    summaries = [each.all("summary")[0].text for each in page.all("details", "machine")]
    assert [shown in summaries[0], summaries[1]] == [True, "Machine and packages of b.json"]
    alone = page_of(a_run(make)).all("section")
    assert "disagree" not in [each.attributes["id"] for each in alone]


def test_red_tests_come_first_and_are_open(make: Make) -> None:
    green = make("size", 5, 9, test="test_a")
    allowed = make("latency_p95", None, 1, "not_measured", allowed=True, test="test_b")
    red = [make("size", 9, 5, "fail", test="test_c"), make("macs", 1, 5, test="test_c")]
    groups = page_of(RunRecord({}, (green, allowed, *reversed(red)))).all("details", "group")[:3]
    assert [each.all("h3")[0].text for each in groups] == ["test_c", "test_b", "test_a"]
    assert ["open" in each.attributes for each in groups] == [True, False, False]
    badges = [each.all("summary")[0].all("span", "badge")[0].text for each in groups]
    assert badges == ["\u2715 1 of 2 red", "! 1 of 1 allowed", "\u2713 1 of 1 pass"]
    rows = [each.all("th")[0].text for each in groups[0].all("tr", "verdict")]
    assert rows == ["size", "macs"]


def test_a_red_verdict_tells_all_that_is_known(make: Make) -> None:
    run = replace(a_run(make), errors=())
    more = make(
        "accuracy_drop",
        0.03,
        0.01,
        "fail",
        reason="0.03 > 0.01",
        note="a note",
        cause="a cause",
        details=("one line", "another"),
        remedy="do this",
        low=0.02,
        high=0.04,
        n=100,
        method="a method",
        level=0.9,
    )
    [group] = page_of(replace(run, verdicts=(more,))).all("details", "red")[:1]
    row, story = group.all("tr", "verdict")[0], group.all("tr", "more")[0]
    cells = {each.attributes.get("data-label"): each.text for each in row.all("td")}
    assert cells == {
        "verdict": "\u2715 failproven",
        "measured": "0.03",
        "interval": "[0.02, 0.04]",
        "limit": "<= 0.01",
    }
    told = {each.all("dt")[0].text: each.all("dd")[0].text for each in story.all("div")}
    assert told == {
        "Reason": "0.03 > 0.01",
        "Measured": "by file, n 100; a method at 90 %",
        "Note": "a note",
        "Details": "one lineanother",
        "Probably": "a cause",
        "See": "how this artifact was made",
        "Next": "do this",
    }


def test_what_was_accepted_has_a_column_with_the_change(make: Make) -> None:
    [row] = [
        each
        for each in page_of(a_run(make)).all("tr", "verdict")
        if each.all("th")[0].text == "size"
    ]
    [cell] = row.all("td", "c-accepted")
    assert cell.text == "39.0 kB (+5.1%)"
    bare = page_of(RunRecord({}, (make("size", 5, 9),)))
    assert not bare.all("td", "c-accepted")


def test_sizes_and_accuracies_are_drawn_with_budgets_and_what_was_accepted(make: Make) -> None:
    found = section(page_of(a_run(make)), "sizes")
    [picture] = found.all("svg")
    assert picture.attributes["role"] == "img"
    assert "drop \u2264 0.01" in picture.text
    assert "size \u2264 60.0 kB" in picture.text
    assert len(picture.all("g", "red")) == 1
    assert len(picture.all("path", "accepted")) == 1
    cells = [each.text for each in found.all("tbody")[0].all("td")]
    assert cells == ["plain", "41.0 kB", "\u22120.03", "39.0 kB, \u22120.02"]
    assert "A diamond is what was accepted before, relative to the model under test of then" in (
        found.text
    )


def test_what_was_accepted_beside_a_model_that_is_not_known_has_no_place(make: Make) -> None:
    run = a_run(make)
    [seen] = run.artifacts
    seen = replace(seen, accepted=SeenAccepted("cd" * 32, 39_000, "plain", 0.97))
    found = section(page_of(replace(run, artifacts=(seen,))), "sizes")
    assert not found.all("path", "accepted")
    cells = [each.text for each in found.all("tbody")[0].all("td")]
    assert cells[3] == "39.0 kB, accuracy not known"
    assert "It has none where its accuracy beside that model is not known" in found.text


def test_the_accepted_drop_of_an_earlier_report_is_that_of_its_verdict(make: Make) -> None:
    run = a_run(make)
    drop = replace(run.verdicts[0], accepted=AcceptedRecord(0.015, "cd" * 32, 39_000))
    found = section(page_of(replace(run, verdicts=(drop,), artifacts=())), "sizes")
    assert found.all("tbody")[0].all("td")[3].text == "39.0 kB, \u22120.015"
    assert len(found.all("path", "accepted")) == 1


def test_an_artifact_that_no_budget_asked_for_is_drawn_from_its_score(make: Make) -> None:
    run = a_run(make)
    [seen] = run.artifacts
    score = ScoreRecord("mse", 0.2, 0.5, 10, 10, lower_is_better=True)
    page = page_of(RunRecord({}, (), artifacts=(replace(seen, score=score, accepted=None),)))
    assert section(page, "sizes").all("tbody")[0].all("td")[2].text == "\u22120.3"


def test_one_far_point_does_not_press_the_others_into_a_line(make: Make) -> None:
    verdicts = [
        replace(
            make("accuracy_drop", drop, 0.01, outcome),
            artifact=ArtifactRecord("litert", name, 5_000, (name,), cached=False),
        )
        for name, drop, outcome in (("A", 0.002, "pass"), ("B", 0.008, "pass"), ("C", 0.8, "fail"))
    ]
    picture = section(page_of(RunRecord({}, tuple(verdicts))), "sizes").all("svg")[0]
    places = [float(str(each.attributes["cy"])) for each in picture.all("circle")]
    assert abs(places[0] - places[1]) > 15
    assert len(picture.all("path", "beyond")) == 1


def test_latencies_are_drawn_of_both_sides(make: Make) -> None:
    found = section(page_of(a_run(make)), "artifacts")
    alone, both = found.all("figure")
    assert "latency_p95: single inferences, 1,000 of the artifact" in alone.text
    assert len(alone.all("path", "density")) == 1
    assert alone.all("path", "limit")
    assert len(both.all("path", "density")) == 2
    assert [each.text for each in both.all("thead")[0].all("th")] == [
        "",
        "artifact",
        "float export",
    ]
    rows = [[cell.text for cell in row.all("td")] for row in both.all("tbody")[0].all("tr")]
    assert [each[1] for each in rows] == ["4 ms", "4.2 ms", "6 ms", "7.8 ms", "7.96 ms", "8 ms"]


def test_far_times_and_a_far_limit_leave_room_for_the_others(make: Make) -> None:
    slow = tuple(1.0 if share >= 0.99 else 0.002 * (1 + share) for share in SHARES)
    verdict = make("latency_p95", 0.003, 9.0, times=TimesRecord(1_000, slow))
    figure = page_of(RunRecord({}, (verdict,))).all("figure")[0]
    [density] = figure.all("path", "density")
    places = [float(each) for each in re.findall(r"[ML]([\d.]+) ", str(density.attributes["d"]))]
    places.sort()
    assert places[len(places) // 2] - places[0] > 100
    assert "limit 9 s \u2192" in figure.text
    assert not figure.all("path", "limit")
    assert [each.text for each in figure.all("tbody")[0].all("td")][-1] == "1 s"


def test_red_artifacts_come_first(make: Make) -> None:
    verdicts = [
        replace(
            make("size", value, 7, outcome),
            artifact=ArtifactRecord("litert", name, 5_000, (name,), cached=False),
        )
        for name, value, outcome in (("A", 5, "pass"), ("B", 9, "fail"))
    ]
    found = section(page_of(RunRecord({}, tuple(verdicts))), "artifacts")
    assert [each.text for each in found.all("h3")] == ["coral: B", "coral: A"]


def test_classes_and_flips_are_listed_with_the_number_of_the_others(make: Make) -> None:
    found = section(page_of(a_run(make)), "artifacts")
    [classes] = found.all("table", "classes")
    rows = [[cell.text for cell in each.all("td")] for each in classes.all("tbody")[0].all("tr")]
    assert rows == [
        ["10", "0.900", "0.500", "\u22124", ""],
        ["90", "0.889", "0.889", "0", ""],
    ]
    assert "and 7 more in the evaluation samples" in found.text
    flips = [each.text for each in found.all("ul", "flips")[0].all("li")]
    assert flips[0] == "sample 12, label 3: 3 \u2192 5"
    assert "and 3 more samples" in found.text


def test_classes_and_flips_are_against_the_model_and_say_so(make: Make) -> None:
    found = section(page_of(a_run(make)), "artifacts")
    headings = [each.text for each in found.all("h4")]
    assert headings[-2:] == [
        "Classes, against the model under test",
        "Samples that flipped: right in the model under test, wrong in the artifact",
    ]
    note = "and not beside what was accepted"
    assert note in found.text
    run = a_run(make)
    [bare] = [replace(each, accepted=None) for each in run.artifacts]
    verdicts = tuple(replace(each, accepted=None) for each in run.verdicts)
    bare_run = replace(run, verdicts=verdicts, artifacts=(bare,))
    assert note not in section(page_of(bare_run), "artifacts").text


def test_a_red_verdict_links_to_what_explains_it(make: Make) -> None:
    run = a_run(make)
    red = [
        make(metric, 0.05, 0.01, "fail", times=each)
        for metric, each in (
            ("accuracy_regression", None),
            ("size_regression", None),
            ("latency_regression", times(0.002)),
        )
    ]
    given = tuple(replace(each, artifact=run.verdicts[0].artifact) for each in red)
    seen = replace(run.artifacts[0], target="coral")
    page = page_of(replace(run, verdicts=given, artifacts=(seen,)))
    found = {}
    for each in section(page, "verdicts").all("tr", "more"):
        [link] = each.all("a")
        found[str(each.all("dd")[0].text)] = link
        [target] = [
            one for one in page.inner() if f"#{one.attributes.get('id')}" == link.attributes["href"]
        ]
        assert "single inferences" in target.text or "Samples that flipped" in target.text
    links = [str(each.attributes["href"]) for each in section(page, "verdicts").all("a")]
    assert sorted(links) == ["#a0", "#a0-answers", "#a0-t2"]
    away = page_of(replace(run, verdicts=given, artifacts=()))
    assert "classes and flipped samples" not in section(away, "verdicts").text


@pytest.mark.parametrize(
    ("remedy", "commands"),
    [
        ("undo it; if it is meant, accept it: pytest --edge-accept", ["pytest --edge-accept"]),
        ("pytest --edge-accept accepts what this run has found", ["pytest --edge-accept"]),
        ("pip install --upgrade keras, or save it again", ["pip install --upgrade keras"]),
        ("pip install 'pytest-edgegate[all]'", ["pip install 'pytest-edgegate[all]'"]),
        ("pip install fake-tool and run again", ["pip install fake-tool"]),
        ("restore it (git checkout, git lfs pull), or remove it", ["git lfs pull"]),
        (
            "git checkout edge-baseline/a[coral].json, or run the test, then pytest --edge-accept",
            ["git checkout edge-baseline/a[coral].json", "pytest --edge-accept"],
        ),
        ("git checkout --ours or --theirs a.json", []),
        ('pytest -p no:xdist "test_a.py::test_a[coral]"', None),
        ("pytest --edge-target=coral,onnx-cpu", None),
        ("name another folder: python -m pytest_edgegate init ... DIR", []),
        ("calibrate on more samples: PTQ(samples=500) in place of PTQ(samples=200)", []),
        ("into the table of pytest's own keys", []),
        ("", []),
    ],
)
def test_only_what_can_be_typed_can_be_copied(
    make: Make, remedy: str, commands: list[str] | None
) -> None:
    page = page_of(RunRecord({}, (make("size", 9, 5, "fail", remedy=remedy),)))
    found = section(page, "verdicts")
    wanted = [remedy] if commands is None else commands
    assert [each.text for each in found.all("code", "command")] == wanted
    assert [each.attributes["aria-label"] for each in found.all("button", "copy")] == [
        f"Copy {each}" for each in wanted
    ]
    assert remedy in found.text.replace("Copy", "")


def test_paths_are_relative_to_the_root_or_names(make: Make) -> None:
    artifact = ArtifactRecord(
        "litert",
        "ab" * 32,
        5,
        ("Q",),
        cached=True,
        path="/home/anna/project/.edgegate_cache/x/m.tflite",
        exported="out/m.tflite",
        compiled="/tmp/of-anna/m_edgetpu.tflite",
    )
    verdict = replace(make("size", 5, 9), artifact=artifact)
    run = RunRecord({"root": "/home/anna/project"}, (verdict,))
    for each in (run, RunRecord({}, (verdict,), merged_from=(MergedReport("a", run.environment),))):
        told = section(page_of(each), "verdicts").text
        assert "File.edgegate_cache/x/m.tflite" in told
        assert "Copyout/m.tflite" in told
        assert "Compiled\u2026/m_edgetpu.tflite" in told
        assert "anna" not in html_of(each).decode()


def test_an_artifact_tells_how_it_was_made(make: Make) -> None:
    made = section(page_of(a_run(make, "Q")), "artifacts").all("dl")[0]
    told = {each.all("dt")[0].text: each.all("dd")[0].text for each in made.all("div")}
    assert told == {
        "Recipe": "Q",
        "Model": "Q",
        "Plan": "Q",
        "Stages": "Q: Q (from the cache)",
        "Tools": "Q Q",
        "Type": "Q",
        "Notes": "Q",
        "Format": "litert",
        "Size": "41.0 kB (41,000 bytes)",
        "SHA-256": "ab" * 32,
        "Accepted": f"{'cd' * 8}, 39.0 kB",
        "About the file": "Q",
    }


def test_layers_by_error_are_a_table(make: Make) -> None:
    [group] = page_of(a_run(make, "conv_3")).all("details", "red")[:1]
    [layers] = group.all("table")[1:2]
    assert layers.all("tbody")[0].text == "conv_320.5 dB"


def test_it_is_a_document_for_a_screen_reader(make: Make) -> None:
    page = page_of(a_run(make))
    assert page.attributes == {"lang": "en"}
    for tag in ("header", "nav", "main", "footer", "h1"):
        assert len(page.all(tag)) == 1, tag
    names = [str(each.attributes["id"]) for each in page.inner() if "id" in each.attributes]
    assert len(set(names)) == len(names)
    for each in page.inner():
        for key in ("aria-labelledby", "for"):
            assert set((each.attributes.get(key) or "").split()) <= set(names), each
        if each.tag == "th":
            assert each.attributes["scope"] in ("row", "col")
        if each.tag == "svg":
            assert each.attributes.get("aria-hidden") or each.attributes["role"] == "img"
    for table in page.all("table", "verdicts"):
        nested = [each for wide in table.all("div", "wide") for each in wide.inner()]
        own = [each for each in (table, *table.inner()) if each not in nested]
        roles = {(each.tag, each.attributes.get("role")) for each in own}
        wanted = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row"}
        assert roles >= {*wanted.items(), ("td", "cell"), ("th", "rowheader")}
        assert not [each for each in roles if each[0] in (*wanted, "td", "th") and not each[1]]
    levels = [int(each.tag[1]) for each in page.inner() if re.fullmatch("h[1-6]", each.tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    links = [str(each.attributes["href"])[1:] for each in page.all("a")]
    assert set(links) <= set(names)


def test_an_empty_run_is_a_page_too() -> None:
    page = page_of(RunRecord({}))
    assert "Nothing was judged." in page.text
    assert page.all("h1")[0].text == "Edge gate \u2713 0 of 0 verdicts red"


def test_a_run_that_does_not_fit_leaves_out_green_verdicts_and_says_so(make: Make) -> None:
    red = [make("size", 9, 5, "fail", test=f"red{at}", reason="r" * 900) for at in range(60)]
    green = [make("size", 5, 9, test=f"green{at}", reason="g" * 3_900) for at in range(640)]
    content = html_of(RunRecord({}, (*green, *red)))
    assert len(content) <= MOST_BYTES
    page = parsed(content)
    shown = [each.all("h3")[0].text for each in section(page, "verdicts").all("details", "group")]
    assert [each for each in shown if each.startswith("red")] == [f"red{at}" for at in range(60)]
    left_out = 700 - len(page.all("tr", "verdict"))
    assert f"{left_out:,} more verdicts would not fit" in page.text
    assert page.all("h1")[0].text == "Edge gate \u2715 60 of 700 verdicts red"


def test_pictures_are_left_out_before_verdicts(make: Make) -> None:
    run = a_run(make)
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(30_000)).decode()
    flips = tuple(FlipRecord(at, 3, 3, 5, picture) for at in range(60))
    answers = replace(run.artifacts[0].answers or AnswersRecord(0, (), 0, 0, 0), flips=flips)
    content = html_of(replace(run, artifacts=(replace(run.artifacts[0], answers=answers),)))
    assert len(content) <= MOST_BYTES
    page = parsed(content)
    assert not page.all("img")
    assert len(page.all("tr", "verdict")) == 4
