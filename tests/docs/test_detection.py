"""The page about detectors: its labels are taken, and its function is that of the example."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.data.dataset import Dataset

ROOT = Path(__file__).parents[2]
DETECTION = ROOT / "example_project" / "detection"
CONFTEST, TEST = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "detection.md").read_text("utf-8"), re.M | re.S
)


def names(block: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(block.replace("@pytest.fixture", "# @pytest.fixture"), found)
    return found


def test_its_labels_are_taken() -> None:
    found = names(CONFTEST)
    (batch,) = Dataset(found["edge_data"]()).evaluation.batches()
    assert batch.labels.shape == (2, 2, 6)
    assert found["edge_metric"]() == "map"


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
