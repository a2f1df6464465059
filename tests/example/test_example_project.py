"""The example project as a user runs it: cold, warm, on the mistakes that it shows, and on what is
worse than accepted."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.testing.example import Example, Outcome

PROJECT = Path(__file__).parents[2] / "example_project"
pytestmark = pytest.mark.slow

WATCH = """
import sys

def pytest_sessionfinish(session):
    frameworks = ("tensorflow", "keras", "tf_keras", "torch", "onnx", "onnxruntime")
    loaded = [name for name in frameworks if name in sys.modules]
    print("loaded frameworks:", loaded)
"""


Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def run(warm_python_m: str) -> Run:
    """Runs pytest with the gate's plugin and no other: their imports take most of a warm run."""

    def ran(project: Path, *arguments: str, target: str = "coral") -> Outcome:
        watched = ("-p", "edgegate", "-p", "watch", "-s", "--edge-report-json=report.json")
        path = os.pathsep.join(filter(None, [str(project), *sys.path]))
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        files = {"watch.py": WATCH, "another_chip.py": ANOTHER_CHIP}
        return Example(files, warm_python_m).run_pytest(
            project,
            f"--edge-target={target}",
            *watched,
            *arguments,
            env={"PYTHONPATH": path, "COLUMNS": "80", **alone},
        )

    return ran


ANOTHER_CHIP = """
from pytest_edgegate.core import environment

name, machine, flags = environment.processor_flags()
environment.processor_flags = lambda: (name, machine, flags ^ {"avx512_vnni", "asimddp"})
"""
"""The same kernels under the name of another instruction set."""

FORKED = ("-p", "warm_python.forking")
"""Of runs that build: their framework process has its imports already; ``make example`` has not."""


