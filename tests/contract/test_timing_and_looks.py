"""When a test is judged, and what a person, a CI server or another tool sees."""

from __future__ import annotations

import json
import os
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_edgegate.core.record import RunRecord

FILES = {
    "test_looks.py": """
import pytest

from pytest_edgegate import BudgetExceeded, EdgeGateError, PTQ

budget, model = pytest.mark.edge_budget, pytest.mark.model


@budget(size=999)
def test_red(edge_ptq):
    pass


@budget(size=1000)
def test_green(edge_ptq):
    pass


@budget(size=999)
def test_body_failed(edge_ptq):
    assert 1 == 2


@budget(size=999)
def test_body_skipped(edge_ptq):
    pytest.skip("not today")


@pytest.mark.xfail(reason="known")
@budget(size=999)
def test_xfail(edge_ptq):
    pass


@pytest.mark.xfail(raises=BudgetExceeded, strict=True)
@budget(size=999)
def test_xfail_by_kind(edge_ptq):
    pass


@pytest.mark.xfail(strict=True, reason="thought to be red")
@budget(size=1000)
def test_xfail_that_holds(edge_ptq):
    pass


@budget(parameters=19)
def test_helper_raises_at_once(edge_ptq, edge_gate):
    edge_gate.size(edge_ptq, 999)
    edge_gate.accuracy(edge_ptq, drop=0.01)
    raise AssertionError("never reached")


@model(ptq_wrong=range(100))
def test_helper_judges_all_of_its_call(edge_ptq, edge_gate):
    edge_gate.check(edge_ptq, size=999, accuracy_drop=0.01, parameters=20)


@model(ptq_wrong=range(100), io="float32")
@budget(parity_lsb=1, parameters=20)
@budget(size=999)
@budget(accuracy_drop=0.4)
@budget(accuracy_min=0.99)
def test_markers_fail_once(edge_ptq):
    pass


@budget(size=900, parameters=20)
def test_not_judged_twice(edge_ptq, edge_gate):
    edge_gate.size(edge_ptq, 1000)


@budget(parameters=20)
def test_caught(edge_ptq, edge_gate):
    with pytest.raises(BudgetExceeded) as caught:
        edge_gate.size(edge_ptq, 999)
    assert [str(each.outcome) for each in caught.value.verdicts] == ["fail", "pass"]
    assert caught.value.verdicts[0].budget.metric == "size"


def test_helpers_return_verdicts(edge_ptq, edge_gate):
    (verdict,) = [v for v in edge_gate.size(edge_ptq, 1000) if v.budget.metric == "size"]
    assert str(verdict.outcome) == "pass" and verdict.measured.value == 1000
    assert edge_gate.accuracy(edge_ptq, drop=0.01, drop_relative=0.01, min=0.9)
    assert edge_gate.parity(edge_ptq, agreement=0.99, lsb=0, within_lsb=1, abs=0)
    assert edge_gate.check(edge_ptq, macs=20)


def test_latency_by_hand(edge_ptq, edge_gate):
    edge_gate.latency(edge_ptq, p95="6 ms", ratio=0.8)


@budget(accuracy_drop=0.01)
@pytest.mark.edge_recipe(PTQ(method="entropy"))
def test_fault_in_a_fixture(edge_artifact):
    pass


def test_fault_in_the_body(edge_ptq, edge_gate):
    edge_gate.check("missing.fake")


@pytest.mark.labels(100)
@budget(accuracy_drop=0.01)
def test_fault_while_judging(edge_ptq):
    pass


def test_fault_caught(edge_ptq, edge_gate):
    with pytest.raises(EdgeGateError, match="missing.fake"):
        edge_gate.check("missing.fake")


def test_helper_without_limit(edge_ptq, edge_gate):
    edge_gate.accuracy(edge_ptq)


def test_late_request(request):
    request.getfixturevalue("edge_ptq")


def test_of_a_fixture(checked):
    pass


@pytest.fixture
def checked(edge_ptq, edge_gate):
    edge_gate.size(edge_ptq, 999)
""",
    "test_framework.py": """
import pytest


@pytest.mark.model(explode=True)
def test_framework_error(edge_ptq):
    pass
""",
}
CONFTEST_MORE = """

import numpy as np

from pytest_edgegate import EdgeData
from pytest_edgegate.core.errors import CompressionError


@pytest.fixture
def edge_data(request):
    from pytest_edgegate.testing.fakes import fake_data, fake_samples

    mark = request.node.get_closest_marker("labels")
    if mark is None:
        return fake_data(200)
    x, y = fake_samples(200)
    return EdgeData(calibration=x[:20] + 1e6, evaluation=(x, y + mark.args[0]))


def pytest_edgegate_register(registry):
    from pytest_edgegate.testing.fakes import FakeTransform

    class Exploding(FakeTransform):
        def apply(self, model, step, target, data, out):
            if model.content.get("explode"):
                try:
                    raise RuntimeError("the converter's own words")
                except RuntimeError as error:
                    raise CompressionError("the converter failed", "try again") from error
            return super().apply(model, step, target, data, out)

    registry.add("transform", "fake", Exploding())


def pytest_edgegate_verdict(item, verdict):
    with open("told.txt", "a") as opened:
        opened.write(f"{item.name} {verdict.budget.metric} {verdict.outcome}\\n")


def pytest_edgegate_report(verdicts):
    with open("reported.txt", "a") as opened:
        opened.write(f"{len(verdicts)} {sorted(verdicts[0])}\\n")
"""


