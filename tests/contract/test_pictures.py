"""The picture of a run: written by the controller alone, refused before any work."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

TESTS = """
import pytest


@pytest.mark.edge_budget(accuracy_drop=0.01, size="2 kB")
def test_it(edge_ptq): ...


@pytest.mark.edge_budget(accuracy_drop=0.01, size="500 B")
def test_small(edge_qat): ...
"""


@pytest.mark.workers
def test_a_picture_of_the_run_is_written(again: Any) -> None:
    ran = again({"test_it.py": TESTS}, "--edge-target=fake-board", "--edge-report-plot=report.svg")
    assert ran.status == 1, ran.everything
    picture = unescape((ran.folder / "report.svg").read_text())
    for each in (
        "fake-board",
        "PTQ(samples=200)",
        "QAT(epochs=2)",
        "size <= 2,000 B",
        "size <= 500 B",
        "drop <= 0.01",
    ):
        assert each in picture


def test_the_ini_names_it_too(again: Any) -> None:
    ran = again(
        {"test_it.py": TESTS},
        "--edge-target=fake-board",
        ini="edge_report_plot = pictures/report.png",
    )
    assert (ran.folder / "pictures" / "report.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_no_known_kind_is_a_usage_error(again: Any) -> None:
    ran = again({"test_it.py": TESTS}, "--edge-target=fake-board", "--edge-report-plot=report.doc")
    assert ran.status == 4
    assert "report.doc does not end in .svg, .png, .pdf" in ran.everything
    assert "--edge-report-plot=report.svg" in ran.everything


def test_without_matplotlib_it_is_refused_before_any_work(again: Any) -> None:
    missing = """

import importlib.util
import sys

found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "matplotlib" else found(name, *more)
"""
    files = {"hide.py": missing, "test_it.py": TESTS}
    ran = again(files, "-p", "hide", "--edge-target=fake-board", "--edge-report-plot=report.svg")
    assert ran.status == 4
    assert "pip install 'pytest-edgegate[report]'" in ran.everything
