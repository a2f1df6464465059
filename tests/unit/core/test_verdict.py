"""Verdicts in the form of the JSON report, schema 1."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.core.verdict import Outcome, Verdict

ARTIFACT = Artifact(
    path=Path("m.tflite"),
    format="litert",
    dtype="int8",
    files=(Path("m.tflite"),),
    size_bytes=13832,
    sha256="ab" * 32,
    recipe=(PTQ(),),
    target="coral",
    cached=True,
)


def test_the_fields_of_schema_1() -> None:
    measured = Measurement(
        0.002,
        "host:litert",
        low=-0.001,
        high=0.006,
        level=0.9,
        n=1000,
        n_total=1000,
    )
    verdict = Verdict(
        Budget("accuracy_drop", 0.01),
        Outcome.PASS,
        "within",
        measured=measured,
        proven=True,
        artifact=ARTIFACT,
        test="tests/test_edge.py::test_ptq[coral]",
        target="coral",
        note="note",
    )
    assert verdict.as_dict() == {
        "test": "tests/test_edge.py::test_ptq[coral]",
        "target": "coral",
        "artifact": {
            "format": "litert",
            "sha256": "ab" * 32,
            "size_bytes": 13832,
            "recipe": ["PTQ(samples=200)"],
            "cached": True,
            "compiled": None,
            "path": "m.tflite",
        },
        "budget": {"metric": "accuracy_drop", "limit": 0.01, "unit": "points"},
        "measured": {
            "value": 0.002,
            "low": -0.001,
            "high": 0.006,
            "level": 0.9,
            "n": 1000,
            "n_total": 1000,
            "decided_early": False,
            "source": "host:litert",
            "cached": False,
        },
        "outcome": "pass",
        "allowed": False,
        "proven": True,
        "reason": "within; note",
        "remedy": "",
        "details": [],
        "cause": "",
        "note": "note",
    }


def test_nothing_measured_is_null() -> None:
    found = Verdict(Budget("latency_p95", 1.0), Outcome.NOT_MEASURED, "no board").as_dict()
    assert found["measured"] is None
    assert found["outcome"] == "not_measured"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_json_has_no_nan(value: float) -> None:
    measured = Measurement(value, "file", low=value, high=value)
    found = Verdict(Budget("parity_abs", 1.0), Outcome.FAIL, "NaN", measured=measured).as_dict()
    assert (found["measured"]["value"], found["measured"]["low"]) == (None, None)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("allowed", [True, False])
def test_what_is_red(outcome: Outcome, allowed: bool) -> None:
    verdict = Verdict(Budget("size", 1), outcome, "", allowed=allowed)
    assert verdict.red is (outcome is not Outcome.PASS and not allowed)


FIGURE = Measurement(2, "file")
RED = Verdict(Budget("size", 1), Outcome.FAIL, "2 B > 1 B", measured=FIGURE)


def test_a_record_has_what_explains_the_verdict() -> None:
    found = replace(RED, details=("classes that lost most: class 9",), cause="pixels in 0 to 255")
    assert found.as_dict()["details"] == ["classes that lost most: class 9"]
    assert found.as_dict()["cause"] == "pixels in 0 to 255"


def test_what_json_does_not_have_is_made_plain() -> None:
    conditions = {"load": (0.5, float("nan")), "board": Path("/dev/tty0"), "threads": 4, 1: True}
    steps = {"facts": {"prune": {"kept": (1, 2)}}}
    found = replace(
        RED,
        measured=replace(FIGURE, conditions=conditions),
        artifact=replace(ARTIFACT, provenance=steps, path=Path("m\udc80.tflite")),
    )
    shown = found.as_dict()
    assert shown["measured"]["conditions"] == {
        "load": [0.5, None],
        "board": "/dev/tty0",
        "threads": 4,
        "1": True,
    }
    assert shown["artifact"]["steps"] == {"prune": {"kept": [1, 2]}}
    assert shown["artifact"]["path"] == "m\\udc80.tflite"
    assert VerdictRecord.from_json(json.loads(json.dumps(shown))) == found.record


def test_figures_of_numpy_are_plain_numbers() -> None:
    for value in (np.float64(0.5), np.float32(0.5)):
        shown = replace(RED, measured=replace(FIGURE, value=value)).as_dict()
        assert type(shown["measured"]["value"]) is float
