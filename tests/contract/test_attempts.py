"""What a test came to that was run again, that ended in an error, or that its worker took along."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_edgegate.core.record import RunRecord

IMPORTS = """
from _pytest.runner import runtestprotocol
from _pytest.tmpdir import tmppath_result_key
"""
AGAIN = {
    # As pytest-rerunfailures does: the reports of a failed attempt have an outcome of their own
    "published": """
def pytest_runtest_protocol(item, nextitem):
    for attempt in range(3):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = attempt < 2 and any(each.failed for each in reports)
        for each in reports:
            if again and each.failed:
                each.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=each)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if not again:
            return True
""",
    # As flaky does: the report of a failed call is kept back
    "silent": """
def pytest_runtest_protocol(item, nextitem):
    for attempt in range(3):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = attempt < 2 and any(each.failed for each in reports)
        for each in reports:
            if not (again and each.failed):
                item.ihook.pytest_runtest_logreport(report=each)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if not again:
            return True
""",
    # All reports of a failed attempt are kept back
    "hidden": """
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(3):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if attempt == 2 or not any(each.failed for each in reports):
            break
    for each in reports:
        item.ihook.pytest_runtest_logreport(report=each)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
""",
    # As pytest-retry does: within the report of the first call, which is then published twice
    "inside": """
import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    for attempt in range(2):
        if call.when != "call" or call.excinfo is None or report.skipped:
            break
        ihook = item.ihook
        following = pytest.Class.from_parent(item.session, name="Other")
        ihook.pytest_runtest_teardown(item=item, nextitem=following)
        item.stash[tmppath_result_key] = {}  # without it tmp_path can't be torn down again
        if attempt == 0:
            report.outcome = "retried"
            ihook.pytest_runtest_logreport(report=report)
        item._initrequest()
        pytest.CallInfo.from_call(lambda: ihook.pytest_runtest_setup(item=item), when="setup")
        call = pytest.CallInfo.from_call(lambda: ihook.pytest_runtest_call(item=item), when="call")
        after = pytest.TestReport.from_item_and_call(item, call)
        report.outcome, report.longrepr = after.outcome, after.longrepr
    return report
""",
}
TESTS = """
import pytest

TRIED = {"green": 0, "red": 0, "error": 0, "crumbles": 0}


def attempt(of):
    TRIED[of] += 1
    return TRIED[of]


@pytest.mark.edge_budget(size="2 kB")
def test_once(edge_ptq): ...


def test_green_at_last(edge_gate, edge_ptq):
    edge_gate.size(edge_ptq, "2 kB" if attempt("green") == 3 else "500 B")


def test_red(edge_gate, edge_ptq):
    edge_gate.size(edge_ptq, 100 * attempt("red"))


def test_error_at_last(edge_gate, edge_ptq):
    edge_gate.size(edge_ptq, "500 B" if attempt("error") < 3 else "500 lightyears")


def test_crumbles(edge_gate, edge_ptq):
    assert attempt("crumbles") < 3, "of something else"
    edge_gate.size(edge_ptq, "500 B")
"""


@pytest.fixture(params=[*((kind, "n0") for kind in AGAIN), ("published", "n2")], ids="-".join)
def ran(request: pytest.FixtureRequest, play: Any, inner_conftest: str) -> Any:
    """Each way to run a test again; with workers the reports travel alike, whichever it is."""
    kind, mode = request.param
    conftest = f"{inner_conftest}{IMPORTS}{AGAIN[kind]}"
    return play(
        {"conftest.py": conftest, "test_it.py": TESTS},
        *("--edge-target=fake-board", "--junit-xml=junit.xml"),
        mode=mode,
    )


def sizes(ran: Any, name: str, *, superseded: bool) -> list[Any]:
    """Outcomes and limits of the size of a test."""
    return [
        (each["outcome"], each["budget"]["limit"])
        for each in ran.report["verdicts"]
        if f"::{name}[" in each["test"]
        and each["budget"]["metric"] == "size"
        and each.get("superseded", False) is superseded
    ]


def test_the_last_attempt_counts(ran: Any) -> None:
    assert ran.status == 1, ran.everything
    assert sizes(ran, "test_once", superseded=False) == [("pass", 2000)]
    assert sizes(ran, "test_green_at_last", superseded=False) == [("pass", 2000)]
    assert sizes(ran, "test_red", superseded=False) == [("fail", 300)]
    assert sizes(ran, "test_error_at_last", superseded=False) == []
    assert sizes(ran, "test_crumbles", superseded=False) == []


def test_earlier_attempts_are_in_the_report(ran: Any) -> None:
    assert sizes(ran, "test_once", superseded=True) == []
    assert sizes(ran, "test_green_at_last", superseded=True) == [("fail", 500)] * 2
    assert sizes(ran, "test_red", superseded=True) == [("fail", 100), ("fail", 200)]
    assert sizes(ran, "test_error_at_last", superseded=True) == [("fail", 500)] * 2
    assert sizes(ran, "test_crumbles", superseded=True) == [("fail", 500)] * 2
    (error,) = ran.report["errors"]
    assert "::test_error_at_last[" in error["test"]
    assert "superseded" not in error


def test_the_summary_counts_each_test_once(ran: Any) -> None:
    assert "edge gate: 6 verdicts, 1 red, 1 error" in ran.output, ran.output
    assert "(4 tests run again: the last attempt counts)" in ran.output
    run = RunRecord.from_json(ran.report)
    assert sum(each.red for each in run.verdicts) == 1
    assert len(run.errors) == 1
    assert sum(each.red for each in run.superseded_verdicts) == 8


def test_junit_has_each_test_once(ran: Any) -> None:
    found = in_junit(ran.folder / "junit.xml")
    assert found["test_green_at_last[fake-board]"] == ["1,000 B <= 2,000 B pass"], found
    assert found["test_red[fake-board]"] == ["1,000 B <= 300 B FAIL"]
    assert found["test_crumbles[fake-board]"] == []


def in_junit(path: Path) -> dict[str, list[str]]:
    """The sizes in the properties of each test case."""
    found: dict[str, list[str]] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        sizes = found.setdefault(str(case.get("name")), [])
        for each in case.iter("property"):
            if each.get("name") == "edge.size":
                sizes.append(str(each.get("value")))
    return found


ERRORS = {
    "test_it.py": """