@pytest.fixture
def looks(play: Any, request: pytest.FixtureRequest) -> Any:
    return _run(play, request)


def _run(play: Any, request: pytest.FixtureRequest, *arguments: str) -> Any:
    conftest = request.getfixturevalue("inner_conftest") + CONFTEST_MORE
    return play(
        {**FILES, "conftest.py": conftest},
        "--edge-target=fake-board",
        "--junit-xml=junit.xml",
        *arguments,
    )


RED = [
    "test_red",
    "test_helper_raises_at_once",
    "test_helper_judges_all_of_its_call",
    "test_markers_fail_once",
    "test_latency_by_hand",
]
FAULTS = {
    "test_fault_in_a_fixture": ("E", "minmax", "write PTQ()"),
    "test_fault_in_the_body": ("F", "missing.fake does not exist", "check the path"),
    "test_fault_while_judging": ("E", "labels go from 100 to 109", "check the labels"),
    "test_helper_without_limit": ("F", "edge_gate.accuracy was given no limit", "give one of"),
    "test_framework_error": ("E", "the converter failed", "try again"),
}


def test_two_workers_find_the_same(same_with_workers: Any, request: pytest.FixtureRequest) -> None:
    _run(same_with_workers, request)


def test_a_red_verdict_fails_the_call(looks: Any) -> None:
    for name in RED:
        assert looks.letter(name) == "F"
    assert looks.letter("test_green") == "."


@pytest.mark.workers
def test_the_run_is_red(looks: Any) -> None:
    assert looks.status == 1
    assert "INTERNALERROR" not in looks.everything


@pytest.mark.parametrize(
    ("name", "letter"), [("test_body_failed", "F"), ("test_body_skipped", "s")]
)
def test_a_body_that_did_not_pass_is_not_judged(looks: Any, name: str, letter: str) -> None:
    assert looks.letter(name) == letter
    assert looks.verdicts(name) == {}
    assert "1,000 B" not in looks.text(name)


def test_red_under_xfail_is_xfailed(looks: Any) -> None:
    assert looks.letter("test_xfail") == "x"
    assert looks.letter("test_xfail_by_kind") == "x"
    assert looks.letter("test_xfail_that_holds") == "F"
    assert looks.verdicts("test_xfail")["size"]["outcome"] == "fail"


def test_a_helper_raises_at_once_and_says_what_is_not_judged(looks: Any) -> None:
    name = "test_helper_raises_at_once"
    assert {"size"} == {*looks.verdicts(name)} - {"contract"}
    last = looks.text(name).splitlines()[-1]
    assert "not judged" in last
    assert "markers" in last


def test_a_helper_judges_all_budgets_of_its_call(looks: Any) -> None:
    name = "test_helper_judges_all_of_its_call"
    found = {metric: each["outcome"] for metric, each in looks.verdicts(name).items()}
    assert found == {
        "contract": "pass",
        "size": "fail",
        "accuracy_drop": "fail",
        "parameters": "pass",
    }
    text = looks.text(name)
    assert "accuracy_drop: 0.5 > 0.01" in text
    assert "size: 1,000 B > 999 B" in text
    assert "parameters" in text


