"""``python -m pytest_edgegate report``: the same bytes as a run, and files that are no reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.__main__ import main
from pytest_edgegate.core.artifact_record import ArtifactRecord
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import BudgetRecord, MeasuredRecord, RunRecord, VerdictRecord
from pytest_edgegate.reports.json import JsonReporter
from pytest_edgegate.reports.markdown import MarkdownReporter

HOSTILE = "\x1b[31m\n::add-mask::x ##[debug]y </script> [a](http://b) \u202e"


def verdict(value: float = 0.002, outcome: str = "pass", name: str = "test_a") -> VerdictRecord:
    artifact = ArtifactRecord("litert", "0" * 64, 10, ("PTQ()",), cached=False)
    return VerdictRecord(
        name, "coral", artifact, BudgetRecord("accuracy_drop", 0.01, "points"),
        MeasuredRecord(value, "host:fake"), Outcome(outcome), allowed=False, proven=True,
        reason="so it is", remedy="do this",
    )  # fmt: skip


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunRecord]:
    """Writes a report into the working folder, where a conftest.py would fail."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conftest.py").write_text("raise SystemExit(9)")
    (tmp_path / "pytest.ini").write_text("[pytest]\nedge_target = nonsense\n")

    def write(name: str, *verdicts: VerdictRecord, cpu: str = "x") -> RunRecord:
        run = RunRecord({"cpu": cpu}, verdicts)
        JsonReporter().write(tmp_path / name, run)
        return run

    return write


def test_the_same_bytes_as_the_run(save: Callable[..., RunRecord], tmp_path: Path) -> None:
    run = save("r.json", verdict(), verdict(0.02, "fail", "test_b"))
    MarkdownReporter().write(tmp_path / "run.md", run)
    given = ["report", "r.json", "--md", "new/again.md", "--json=again.json", "--plot=p.svg"]
    assert main(given) == 0
    assert (tmp_path / "new/again.md").read_bytes() == (tmp_path / "run.md").read_bytes()
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "r.json").read_bytes()
    assert (tmp_path / "p.svg").read_bytes().startswith(b"<?xml")