import os
import pytest
from pytest_edgegate import PTQ


@pytest.fixture
def broken():
    PTQ(samples=0)


@pytest.fixture
def ends_badly():
    yield
    PTQ(samples=0)


@pytest.mark.edge_budget(accuracy_drop=0.01)
@pytest.mark.samples(0)
def test_set_up(edge_ptq): ...


def test_body(edge_gate):
    edge_gate.check("nowhere.fake")


@pytest.mark.edge_budget(size="2 kB")
def test_judged(edge_target): ...


@pytest.mark.edge_budget(size="2 kB")
def test_torn_down(ends_badly, edge_ptq): ...


def test_not_of_the_gate(broken): ...


@pytest.mark.edge_budget(size="2 kB")
def test_green(edge_ptq): ...


@pytest.mark.edge_budget(size="500 B")
def test_red(edge_ptq): ...
""",
    "test_not_collected.py": """
import pytest


@pytest.mark.edge_budget(sise="2 kB")
def test_marker(edge_ptq): ...
""",
    "test_not_imported.py": "from pytest_edgegate import PTQ\n\nPTQ(samples=-1)\n",
}


@pytest.fixture
def errors(play: Any) -> Any:
    return play(
        ERRORS,
        "--edge-target=fake-board",
        "--continue-on-collection-errors",
        "--edge-report-plot=p.svg",
    )


@pytest.mark.workers
@pytest.mark.parametrize(
    ("test", "target", "message"),
    [
        ("test_it.py::test_set_up[fake-board]", "fake-board", "edge_data.evaluation is empty"),
        ("test_it.py::test_body[fake-board]", "fake-board", "nowhere.fake does not exist"),
        ("test_it.py::test_judged[fake-board]", "fake-board", "nothing was gated"),
        ("test_it.py::test_torn_down[fake-board]", "fake-board", "PTQ(samples=0)"),
        ("test_it.py::test_not_of_the_gate", None, "PTQ(samples=0)"),
        ("test_not_collected.py::test_marker", None, "unknown budget 'sise'"),
        ("test_not_imported.py", None, "samples"),
    ],
)
def test_an_error_is_in_the_report(
    errors: Any, test: str, target: str | None, message: str
) -> None:
    found = [each for each in errors.report["errors"] if each["test"] == test]
    assert len(found) == 1, errors.report["errors"]
    assert found[0]["target"] == target
    assert message in found[0]["message"]
    assert found[0]["remedy"]


@pytest.mark.workers
def test_only_errors_are_among_the_errors(errors: Any) -> None:
    assert len(errors.report["errors"]) == 7
    assert "edge gate: 6 verdicts, 1 red, 7 errors" in errors.output, errors.output
    run = RunRecord.from_json(errors.report)
    assert run.to_json() == errors.report
    assert len(run.errors) == 7


LOST = """
import os
import pytest


@pytest.mark.edge_budget(size="2 kB")
def test_before(edge_ptq): ...


@pytest.mark.edge_budget(size="2 kB")
def test_lost(edge_ptq):
    os._exit(3)


@pytest.fixture
def ending():
    os._exit(3)


@pytest.mark.edge_budget(size="2 kB")
def test_lost_in_setup(ending, edge_ptq): ...


@pytest.mark.edge_budget(size="2 kB")
def test_after(edge_ptq): ...
"""


@pytest.fixture
def crashed(play: Any) -> Any:
    return play(
        {"test_it.py": LOST}, "--edge-target=fake-board", "--junit-xml=junit.xml", mode="n2"
    )


@pytest.mark.parametrize("name", ["test_lost", "test_lost_in_setup"])
def test_a_test_that_is_lost_with_its_worker_is_named(crashed: Any, name: str) -> None:
    assert crashed.status == 1
    test = f"test_it.py::{name}[fake-board]"
    (error,) = (each for each in crashed.report["errors"] if each["test"] == test)
    assert error["target"] == "fake-board"
    assert "the test was lost: worker 'gw" in error["message"]
    assert f'pytest -p no:xdist "{test}"' in error["remedy"]
    assert f"lost with its worker, not judged: {test}" in crashed.output, crashed.output
    assert f'name="{name}[fake-board]"' in (crashed.folder / "junit.xml").read_text()


def test_a_worker_takes_one_test_along(crashed: Any) -> None:
    judged = {each["test"] for each in crashed.report["verdicts"]}
    assert judged == {f"test_it.py::{name}[fake-board]" for name in ("test_before", "test_after")}
    assert len(crashed.report["errors"]) == 2
