"""A runtime that crashes on a file: its test fails, and the run goes on."""

from __future__ import annotations

from typing import Any

import pytest

FILES = {
    "crashing.py": """
import os
import signal
import time

from pytest_edgegate.testing.fakes import FakeRuntime


class Runtime(FakeRuntime):
    def __init__(self, optimises):
        super().__init__("")
        self.optimises = optimises

    def open(self, model):
        text = model.read_text()
        if '"title": "broken"' in text or ('"title": "crash"' in text and self.optimises):
            os.kill(os.getpid(), signal.SIGSEGV)
        if '"title": "hang"' in text:
            time.sleep(3600)
        return super().open(model)


RUNTIME = Runtime(True)
PLAIN = Runtime(False)
""",
    "crashing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: crashing\nVersion: 1.0\n",
    "crashing-1.0.dist-info/entry_points.txt": (
        "[pytest_edgegate.runtimes]\ncrashing = crashing:RUNTIME\nplain = crashing:PLAIN\n"
    ),
    "pyproject.toml": """
[tool.edgegate.targets.crashing]
from = "fake-board"
runtimes = { "edgegate-fake" = ["crashing"] }
""",
    "test_crashes.py": """
import pytest
from pytest_edgegate.testing.fakes import fake_model


@pytest.mark.parametrize("title", ["fine", "crash", "broken", "hang", "also-fine"])
def test_file(edge_gate, tmp_path, title):
    given = {} if "fine" in title else {"title": title}
    path = fake_model(tmp_path / "given.fake", dtype="int8", **given)
    edge_gate.accuracy(path, min=0.9)


@pytest.mark.edge_budget(accuracy_drop=0.01)
def test_made(edge_ptq): ...
""",
}


@pytest.fixture
def ran(play: Any) -> Any:
    return play(FILES, "--edge-target=crashing", "-k", "not hang")


@pytest.fixture
def hung(play: Any) -> Any:
    """By itself: a busy machine may take longer than this for any file."""
    return play(FILES, "--edge-target=crashing", "-k", "hang", ini="edge_runtime_timeout = 100 ms")


@pytest.mark.workers
@pytest.mark.parametrize("title", ["fine", "also-fine"])
def test_other_files_are_judged(ran: Any, title: str) -> None:
    assert of(ran, title)["letters"] == "."


def test_a_file_that_crashes_is_told(ran: Any) -> None:
    assert_told(ran, "crash", "ended the process that ran it (SIGSEGV)")


def test_another_runtime_of_the_package_that_runs_the_file_is_told(ran: Any) -> None:
    text = of(ran, "crash")["text"]
    assert "(SIGSEGV); it runs in plain" in text
    assert "list plain first in the runtimes of a target of your own" in text


def test_a_file_that_crashes_everywhere_is_told_as_such(ran: Any) -> None:
    assert_told(ran, "broken", "ended the process that ran it (SIGSEGV)")
    assert "it runs in" not in of(ran, "broken")["text"]


def test_a_file_that_hangs_is_told(hung: Any) -> None:
    assert_told(hung, "hang", "did not answer within 100 ms")


def assert_told(ran: Any, title: str, said: str) -> None:
    assert of(ran, title)["letters"] == "F"
    text = of(ran, title)["text"]
    assert "given.fake in crashing" in text
    assert said in text
    assert "make the file again" in text
    assert "Traceback" not in text


def test_the_session_lives(ran: Any) -> None:
    assert ran.status == 1
    assert ran.letter("test_made", "crashing") == "."
    assert len(ran.seen["tests"]) == 5


def of(ran: Any, title: str) -> Any:
    """What is known of the test of that file."""
    (found,) = (seen for node, seen in ran.seen["tests"].items() if f"[crashing-{title}]" in node)
    return found
