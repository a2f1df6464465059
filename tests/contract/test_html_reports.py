"""The HTML report of real runs: drawn from what the JSON report holds, by the controller alone."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from report_page import parsed

from pytest_edgegate.core.record import RunRecord
from pytest_edgegate.core.shown_record import MOST_FLIPS, SHARES
from pytest_edgegate.reports.html.page import html_of

TESTS = """
import pytest
from pytest_edgegate import PTQ

WRONG = pytest.mark.model(wrong=range(10), ptq_wrong=range(5, 55))


@WRONG
@pytest.mark.edge_budget(accuracy_drop=0.01, size="9 kB")
def test_red(edge_ptq): ...


@WRONG
@pytest.mark.edge_budget(size="9 kB")
def test_green(edge_ptq): ...


@pytest.mark.edge_budget(size="9 kB")
def test_broken(): ...
"""
TIMES = """
import pytest


@pytest.mark.model(seconds=0.001, ptq_seconds=0.0005)
@pytest.mark.edge_budget(latency_p50="1 s", latency_ratio=3)
def test_times(edge_ptq): ...
"""
ASKED = ("--edge-target=fake-board", "--edge-report-html=report.html")


def artifact(ran: Any, name: str) -> Any:
    [found] = [each for each in ran.report["artifacts"] if f"::{name}[" in each["test"]]
    return found


@pytest.mark.workers
def test_the_page_is_drawn_from_the_json_report_alone(again: Any) -> None:
    ran = again({"test_it.py": TESTS}, *ASKED)
    content = (ran.folder / "report.html").read_bytes()
    assert content == html_of(RunRecord.from_json(ran.report))
    page = parsed(content)
    assert "1 of 5 verdicts red, 1 error" in page.all("h1")[0].text
    assert "nothing was gated" in page.text


def test_the_ini_names_the_file_too(again: Any) -> None:
    ini = "edge_report_html = pages/report.html"
    ran = again({"test_it.py": TESTS}, "--edge-target=fake-board", ini=ini)
    assert (ran.folder / "pages" / "report.html").read_bytes().startswith(b"<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_fails_the_run_and_no_other_report(again: Any) -> None:
    ran = again(
        {"test_it.py": TESTS, "a": "a file"},
        "--edge-target=fake-board",
        "--edge-report-html=a/report.html",
    )
    assert ran.status != 0
    assert "give another path: --edge-report-html=FILE" in ran.unwrapped
    assert ran.report["verdicts"]


def test_classes_and_flips_are_in_the_record(play: Any) -> None:
    ran = play({"test_it.py": TESTS}, "--edge-target=fake-board")
    found = artifact(ran, "test_red")["answers"]
    assert (found["n"], found["lost"], found["gained"], found["more_classes"]) == (200, 45, 5, 0)
    assert sum(each["n"] for each in found["classes"]) == 200
    assert sum(each["reference"] for each in found["classes"]) == 190
    assert sum(each["artifact"] for each in found["classes"]) == 150
    losses = [each["artifact"] - each["reference"] for each in found["classes"]]
    assert losses == sorted(losses)
    assert [each["sample"] for each in found["flips"]] == list(range(10, 10 + MOST_FLIPS))
    first = found["flips"][0]
    assert first["label"] == first["reference"] != first["artifact"]
    assert "picture" not in first
    # another test of the same artifact tells the same, whatever its budgets
    assert artifact(ran, "test_green")["answers"] == found


UNSEEN = """

from pytest_edgegate.session.measuring.passes import CasePasses

CasePasses.seen_so_far = lambda self: None
"""


def test_classes_are_counted_from_what_was_run_anyway(
    again: Any, inner_conftest: str, counting: str
) -> None:
    tests = {"test_it.py": TESTS.replace("ptq_wrong", "marked='m', ptq_wrong")}
    opened, told = [], []
    for more in ("", UNSEEN, ""):
        ran = again(tests | {"conftest.py": inner_conftest + counting + more}, *ASKED)
        done = ran.folder / "done.txt"
        opened.append(done.read_text().count("opened"))
        told.append(artifact(ran, "test_red").get("answers"))
        done.unlink()
    cold, *warm = opened
    assert warm[0] == warm[1] <= cold
    assert told[0] == told[2]
    assert told[0] is not None
    assert told[1] is None


def test_the_record_tells_how_an_artifact_was_made(play: Any) -> None:
    ran = play({"test_it.py": TESTS}, "--edge-target=fake-board")
    found = artifact(ran, "test_red")["making"]
    assert found["dtype"] == "int8"
    assert [each["step"] for each in found["stages"]] == ["PTQ(samples=200)"]
    assert found["stages"][0]["transform"] == "fake"


def test_distributions_of_both_sides_are_in_the_record(play: Any) -> None:
    ran = play({"test_it.py": TIMES}, "--edge-target=fake-host")
    found = ran.verdicts("test_times", "fake-host")
    alone, both = (found[each]["measured"]["times"] for each in ("latency_p50", "latency_ratio"))
    assert alone["shares"] == list(SHARES)
    assert alone["n"] == found["latency_p50"]["measured"]["n"]
    assert "other" not in alone
    assert len(both["other"]) == len(both["artifact"]) == len(SHARES)
    assert both["other"] == sorted(both["other"])


IMAGES = """

from pytest_edgegate import EdgeData
from pytest_edgegate.testing.fakes import fake_images


@pytest.fixture
def edge_data():
    return EdgeData(calibration=fake_images(20, start=500)[0], evaluation=fake_images(200))
"""


def test_no_picture_is_kept_unless_the_ini_asks_for_it(again: Any, inner_conftest: str) -> None:
    image = TESTS.replace("ptq_wrong", "colours='rgb', ptq_wrong")
    files = {"test_it.py": image, "conftest.py": inner_conftest + IMAGES}
    for ini, kept in (("", False), ("edge_report_samples = true", True)):
        ran = again(files, *ASKED, ini=ini)
        text = json.dumps(ran.report)
        assert ('"picture"' in text) == kept
        images = parsed((ran.folder / "report.html").read_bytes()).all("img")
        assert bool(images) == kept
        for each in images:
            source = str(each.attributes["src"]).removeprefix("data:image/png;base64,")
            assert base64.b64decode(source).startswith(b"\x89PNG")
