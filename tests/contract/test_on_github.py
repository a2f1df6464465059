"""On GitHub: annotations at the lines of markers and tests, and the summary of the job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_edgegate.reports.markdown_page import MARK

ON_GITHUB = """
import os
from pathlib import Path

here = Path(__file__).parent
os.environ["GITHUB_ACTIONS"] = "true"
os.environ["GITHUB_WORKSPACE"] = str(here.parent)
os.environ["GITHUB_STEP_SUMMARY"] = str(here / "summary.md")
"""
TESTS = '''"""Two that are red, one that is green, and an error."""
import pytest


@pytest.mark.edge_budget(
    size="2 kB",
    parameters=1,
)
def test_limits(edge_ptq):
    pass


def test_by_hand(edge_gate, edge_qat):
    edge_gate.size(edge_qat, "500 B")


@pytest.mark.edge_budget(size="2 kB")
def test_green(edge_ptq): ...


@pytest.mark.samples(0)
def test_error(edge_ptq): ...
'''


@pytest.fixture
def github(inner_conftest: str) -> dict[str, str]:
    """A project whose run takes place in a job on GitHub."""
    return {"conftest.py": ON_GITHUB + inner_conftest, "test_it.py": TESTS}


ARGUMENTS = ("--edge-target=fake-board",)


def commands(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.lstrip().startswith("::")]


@pytest.mark.workers
def test_annotations_stand_at_the_lines_of_limits_and_tests(
    play: Any, github: dict[str, str]
) -> None:
    ran = play(github, *ARGUMENTS)
    assert ran.status == 1, ran.everything
    file = f"file={ran.folder.name}/test_it.py"
    limit, *rest = commands(ran.output)
    assert limit == (
        f"::error {file},line=7,title=edge gate%3A parameters (fake-board%2C PTQ(samples=200))::"
        "parameters 20 > 1%0Anext: give the model fewer filters, or raise the budget knowingly%0A"
        "test_it.py::test_limits[fake-board]"
    )
    by_hand, error = sorted(rest)
    assert by_hand.startswith(
        f"::error {file},line=13,title=edge gate%3A size (fake-board%2C QAT(epochs=2))::size "
    )
    assert error.startswith(
        f"::error {file},line=22,title=edge gate%3A error::edge_data.evaluation is empty%0A"
    )


@pytest.mark.workers
def test_the_summary_is_the_markdown_report(play: Any, github: dict[str, str]) -> None:
    ran = play(github, *ARGUMENTS, "--edge-report-md=report.md")
    text = (ran.folder / "report.md").read_text("utf-8")
    assert text.startswith(f"{MARK}\n## ❌ edge gate: ")
    assert (ran.folder / "summary.md").read_text("utf-8") == f"\n{text}\n"


def test_a_summary_is_added_to(play: Any, github: dict[str, str]) -> None:
    ran = play({**github, "summary.md": "what another tool wrote\n"}, *ARGUMENTS)
    text = (ran.folder / "summary.md").read_text("utf-8")
    assert text.startswith(f"what another tool wrote\n\n{MARK}\n")


def test_a_summary_that_is_too_long_is_left_alone(play: Any, github: dict[str, str]) -> None:
    long = "x" * (1024 * 1024 - 1000)
    ran = play({**github, "summary.md": long}, *ARGUMENTS)
    assert (ran.folder / "summary.md").read_text("utf-8") == long
    assert "the summary of the job was not written: 1,047,576 bytes are in it" in ran.output


def test_a_summary_that_can_not_be_written_changes_no_verdict(
    play: Any, github: dict[str, str]
) -> None:
    conftest = github["conftest.py"].replace('"summary.md"', '"no folder" / "summary.md"')
    green = "def test_green(edge_ptq): ...\n"
    ran = play({"conftest.py": conftest, "test_it.py": green}, *ARGUMENTS)
    assert ran.status == 0, ran.everything
    assert "the summary of the job was not written: " in ran.output
    assert commands(ran.output) == []


def test_a_job_without_edge_tests_gets_nothing(play: Any, github: dict[str, str]) -> None:
    ran = play({**github, "test_it.py": "def test_it(): assert 0\n"})
    assert ran.status == 1
    assert commands(ran.output) == []
    assert not (ran.folder / "summary.md").exists()


def test_elsewhere_there_is_none_of_it(play: Any, github: dict[str, str]) -> None:
    away = github["conftest.py"].replace('"GITHUB_ACTIONS"] = "true"', '"GITHUB_ACTIONS"] = "no"')
    ran = play({**github, "conftest.py": away}, *ARGUMENTS)
    assert ran.status == 1
    assert commands(ran.output) == []
    assert not (ran.folder / "summary.md").exists()


PLACES = """import pytest

pytestmark = pytest.mark.edge_budget(size="1 kB", parameters=1)


@pytest.mark.edge_budget("fake-board", macs=1)
@pytest.mark.edge_budget(
    macs=2,
    parameters=2,
)
class TestIt:
    @pytest.mark.edge_budget(size="2 kB")
    def test_it(self, edge_ptq): ...
"""
MISTAKEN = """import pytest


@pytest.mark.edge_budget(
    size="1 kB",
    sise="2 kB",
)
def test_it(edge_ptq): ...
"""
BROKEN = """from pytest_edgegate.core.errors import ConfigurationError

raise ConfigurationError("the module is broken", "mend it")
"""


@pytest.mark.workers
def test_the_line_is_that_of_the_marker_that_counts(play: Any, github: dict[str, str]) -> None:
    files = {"conftest.py": github["conftest.py"], "test_it.py": PLACES}
    ran = play(files, *ARGUMENTS)
    places = {each["budget"]["metric"]: each.get("place") for each in ran.report["verdicts"]}
    assert places == {
        "contract": None,
        "size": None,
        "macs": "test_it.py:6",
        "parameters": "test_it.py:9",
    }
    assert sorted(each.split(",")[1] for each in commands(ran.output)) == ["line=6", "line=9"]


@pytest.mark.workers
@pytest.mark.parametrize(("content", "line"), [(MISTAKEN, 6), (BROKEN, 3)])
def test_errors_of_the_collection(
    play: Any, github: dict[str, str], content: str, line: int
) -> None:
    files = {"conftest.py": github["conftest.py"], "test_it.py": content}
    ran = play(files, *ARGUMENTS)
    [command] = commands(ran.output)
    file = f"{ran.folder.name}/test_it.py"
    assert command.startswith(f"::error file={file},line={line},title=edge gate%3A error::")


def test_a_model_without_a_test_file_has_no_line(play: Any, github: dict[str, str]) -> None:
    content = json.dumps({"fake": 1})
    files = {"conftest.py": github["conftest.py"], "m.fake": content}
    ran = play(files, *ARGUMENTS, "--edge-model=m.fake")
    [command] = commands(ran.output)
    assert command.startswith("::error title=edge gate%3A error::")
