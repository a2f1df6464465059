"""The page about detectors: its files give a verdict, and its function is that of the example."""

from __future__ import annotations

import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.testing.example import Example

pytestmark = pytest.mark.usefixtures("no_other_plugins")

ROOT = Path(__file__).parents[2]
DETECTION = ROOT / "example_project" / "detection"
PAGE = (ROOT / "docs" / "detection.md").read_text("utf-8")
CONFTEST, TEST = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
[COMMAND] = re.findall(r"^```console\n(.*?)\n```", PAGE, re.M | re.S)


def names(block: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(block.replace("@pytest.fixture", "# @pytest.fixture"), found)
    return found


@pytest.mark.slow
def test_the_page_gives_a_verdict_in_an_empty_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files as they stand there, with the example's model and real digits."""
    monkeypatch.setattr(sys, "path", [str(DETECTION.parent), *sys.path])
    make = runpy.run_path(str(DETECTION / "scenes.py"))["scenes"]
    images, labels = make(120, evaluate=True)
    np.savez(
        tmp_path / "scenes.npz",
        calibration=make(60, evaluate=False, seed=1).images,
        images=images,
        boxes=np.concatenate([boxes for boxes, _ in labels]),
        classes=np.concatenate([classes for _, classes in labels]),
        image=np.repeat(np.arange(len(labels)), [len(boxes) for boxes, _ in labels]),
    )
    shutil.copyfile(DETECTION / "models" / "digit_detector.keras", tmp_path / "detector.keras")
    files = {"conftest.py": CONFTEST, "test_detector.py": TEST, "pytest.ini": "[pytest]\n"}
    ran = Example(files).run_pytest(tmp_path, *COMMAND.split()[2:], "-p", "no:anyio")
    print(ran.output)
    assert ran.status == 0, ran.output
    assert "1 passed" in ran.output
    assert re.search(r"accuracy_drop +.* <= 0\.02 .*pass", ran.output), ran.output
    assert re.search(r"accuracy_min +0\.[67]\d* ", ran.output), ran.output
    assert "warning" not in ran.output.lower()


def test_its_function_is_that_of_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(DETECTION.parent), *sys.path])
    example = runpy.run_path(str(DETECTION / "scenes.py"))
    found = names(TEST)
    random = np.random.default_rng(0)
    outputs = {
        "offsets": random.random((144, 4), np.float32),
        "objectness": random.random(144, np.float32),
        "logits": random.normal(size=(144, 10)).astype(np.float32),
    }
    ours, theirs = found["decode"](outputs), example["decode"](outputs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert found["edge_metric"]().fn == "map"