def test_without_files_the_table_is_printed(
    save: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    save("r.json", verdict(), verdict(0.02, "fail", "test_b"))
    assert main(["report", "r.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("edge gate: 2 verdicts, 1 red\ncoral: PTQ(): 10 B\n")
    assert "accuracy_drop  0.02      <= 0.01  FAIL, proven" in out


def test_where_two_disagree(
    save: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    save("a.json", verdict(), cpu="one")
    save("b.json", verdict(0.02, "fail"), cpu="two")
    assert main(["report", "a.json", "b.json", "--md", "-", "--json", "ab.json"]) == 0
    told = "test_a, PTQ(), accuracy_drop: a.json: pass (0.002), b.json: fail (0.02)"
    assert capsys.readouterr().err == f"disagree: {told}\n"
    both = RunRecord.from_json(json.loads((tmp_path / "ab.json").read_text()))
    assert both.disagreements == (told,)
    assert [each.environment for each in both.merged_from] == [{"cpu": "one"}, {"cpu": "two"}]
    assert main(["report", "ab.json", "--md", "ab.md"]) == 0
    assert capsys.readouterr().out == f"disagree: {told}\n"
    text = (tmp_path / "ab.md").read_text("utf-8")
    assert "**The reports disagree**\n\n- test\\_a, PTQ(), accuracy\\_drop: a.json: pass" in text
    assert "- <code>a.json</code>: cpu: one\n- <code>b.json</code>: cpu: two\n" in text


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["r.json", "--md", "r.json"], "--md r.json would replace r.json"),
        (["r.json", "--html=./r.json"], "--html r.json would replace r.json"),
        (["r.json", "--md=x", "--html=x"], "would replace what --"),
        (["r.json", "--md=-", "--html=-"], "would replace what --"),
    ],
)
def test_no_file_replaces_another(
    given: list[str],
    told: str,
    save: Callable[..., RunRecord],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("r.json", verdict())
    before = (tmp_path / "r.json").read_bytes()
    assert main(["report", *given]) == 2
    assert told in capsys.readouterr().err
    assert (tmp_path / "r.json").read_bytes() == before
    assert not (tmp_path / "x").exists()


def test_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", "."]) == 2
    assert ". can't be read: it is a folder" in capsys.readouterr().err


def test_to_stdout(save: Callable[..., RunRecord], tmp_path: Path) -> None:
    run = save("r.json", verdict())
    MarkdownReporter().write(tmp_path / "run.md", run)
    command = [sys.executable, "-m", "pytest_edgegate", "report", "r.json", "--md", "-"]
    ran = subprocess.run(command, capture_output=True, check=True, env={**os.environ})
    assert ran.stdout == (tmp_path / "run.md").read_bytes()
    assert ran.stderr == b""


def test_a_path_that_can_not_be_written_costs_no_other_file(
    save: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    save("r.json", verdict())
    (tmp_path / "file").touch()
    given = ["report", "r.json", "--json", "file/r.json", "--md", "r.md", "--plot", "p.xyz"]
    assert main(given) == 2
    err = capsys.readouterr().err
    assert "edgegate error: the report file/r.json can't be written" in err
    assert "give another path: --json=FILE" in err
    assert "--plot: p.xyz does not end in .svg, .png, .pdf" in err
    assert "--edge-report" not in err
    assert (tmp_path / "r.md").exists()


VALID = RunRecord({}, (verdict(),)).to_json()


def changed(**changes: Any) -> str:
    return json.dumps({**VALID, "verdicts": [{**VALID["verdicts"][0], **changes}]})


def measured(**changes: Any) -> str:
    return changed(measured={**VALID["verdicts"][0]["measured"], **changes})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "bad.json is no report: it is not JSON"),
        ("\x00\xff\x00", "bad.json is no report: it is not JSON"),
        ("{", "bad.json is no report: it is not JSON"),
        ("[" * 100_000, "bad.json is no report: it is not JSON: it is nested too deeply"),
        ("[" * 300 + "]" * 300, "nested more than 200 deep"),
        ("[]", "the report is [], not an object"),
        ('{"schema": 2}', "bad.json: the report is of schema 2"),
        ('{"pytest": 1}', "the report has no key 'schema'"),
        (changed(outcome=HOSTILE), "verdicts[0].outcome is"),
        (changed(test=7), "verdicts[0].test is 7, not a string"),
        (changed(budget={"metric": HOSTILE, "limit": 1, "unit": ""}), "metric is"),
        (measured(value=float("nan")), "a number in it is NaN or Inf"),
        (measured(conditions={"load": float("inf")}), "a number in it is NaN or Inf"),
        (measured(value=1).replace('"value": 1', '"value": 1e999'), "NaN or Inf"),
        (measured(value=10**400), "a number in it is larger than any figure"),
        (measured(value=1).replace('"value": 1', '"value": 1' + "0" * 5000), "it is not JSON"),
        (json.dumps({**VALID, "merged_from": [{"report": 1}]}), "merged_from[0].report is 1"),
    ],
)
def test_what_is_no_report(
    save: Callable[..., RunRecord],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
    reason: str,
) -> None:
    save("good.json", verdict())
    (tmp_path / "bad.json").write_bytes(content.encode("latin-1"))
    assert main(["report", "good.json", "bad.json", "--md", "r.md"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("edgegate error: ")
    assert reason in err
    assert "\x1b" not in err
    assert not any(line.startswith("::") for line in err.splitlines())
    assert out == ""
    assert not (tmp_path / "r.md").exists()


def test_files_that_can_not_be_read(
    save: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    save("r.json", verdict())
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (
        ("missing.json", "missing.json can't be read: no such file"),
        (".", "it is a folder"),
        ("pipe", "it is a named pipe"),
        ("/dev/zero", "it is a device"),
        ("r.json", "r.json is given twice"),
    ):
        assert main(["report", "r.json", name]) == 2
        assert reason in capsys.readouterr().err
    (tmp_path / "huge.json").touch()
    os.truncate(tmp_path / "huge.json", 10**12)
    assert main(["report", "huge.json"]) == 2
    assert "are more than the" in capsys.readouterr().err


def test_hostile_text_is_shown_as_text(
    save: Callable[..., RunRecord], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    save("a.json", verdict(name=HOSTILE))
    save("b.json", verdict(0.02, "fail", name=HOSTILE))
    assert main(["report", "a.json", "b.json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for hidden in ("\x1b", "\u202e", "##["):
        assert hidden not in out
    assert not any(line.lstrip().startswith("::") for line in out.splitlines())


def test_no_project_and_no_framework_is_loaded(
    save: Callable[..., RunRecord], tmp_path: Path
) -> None:
    save("r.json", verdict())
    program = (
        "import sys\nfrom pytest_edgegate.__main__ import main\n"
        "assert main(['report', 'r.json', '--md', 'r.md']) == 0\n"
        "heavy = {'numpy', 'scipy', 'matplotlib', 'jinja2', 'torch', 'tensorflow', 'conftest'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "assert 'pytest_edgegate.session' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ})
