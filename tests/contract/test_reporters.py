"""Reporters of other packages: plugins of their own, which write what the built-in ones write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_edgegate.__main__ import main
from pytest_edgegate.core.record import RunRecord

PLUGIN = """
import json


class Lines:
    def write(self, path, run):
        lines = [
            f"{each.test} {each.budget.metric} {each.outcome} {'red' if each.red else 'green'}"
            for each in run.verdicts
        ]
        path.write_text("\\n".join([*lines, json.dumps(run.to_json())]))


def pytest_addoption(parser):
    parser.getgroup("lines").addoption("--verdict-lines", help="write a line for each verdict")


def pytest_edgegate_register(registry, config):
    registry.reporter("lines", Lines(), config.getoption("--verdict-lines"))
"""
TESTS = """
import pytest


@pytest.mark.edge_budget(size="2 kB", accuracy_drop=0.01)
def test_green(edge_ptq): ...


@pytest.mark.edge_budget(size="500 B")
def test_red(edge_qat): ...
"""
FILES = {"verdict_lines.py": PLUGIN, "test_it.py": TESTS}
ARGUMENTS = ("-p", "verdict_lines", "--edge-target=fake-board")


@pytest.mark.workers
def test_a_plugin_writes_a_report_of_its_own(play: Any) -> None:
    ran = play(FILES, *ARGUMENTS, "--verdict-lines=lines.txt")
    assert ran.status == 1, ran.everything
    *lines, report = (ran.folder / "lines.txt").read_text().splitlines()
    assert sorted(lines) == [
        "test_it.py::test_green[fake-board] accuracy_drop pass green",
        "test_it.py::test_green[fake-board] contract pass green",
        "test_it.py::test_green[fake-board] size pass green",
        "test_it.py::test_red[fake-board] contract pass green",
        "test_it.py::test_red[fake-board] size fail red",
    ]
    assert json.loads(report) == ran.report


@pytest.mark.workers
def test_the_json_report_is_the_record_of_the_run(play: Any) -> None:
    ran = play(FILES, *ARGUMENTS, "--verdict-lines=lines.txt")
    text = (ran.folder / "report.json").read_text("utf-8")
    run = RunRecord.from_json(json.loads(text))
    assert json.dumps(run.to_json(), indent=2) + "\n" == text
    red = ran.verdicts("test_red")["size"]
    assert red["artifact"]["path"].startswith(str(ran.folder))
    assert red["details"] == []
    assert red["cause"] == ""


def test_a_report_that_is_not_asked_for_is_not_written(play: Any) -> None:
    ran = play(FILES, *ARGUMENTS)
    assert ran.status == 1
    assert not (ran.folder / "lines.txt").exists()


def test_a_reporter_that_fails_costs_no_other_report(play: Any) -> None:
    broken = PLUGIN.replace("lines = [", 'raise RuntimeError("out of ink")\n        lines = [')
    ran = play(
        {"verdict_lines.py": broken, "test_it.py": "def test_it(edge_ptq): ...\n"},
        *ARGUMENTS,
        "--verdict-lines=lines.txt",
        "--edge-report-plot=report.svg",
    )
    assert ran.status == 4
    assert f"the report {ran.folder / 'lines.txt'} can't be written: " in ran.output
    assert "out of ink" in ran.output
    assert "edge gate: 1 verdict, 0 red" in ran.output
    assert len(ran.report["verdicts"]) == 1
    assert (ran.folder / "report.svg").exists()
    assert "INTERNALERROR" not in ran.everything


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('registry.reporter("json", Lines(), None)', "two reporters are registered under the name"),
        ('registry.reporter("own", object(), "own.txt")', "the reporter 'own' has no method write"),
        ('registry.add("reporter", "own", Lines())', "unknown kind of extension 'reporter'"),
    ],
)
def test_a_reporter_that_can_not_be_is_a_usage_error(play: Any, call: str, message: str) -> None:
    mistaken = f"{PLUGIN}    {call}\n"
    ran = play({"verdict_lines.py": mistaken, "test_it.py": "def test_it(): ...\n"}, *ARGUMENTS)
    assert ran.status == 4
    assert message in ran.everything
    assert "Traceback" not in ran.everything


def test_a_built_in_report_can_be_turned_off(play: Any) -> None:
    ran = play(
        {"test_it.py": "def test_it(): ...\n"},
        "-p",
        "no:edgegate-report-plot",
        "--edge-report-plot=report.svg",
    )
    assert ran.status == 4
    assert "unrecognized arguments: --edge-report-plot" in ran.everything


@pytest.mark.workers
def test_the_command_draws_what_the_run_has_written(
    play: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = play(FILES, *ARGUMENTS, "--verdict-lines=lines.txt", ini="edge_report_md = report.md")
    monkeypatch.chdir(ran.folder)
    again, copy = tmp_path / "again.md", tmp_path / "again.json"
    assert main(["report", "report.json", "--md", str(again), "--json", str(copy)]) == 0
    assert again.read_bytes() == (ran.folder / "report.md").read_bytes()
    assert copy.read_bytes() == (ran.folder / "report.json").read_bytes()


def test_markdown_that_can_not_be_written_is_told(play: Any) -> None:
    ran = play({**FILES, "file": ""}, *ARGUMENTS, "--edge-report-md=file/report.md")
    assert ran.status == 1
    assert "report.md can't be written" in ran.everything
    assert "--edge-report-md=FILE" in ran.everything


def test_junit_has_the_verdicts_of_a_test_that_is_expected_to_fail(play: Any) -> None:
    tests = TESTS.replace("def test_red", "@pytest.mark.xfail\ndef test_red")
    ran = play({**FILES, "test_it.py": tests}, *ARGUMENTS, "--junitxml=junit.xml")
    assert ran.status == 0, ran.everything
    properties = {
        (case.get("name"), each.get("name")): each.get("value")
        for case in ElementTree.parse(ran.folder / "junit.xml").getroot().iter("testcase")
        for each in case.iter("property")
    }
    assert properties["test_red[fake-board]", "edge.size"] == "1,000 B <= 500 B fail (xfailed)"
    assert properties["test_green[fake-board]", "edge.size"] == "1,000 B <= 2,000 B pass"


MISSING = """
import pytest


@pytest.fixture
def edge_model():
    return "missing.onnx"


@pytest.mark.edge_budget(size="9 kB")
def test_it(edge_ptq): ...
"""


def test_texts_of_reports_do_not_name_the_folder_of_the_project(again: Any) -> None:
    files = {"test_missing.py": MISSING, "test_it.py": TESTS}
    reports = "--edge-report-html=r.html", "--edge-report-md=r.md"
    ran = again(files, "--edge-target=fake-board", *reports)
    [error] = ran.report["errors"]
    assert error["message"] == "missing.onnx does not exist (looked in .)"
    assert ran.report["environment"]["root"] == str(ran.folder)
    for name in ("r.html", "r.md"):
        text = (ran.folder / name).read_text("utf-8").replace("\\", "")  # Markdown escapes
        assert "(looked in .)" in text
        assert str(ran.folder) not in text