def test_the_markers_of_a_test_fail_once_worst_first(looks: Any) -> None:
    text = looks.text("test_markers_fail_once")
    first = text.splitlines()[0]
    assert "(and 3 more)" in first
    stories = re.findall(r"^(\w+): ", text, re.MULTILINE)
    assert len(stories) == 4
    assert stories[-1] == "parity_lsb"
    assert set(stories) == {"size", "accuracy_drop", "accuracy_min", "parity_lsb"}
    rows = re.findall(r"^  (\w+) .* (FAIL|NOT MEASURED|pass)\b", text, re.MULTILINE)
    print(text)
    assert [outcome for _, outcome in rows] == ["FAIL"] * 3
    assert "  and 3 more: " in text
    assert len(text.splitlines()) <= 15
    assert "What follows" not in text
    assert len(looks.verdicts("test_markers_fail_once")) == 6


def test_what_a_helper_judged_is_not_judged_again(looks: Any) -> None:
    assert looks.letter("test_not_judged_twice") == "."
    told = (looks.folder / "told.txt").read_text().splitlines()
    ours = [line.split()[1] for line in told if line.startswith("test_not_judged_twice")]
    assert sorted(ours) == ["contract", "parameters", "size"]


def test_verdicts_of_a_caught_failure_stay_in_the_report(looks: Any) -> None:
    assert looks.letter("test_caught") == "."
    found = {metric: each["outcome"] for metric, each in looks.verdicts("test_caught").items()}
    assert found == {"contract": "pass", "size": "fail", "parameters": "pass"}


def test_helpers_return_verdicts(looks: Any) -> None:
    assert looks.letter("test_helpers_return_verdicts") == "."


def test_a_failure_in_a_fixture_is_an_error_and_reads_the_same(looks: Any) -> None:
    assert looks.letter("test_of_a_fixture") == "E"
    assert looks.text("test_of_a_fixture").startswith("size 1,000 B > 999 B")


@pytest.mark.parametrize("name", RED)
def test_a_failure_shows_nothing_of_ours(looks: Any, name: str) -> None:
    text = looks.text(name)
    assert "Traceback" not in text
    assert "pytest_edgegate/" not in text
    assert ".py:" not in text
    assert "\n  next: " in text


@pytest.mark.workers
def test_no_failure_of_the_run_shows_our_lines(looks: Any) -> None:
    shown = looks.output
    assert "pytest_edgegate/" not in shown
    assert "_pytest/" not in shown
    assert "test_looks.py:" in shown  # of the body that failed by itself


def test_a_failure_is_headline_table_reason_remedy(looks: Any) -> None:
    lines = looks.text("test_red").splitlines()
    assert lines[0] == "size 1,000 B > 999 B (fake-board, PTQ(samples=200))"
    heading = next(line for line in lines if "verdict" in line).split()
    assert heading[0] == "budget"
    assert {"measured", "limit", "verdict"} <= set(heading)
    row = next(line for line in lines if line.startswith("  size"))
    for cell in ("1,000 B", "<= 999 B", "FAIL"):
        assert cell in row
    assert lines[-1].startswith("  next: ")


def test_the_short_summary_has_metric_and_numbers(looks: Any) -> None:
    summary = looks.output.split("short test summary info")[1]
    assert "test_red[fake-board] - size 1,000 B > 999 B" in summary
    for line in summary.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            assert " - " in line


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_our_first_line_and_its_remedy_last(looks: Any, name: str) -> None:
    letter, message, remedy = FAULTS[name]
    text = looks.text(name)
    assert looks.letter(name) == letter
    looks.assert_fault(text, message)
    assert text.splitlines()[0].startswith("edgegate error: ")
    assert remedy in text.splitlines()[-1]
    assert "own words" not in text


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_no_verdict_for_what_it_stopped(looks: Any, name: str) -> None:
    assert set(looks.verdicts(name)) == set()


def test_a_fault_that_was_caught_is_no_failure(looks: Any) -> None:
    assert looks.letter("test_fault_caught") == "."


def test_a_request_without_a_target_is_a_fault(looks: Any) -> None:
    assert looks.letter("test_late_request") == "F"
    looks.assert_fault(looks.text("test_late_request"), "name the fixture as an argument")


def test_long_tracebacks_show_the_original(play: Any, request: pytest.FixtureRequest) -> None:
    ran = _run(play, request, "--tb=long", "test_framework.py")
    text = ran.text("test_framework_error")
    assert text.splitlines()[0].startswith("edgegate error: the converter failed")
    assert "RuntimeError: the converter's own words" in text
    assert text.splitlines()[-1] == "try again"