def verdicts(outcome: Outcome) -> list[dict[str, Any]]:
    report = json.loads((outcome.folder / "report.json").read_text())
    assert report["schema"] == 1
    found: list[dict[str, Any]] = report["verdicts"]
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example") / "project"
    ignored = shutil.ignore_patterns(".edgegate_cache", "__pycache__", ".pytest_cache")
    shutil.copytree(PROJECT, folder, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def cold(run: Run, project: Path) -> tuple[Outcome, list[dict[str, Any]]]:
    outcome = run(project, *FORKED)
    return outcome, verdicts(outcome)


def test_a_cold_run_is_green_and_builds(cold: tuple[Outcome, list[dict[str, Any]]]) -> None:
    outcome, found = cold
    assert outcome.status == 0, outcome.output
    assert "loaded frameworks: []" in outcome.output  # its models are files, loaded elsewhere
    assert {each["outcome"] for each in found} == {"pass"}
    assert any(not each["artifact"]["cached"] for each in found)
    [told] = [each["note"] for each in found if "test_float_inputs_and_outputs" in each["test"]]
    assert "caution: left to the CPU of coral: serving_default_image:0 (float32), " in told


def test_a_warm_run_builds_nothing_and_loads_no_framework(
    run: Run, project: Path, cold: tuple[Outcome, list[dict[str, Any]]]
) -> None:
    entries = sorted((project / ".edgegate_cache" / "entries").rglob("entry.json"))
    before = [path.stat().st_mtime_ns for path in entries]
    outcome = run(project, "--edge-export=exported")
    assert outcome.status == 0, outcome.output
    assert "loaded frameworks: []" in outcome.output
    assert [path.stat().st_mtime_ns for path in entries] == before
    again = verdicts(outcome)
    compressed = [each for each in again if each["artifact"]["recipe"]]
    assert compressed
    assert all(each["artifact"]["cached"] for each in compressed)
    for each in again:
        put, told = _exported(project / "exported", each)
        assert put.read_bytes() == Path(each["artifact"]["path"]).read_bytes()
        assert told["sha256"] == each["artifact"]["sha256"]
        assert (told["test"], told["recipe"]) == (each["test"], each["artifact"]["recipe"])
        assert bool(told["tools"]) == bool(told["model"]) == bool(told["recipe"])
    figures = [(each["budget"], each["measured"]["value"]) for each in again]
    assert figures == [(each["budget"], each["measured"]["value"]) for each in cold[1]]


def _exported(folder: Path, verdict: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The copy of the artifact of a verdict, and its provenance."""
    put = Path(verdict["artifact"]["exported"])
    assert put.parent == folder
    told: dict[str, Any] = json.loads(put.with_suffix(".json").read_text("utf-8"))
    return put, told


def test_a_torch_model_is_green_on_both_of_its_targets(
    run: Run, project: Path, cold: tuple[Outcome, list[dict[str, Any]]]
) -> None:
    on_coral = [each for each in cold[1] if "torch_model" in each["test"]]
    assert {each["artifact"]["format"] for each in on_coral} == {"litert"}
    outcome = run(project, "torch_model", *FORKED, target="onnx-cpu")
    assert outcome.status == 0, outcome.output
    found = verdicts(outcome)
    assert {each["artifact"]["format"] for each in found} == {"onnx"}
    assert {each["outcome"] for each in found} == {"pass"}
    assert any("QLinearConv" in each.get("note", "") for each in found)
    quoted = console_block(PROJECT.parent / "docs" / "reports.md", 0)
    assert lines_missing(quoted, outcome.output) == []
    warm = run(project, "torch_model", target="onnx-cpu")
    assert warm.status == 0, warm.output
    assert "loaded frameworks: ['onnx', 'onnxruntime']" in warm.output


def test_the_detector_is_green_by_its_mean_average_precision(
    run: Run, project: Path, cold: tuple[Outcome, list[dict[str, Any]]]
) -> None:
    outcome = run(project, "detection", *FORKED)
    assert outcome.status == 0, outcome.output
    found = {each["budget"]["metric"]: each for each in verdicts(outcome)}
    assert found["accuracy_drop"]["measured"]["scored_by"] == "map"
    assert found["accuracy_min"]["measured"]["value"] > 0.6


@pytest.fixture(scope="module")
def broken(
    run: Run, project: Path, cold: tuple[Outcome, list[dict[str, Any]]]
) -> tuple[Outcome, list[dict[str, Any]]]:
    """What is meant to be red, after a run that has filled the cache."""
    outcome = run(project, "broken", *FORKED)
    return outcome, verdicts(outcome)


def test_the_red_side_is_red_for_its_reasons(
    broken: tuple[Outcome, list[dict[str, Any]]],
) -> None:
    outcome, found = broken
    assert outcome.status == 1
    assert "4 failed" in outcome.output
    red = {
        (each["test"].split("::", 1)[1], each["budget"]["metric"], each["outcome"])
        for each in found
        if each["outcome"] != "pass"
    }
    assert red == {
        ("TestCalibrationNotNormalised::test_ptq[coral]", "accuracy_drop", "fail"),
        ("test_budget_too_tight[coral]", "size", "fail"),
        ("test_latency_without_a_board[coral]", "latency_p95", "not_measured"),
        ("test_by_hand[coral]", "accuracy_min", "fail"),
    }
    for line in (
        "probably: the calibration samples go from 0 to 255, the evaluation samples from 0 to 1",
        "--edge-allow-unmeasured=coral:latency_p95",
    ):
        assert line in outcome.output
    assert "Traceback" not in outcome.output
    assert "pytest_edgegate/" not in outcome.output


@pytest.fixture(scope="module")
def regressed(
    run: Run, project: Path, cold: tuple[Outcome, list[dict[str, Any]]]
) -> tuple[Outcome, list[dict[str, Any]]]:
    """What is worse than accepted, after a run that has filled the cache."""
    outcome = run(project, "regressed", *FORKED)
    return outcome, verdicts(outcome)


def test_what_is_worse_than_accepted_is_red_by_that_alone(
    regressed: tuple[Outcome, list[dict[str, Any]]],
) -> None:
    outcome, found = regressed
    assert outcome.status == 1
    assert "2 failed" in outcome.output
    red = {
        (each["test"].split("::", 1)[1], each["budget"]["metric"], each["outcome"], each["proven"])
        for each in found
        if each["outcome"] != "pass"
    }
    assert red == {
        ("TestOneMoreFilter::test_ptq[coral]", "size_regression", "fail", True),
        ("test_their_build[coral]", "accuracy_regression", "fail", True),
    }
    metrics = {each["budget"]["metric"] for each in found}
    assert metrics > {"size", "accuracy_drop"}
    for line in (
        "probably: the model under test has changed since this was accepted",
        "2 entries would change, 2 for the worse: pytest --edge-accept",
    ):
        assert line in outcome.output
    assert "Traceback" not in outcome.output


def test_it_reads_the_same_on_another_processor(run: Run, project: Path) -> None:
    """But for a note that says so."""
    outcome = run(project, "regressed", "-k", "their_build", "-p", "another_chip", *FORKED)
    assert outcome.status == 1
    quoted = console_block(PROJECT.parent / "README.md", 2)
    assert len(quoted) > 8
    assert lines_missing(quoted, outcome.output) == []
    assert "  measured with ai-edge-litert " in outcome.output


def test_what_was_accepted_is_green(run: Run, project: Path) -> None:
    """The entries are those of the files in models/, as the page beside the tests says."""
    again = project.parent / "again"
    shutil.copytree(project, again)
    for name in ("digits.keras", "digits_uint8.tflite"):
        shutil.copy(again / "models" / name, again / "regressed")
    assert run(again, "regressed", *FORKED).status == 0


def test_the_outputs_in_the_readme_are_real(
    run: Run,
    project: Path,
    broken: tuple[Outcome, list[dict[str, Any]]],
    regressed: tuple[Outcome, list[dict[str, Any]]],
) -> None:
    """A failure reads the same among others; the table of a green run is as wide as its rows."""
    readme = PROJECT.parent / "README.md"
    green = run(project, "tests/test_markers.py", "-k", "test_ptq").output
    quoted = [line for at in (0, 1, 2) for line in console_block(readme, at)]
    assert len(quoted) > 20
    printed = green + broken[0].output + regressed[0].output
    assert lines_missing(quoted, printed) == []


def console_block(page: Path, at: int) -> list[str]:
    """The lines of a block without its command, and without what differs from run to run."""
    block = page.read_text("utf-8").split("```console\n")[1 + at].split("```")[0]
    quoted = [line.rstrip() for line in block.splitlines()[1:] if line.strip()]
    return [line for line in quoted if not any(each in line for each in ("[100%]", "===", "e-0"))]


def lines_missing(quoted: list[str], output: str) -> list[str]:
    printed = {line.replace(" (cached)", "").rstrip() for line in output.splitlines()}
    return [line for line in quoted if line not in printed]
