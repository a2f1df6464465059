"""``init`` with the example's model: what it writes passes as it is, on the data of --edge-data."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.__main__ import main
from pytest_edgegate.testing.example import Example

PROJECT = Path(__file__).parents[2] / "example_project"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_other_plugins")]
OPTIONS = ("--edge-target=coral", "-p", "warm_python.forking", "-p", "no:anyio")


def judged(folder: Path, *arguments: str) -> dict[str, Any]:
    """The verdict on the accuracy of a run that has to be green."""
    ran = Example().run_pytest(
        folder, *OPTIONS, "--edge-report-json=r.json", *arguments, env=ENVIRONMENT
    )
    assert ran.status == 0, ran.output
    report = json.loads((folder / "r.json").read_text("utf-8"))
    [found] = [each for each in report["verdicts"] if each["budget"]["metric"] == "accuracy_drop"]
    assert isinstance(found, dict)
    return found


ENVIRONMENT = {"PYTHONPATH": ":".join(filter(None, sys.path))}


def test_the_files_pass_and_judge_what_edge_model_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PROJECT))
    from digits import load_digits

    digits = load_digits()
    np.savez(tmp_path / "eval.npz", x=digits.x_evaluate[:400], y=digits.y_evaluate[:400])
    monkeypatch.chdir(tmp_path)
    model = str(PROJECT / "models" / "digits.keras")
    assert main(["init", "--model", model, "--data=eval.npz", "--target=coral", "gates"]) == 0
    by_files = judged(tmp_path, "gates")
    by_options = judged(tmp_path, f"--edge-model={model}", "--edge-data=eval.npz")
    assert by_files["measured"]["n"] == 320  # 80 calibrate
    for key in ("value", "n", "low", "high"):
        assert by_files["measured"][key] == by_options["measured"][key]
    assert by_files["artifact"]["sha256"] == by_options["artifact"]["sha256"]
    assert by_options["artifact"]["cached"]  # the same samples calibrate, so nothing was built