@pytest.mark.workers
def test_the_table_at_the_end_lists_every_verdict_that_matters(looks: Any) -> None:
    section = looks.output.split(" edge gate: ")[1]
    title, table = section.split("\n", 1)
    count = len(looks.report["verdicts"])
    failed = [
        each
        for each in looks.report["verdicts"]
        if each["outcome"] != "pass" and not each["allowed"]
    ]
    expected = sum(each.get("xfailed", False) for each in failed)
    assert expected == 2
    assert title.startswith(f"{count} verdicts, {len(failed) - expected} red, {expected} xfailed")
    assert "test_looks.py::test_red[fake-board]" in table


@pytest.mark.workers
def test_a_failure_that_was_expected_is_not_red(looks: Any) -> None:
    run = RunRecord.from_json(looks.report)
    red = {each.test.split("::")[1] for each in run.verdicts if each.red}
    assert "test_red[fake-board]" in red
    assert not {"test_xfail[fake-board]", "test_xfail_by_kind[fake-board]"} & red


@pytest.mark.workers
def test_the_verdict_hook_is_called_for_each(looks: Any) -> None:
    told = [
        line
        for line in (looks.folder / "told.txt").read_text().splitlines()
        if not line.startswith("test_of_a_fixture")
    ]
    reported = [
        f"{each['test'].split('::')[1]} {each['budget']['metric']} {each['outcome']}"
        for each in looks.report["verdicts"]
        if "test_of_a_fixture" not in each["test"]
    ]
    assert sorted(told) == sorted(reported)


def test_verdicts_of_a_helper_in_a_fixture_are_reported(looks: Any) -> None:
    assert looks.verdicts("test_of_a_fixture")["size"]["outcome"] == "fail"


@pytest.mark.workers
def test_the_report_hook_is_called_once_in_the_controller(looks: Any) -> None:
    (line,) = (looks.folder / "reported.txt").read_text().splitlines()
    count, keys = line.split(" ", 1)
    assert int(count) == len(looks.report["verdicts"])
    assert keys == str(sorted(looks.report["verdicts"][0]))


def test_the_json_report_is_of_schema_1(looks: Any) -> None:
    report = looks.report
    assert set(report) == {"schema", "environment", "verdicts", "errors", "artifacts"}
    assert report["schema"] == 1
    environment = report["environment"]
    assert {"python", "cpu", "isa", "packages"} <= set(environment)
    assert environment["packages"]["pytest-edgegate"]
    verdict = looks.verdicts("test_green")["size"]
    assert verdict["artifact"].pop("path").endswith("m.fake")
    sha = verdict["artifact"].pop("sha256")
    assert re.fullmatch("[0-9a-f]{64}", sha)
    assert verdict.pop("reason")
    cached = verdict["artifact"].pop("cached")
    assert isinstance(cached, bool)
    assert verdict == {
        "test": "test_looks.py::test_green[fake-board]",
        "target": "fake-board",
        "artifact": {
            "format": "edgegate-fake",
            "size_bytes": 1000,
            "recipe": ["PTQ(samples=200)"],
            "compiled": None,
        },
        "budget": {"metric": "size", "limit": 1000, "unit": "bytes"},
        "measured": {
            "value": 1000,
            "low": None,
            "high": None,
            "level": None,
            "n": None,
            "n_total": None,
            "decided_early": False,
            "source": "file",
            "cached": False,
        },
        "outcome": "pass",
        "allowed": False,
        "proven": True,
        "remedy": "",
        "details": [],
        "cause": "",
    }


def test_the_json_report_of_an_accuracy(looks: Any) -> None:
    verdict = looks.verdicts("test_helper_judges_all_of_its_call")["accuracy_drop"]
    measured = verdict["measured"]
    assert verdict["budget"] == {"metric": "accuracy_drop", "limit": 0.01, "unit": "points"}
    assert (measured["value"], measured["level"]) == (0.5, 0.9)
    assert (measured["n"], measured["n_total"], measured["decided_early"]) == (200, 200, False)
    assert measured["low"] < 0.5 < measured["high"]
    assert measured["source"] == "host:fake"
    assert verdict["remedy"]
    assert verdict["reason"]


