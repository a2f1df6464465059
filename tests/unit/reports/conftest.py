"""Records of verdicts to print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.core.verdict import Outcome, Verdict

ARTIFACT = Artifact(
    Path("made/m.tflite"), "litert", "int8", (), 0, "", (PTQ(),), "coral", cached=False
)

_FIGURE = Measurement.__dataclass_fields__.keys() - Verdict.__dataclass_fields__.keys()

Make = Callable[..., VerdictRecord]


@pytest.fixture
def make() -> Make:
    """A verdict by its metric, value, limit and outcome; None: nothing was measured."""

    def verdict(
        metric: str, value: float | None, limit: float, outcome: str = "pass", **more: Any
    ) -> VerdictRecord:
        own = {key: more.pop(key) for key in _FIGURE & more.keys()}
        measured = None if value is None else Measurement(value, "file", **own)
        given: dict[str, Any] = {
            "reason": f"{value} against {limit}",
            "remedy": "do this",
            "proven": True,
            "artifact": ARTIFACT,
            "target": "coral",
            "test": "test_a.py::test_a[coral]",
        }
        budget = Budget(metric, limit)
        return Verdict(budget, Outcome(outcome), measured=measured, **given | more).record

    return verdict
