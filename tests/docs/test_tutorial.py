"""The tutorial, done as it says: a real model is trained, gated, and red where the page says so."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import warm_python

from pytest_edgegate.testing.example import Example, Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text("utf-8")
FILES = re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.M | re.S)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_other_plugins")]


def contents(name: str) -> list[str]:
    """What the page writes into a file, one after another."""
    return [content for path, content in FILES if path == name]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Each state of the folder as a folder of its own, in one run."""
    folder = tmp_path_factory.mktemp("tutorial")
    (train,), (right, wrong) = contents("train.py"), contents("conftest.py")
    green, red = contents("test_edge.py")
    trained = subprocess.run(
        warm_python.command(train), cwd=folder, text=True, capture_output=True, check=False
    )
    assert trained.returncode == 0, trained.stderr
    files = {
        "green/conftest.py": right,
        "green/test_edge.py": green,
        "red/conftest.py": right,
        "red/test_edge.py": red,
        "mistake/conftest.py": wrong,
        "mistake/test_edge.py": green,
    }
    options = "--import-mode=importlib", "--edge-report-json=report.json", "-p", "no:xdist"
    return Example(files).run_pytest(
        folder,
        "--edge-target=coral",
        *options,
        *("-p", "warm_python.forking"),
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "80"},
    )


def verdicts(done: Outcome, state: str) -> dict[str, dict[str, Any]]:
    report = json.loads((done.folder / "report.json").read_text("utf-8"))
    mine = [each for each in report["verdicts"] if each["test"].startswith(f"{state}/")]
    assert mine, done.output
    return {each["budget"]["metric"]: each for each in mine}


def test_the_page_has_the_files_of_the_steps() -> None:
    assert [name for name, _ in FILES] == [
        *("train.py", "conftest.py", "test_edge.py", "test_edge.py", "conftest.py")
    ]


def test_the_first_budget_is_green_with_about_the_figures_of_the_page(done: Outcome) -> None:
    found = verdicts(done, "green")
    assert {each["outcome"] for each in found.values()} == {"pass"}, done.output
    quoted = re.search(r": ([\d.]+) kB \(.*top1 ([\d.]+) -> ([\d.]+)", PAGE)
    assert quoted is not None
    size, before, after = map(float, quoted.groups())
    measured = found["accuracy_drop"]["measured"]
    assert found["size"]["measured"]["value"] == pytest.approx(size * 1000, rel=0.02)
    # a training gives other weights on another processor
    assert measured["reference_value"] == pytest.approx(before, abs=0.03)
    assert measured["artifact_value"] == pytest.approx(after, abs=0.03)
    assert measured["n"] == 797


def test_the_smaller_size_is_red_and_the_accuracy_was_judged_all_the_same(done: Outcome) -> None:
    found = verdicts(done, "red")
    assert found["size"]["outcome"] == "fail"
    assert found["accuracy_drop"]["outcome"] == "pass"


def test_the_mistake_is_named_with_both_ranges(done: Outcome) -> None:
    found = verdicts(done, "mistake")
    assert found["accuracy_drop"]["outcome"] == "fail"
    cause = found["accuracy_drop"]["cause"]
    assert "from 0 to 255" in cause
    assert "from 0 to 1" in cause