@pytest.mark.workers
def test_junit_has_a_property_for_each_verdict(looks: Any) -> None:
    tree = ElementTree.parse(looks.folder / "junit.xml")  # our own file
    cases = {case.get("name"): case for case in tree.iter("testcase")}
    for name, metrics in {
        "test_green": ["contract", "size"],
        "test_red": ["contract", "size"],
        "test_helper_raises_at_once": ["contract", "size"],
    }.items():
        found = [
            (each.get("name"), str(each.get("value")))
            for each in cases[f"{name}[fake-board]"].iter("property")
        ]
        assert sorted(str(key) for key, _ in found) == [f"edge.{each}" for each in metrics]
        assert "1,000 B" in dict(found)["edge.size"]
    failure = next(iter(cases["test_red[fake-board]"].iter("failure")))
    assert str(failure.get("message")).startswith("size 1,000 B > 999 B")


@pytest.mark.workers
def test_a_report_that_cannot_be_written_loses_nothing_else(play: Any) -> None:
    ran = play(
        {"test_one.py": "def test_one(edge_ptq): ...\n", "taken/file": ""},
        "--edge-target=fake-board",
        "--edge-report-json=taken/file/report.json",
    )
    assert ran.status != 0
    assert ran.letter("test_one") == "."
    assert "edgegate error: the report" in ran.output
    assert "edge gate: 1 verdict, 0 red" in ran.output
    assert "INTERNALERROR" not in ran.everything


def test_a_report_that_goes_to_a_device_leaves_the_device(play: Any) -> None:
    """And one that can't be written costs neither the other report nor the verdicts."""
    before = os.stat("/dev/full")
    ran = play(
        {"test_one.py": "def test_one(edge_ptq): ...\n"},
        "--edge-target=fake-board",
        "--edge-report-json=/dev/full",
        "--edge-report-plot=report.svg",
    )
    assert os.stat("/dev/full") == before
    assert ran.status == 4
    assert "edgegate error: the report /dev/full can't be written" in ran.output
    assert "edge gate: 1 verdict, 0 red" in ran.output
    assert "Traceback" not in ran.everything
    assert (ran.folder / "report.svg").exists()


def test_a_report_may_go_to_the_standard_output(play: Any) -> None:
    ran = play(
        {"test_one.py": "def test_one(edge_ptq): ...\n"},
        "--edge-target=fake-board",
        "--edge-report-json=/dev/stdout",
    )
    assert ran.status == 0
    report, _ = json.JSONDecoder().raw_decode(ran.output[ran.output.index('{\n  "schema"') :])
    assert [each["outcome"] for each in report["verdicts"]] == ["pass"]
    assert "edge gate: 1 verdict, 0 red" in ran.output


BAD_OPTIONS = {
    "--edge-target=fake-bord": "did you mean 'fake-board'?",
    "--edge-policy=point-blank": "did you mean 'point'?",
    "--edge-policy=strictest": "did you mean 'strict'?",
    "--edge-allow-unmeasured=latency_95": "did you mean 'latency_p95'?",
    "--edge-allow-unmeasured=fake-bord:latency_p95": "did you mean 'fake-board'?",
    "--edge-model=missing.fake": "missing.fake does not exist",
    "--edge-data=test_one.py": "--edge-model",
    "--edge-metric=topp": "did you mean 'top",
    "--edge-targets=fake-board": "unrecognized arguments",
}


@pytest.mark.parametrize("option", BAD_OPTIONS)
def test_a_bad_option_is_a_usage_error(play: Any, option: str) -> None:
    ran = play({"test_one.py": "def test_one(): ...\n"}, option)
    assert ran.status == 4
    assert BAD_OPTIONS[option] in ran.everything
    assert ran.seen.get("tests", {}) == {}
    assert "Traceback" not in ran.everything


@pytest.mark.workers
def test_a_bad_option_with_workers(play: Any) -> None:
    ran = play({"test_one.py": "def test_one(): ...\n"}, "--edge-target=fake-bord")
    assert ran.status == 4
    assert "edgegate error: unknown target 'fake-bord', did you mean 'fake-board'?" in (
        ran.everything
    )


@pytest.mark.parametrize(
    "ini",
    [
        "edge_target = fake-bord",
        "edge_policy = strictest",
        "edge_budgets = accuracy_drop",
        "edge_budgets = acuracy_drop = 0.1",
        "edge_allow_unmeasured = latency_95",
    ],
)
def test_a_bad_ini_key_is_a_usage_error(play: Any, ini: str) -> None:
    ran = play({"test_one.py": "def test_one(): ...\n"}, ini=ini)
    assert ran.status == 4
    assert "edgegate error: " in ran.everything
    assert "Traceback" not in ran.everything
