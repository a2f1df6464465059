"""Annotations: commands that GitHub reads, of which text of others can start none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_edgegate.core.record import ErrorRecord, RunRecord, VerdictRecord
from pytest_edgegate.reports.github import Github

Make = Callable[..., VerdictRecord]
HOSTILE = "%0A,a:b\r\n::add-mask::x\n##[stop-commands]y\x1b[31m\u202e,line=9::::error::z"
COMMAND = re.compile(r"::(error|warning) ([^:]*)::(.*)")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder in a repository, with a test file."""
    root = tmp_path / "checkout" / "part"
    root.mkdir(parents=True)
    (root / "test_a.py").touch()
    return root


def job(root: Path) -> Github:
    return Github(root.parent, None)


def read(command: str) -> tuple[str, dict[str, str], str]:
    """(kind, properties, message), as GitHub's runner reads a line."""
    found = COMMAND.fullmatch(command)
    assert found is not None, command
    kind, properties, message = found.groups()
    pairs = dict(each.split("=", 1) for each in properties.split(","))
    back = {"%3A": ":", "%2C": ",", "%0A": "\n", "%0D": "\r", "%25": "%"}
    for escape, meant in back.items():
        pairs = {key: value.replace(escape, meant) for key, value in pairs.items()}
        message = message.replace(escape, meant) if escape not in ("%3A", "%2C") else message
    return kind, pairs, message


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({"GITHUB_ACTIONS": "false", "GITHUB_STEP_SUMMARY": "s"}, None),
        ({"GITHUB_ACTIONS": "true"}, Github(None, None)),
        (
            {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/w", "GITHUB_STEP_SUMMARY": "/s"},
            Github(Path("/w"), Path("/s")),
        ),
    ],
)
def test_where_a_run_takes_place(variables: dict[str, str], found: Github | None) -> None:
    assert Github.of(variables) == found


def test_the_place_is_relative_to_the_repository(root: Path, make: Make) -> None:
    red = replace(make("size", 9, 5, "fail"), place="test_a.py:12")
    [command] = job(root).annotations(RunRecord({}, (red,)), root)
    kind, properties, message = read(command)
    assert kind == "error"
    assert properties == {
        "file": "part/test_a.py",
        "line": "12",
        "title": "edge gate: size (coral, PTQ(samples=200))",
    }
    assert message == "size 9 against 5\nnext: do this\ntest_a.py::test_a[coral]"
    linked = root.parent.with_name("link")
    linked.symlink_to(root.parent)
    [other] = Github(linked, None).annotations(RunRecord({}, (red,)), root)
    assert read(other)[1]["file"] == "part/test_a.py"


@pytest.mark.parametrize("place", ["", "test_a.py", "test_a.py:x"])
def test_a_place_without_a_line_is_the_file(root: Path, make: Make, place: str) -> None:
    red = replace(make("size", 9, 5, "fail"), place=place)
    [command] = job(root).annotations(RunRecord({}, (red,)), root)
    found = read(command)[1]
    assert "line" not in found
    assert found.get("file") == (None if ":" in place else "part/test_a.py")


def test_a_file_that_is_not_there_is_not_named(root: Path) -> None:
    error = ErrorRecord("edgegate::m.tflite[coral]", "coral", "broken", "mend it")
    [command] = job(root).annotations(RunRecord({}, errors=(error,)), root)
    assert command == "::error title=edge gate%3A error::broken%0Amend it%0A" + error.test


def test_red_comes_first_and_ten_at_most(root: Path, make: Make) -> None:
    allowed = make("macs", None, 1, "not_measured", allowed=True, reason="nothing measures it")
    red = make("size", 9, 5, "fail")
    error = ErrorRecord("test_a.py::test_b", None, "broken", "mend it")
    unseen = (replace(red, xfailed=True), make("size", 4, 5))
    run = RunRecord({}, (allowed, *unseen, red), (error, replace(error, xfailed=True)))
    kinds = [read(each) for each in job(root).annotations(run, root)]
    assert [(kind, message.splitlines()[0]) for kind, _, message in kinds] == [
        ("error", "size 9 against 5"),
        ("error", "broken"),
        ("warning", "nothing measures it"),
    ]
    many = replace(run, verdicts=(allowed, *[red] * 11))
    *ten, last = job(root).annotations(many, root)
    assert len(ten) == 10
    assert {read(each)[0] for each in ten} == {"error"}
    assert last == "(3 more of the edge gate have no annotation)"


def test_text_of_others_starts_no_command(root: Path, make: Make) -> None:
    verdict = make("size", 9, 5, "fail", reason=HOSTILE, remedy=HOSTILE, cause=HOSTILE)
    red = replace(verdict, test=HOSTILE, target=HOSTILE, place=f"{HOSTILE}:3")
    error = ErrorRecord(HOSTILE, HOSTILE, HOSTILE, HOSTILE, place=HOSTILE)
    allowed = replace(red, allowed=True)
    commands = job(root).annotations(RunRecord({}, (red, allowed), (error,)), root)
    assert [read(each)[0] for each in commands] == ["error", "error", "warning"]
    for each in commands:
        assert len(each.splitlines()) == 1
        assert "\x1b" not in each
        assert "\u202e" not in each
        assert "##[" not in each
        _, properties, message = read(each)
        assert set(properties) == {"title"}
        assert "%0A,a:b" in message


def test_a_summary_grows_and_keeps_what_is_in_it(tmp_path: Path, make: Make) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"before")
    run = RunRecord({}, (make("size", 9, 5, "fail", reason="zu groß"),))
    assert Github(None, summary).write_summary(run) == ""
    first = summary.read_text("utf-8")
    assert first.startswith("before\n<!-- edgegate-report -->\n")
    assert "zu groß" in first
    assert Github(None, summary).write_summary(run) == ""
    assert summary.read_text("utf-8").startswith(first)
    assert Github(None, None).write_summary(run) == ""


def test_a_summary_stays_below_what_github_takes(tmp_path: Path, make: Make) -> None:
    summary, most = tmp_path / "summary.md", 1024 * 1024
    run = RunRecord({}, (make("size", 9, 5, "fail"),) * 3000)
    summary.write_bytes(b"x" * (most - 5000))
    assert Github(None, summary).write_summary(run) == ""
    assert most - 4000 < summary.stat().st_size <= most
    assert "more red verdicts are left out here" in summary.read_text("utf-8")


def test_a_summary_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "no" / "summary", pipe, tmp_path / "nul\0l"):
        told = Github(None, path).write_summary(RunRecord({}))
        assert told.startswith("the summary of the job was not written: ")
        assert "\0" not in told
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert "no regular file" in Github(None, pipe).write_summary(RunRecord({}))
    finally:
        os.close(reader)
