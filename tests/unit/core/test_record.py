"""Reading a report back: its schema, its shape, and what older reports lack."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.record import RunRecord

VERDICT: dict[str, Any] = {
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
    "reason": "within; 9 samples can't prove it",
    "remedy": "",
    "details": ["class 9"],
    "cause": "",
    "note": "9 samples can't prove it",
    "accepted": {
        "value": 0.965,
        "sha256": "cd" * 32,
        "size_bytes": 13800,
        "n": 1000,
        "source": "host:litert",
    },
}
ERROR: dict[str, Any] = {
    "test": "test_a.py::test_it[coral]",
    "target": "coral",
    "message": "edge_data.evaluation is empty",
    "remedy": "give at least one sample",
}
SEEN: dict[str, Any] = {
    "test": "test_a.py::test_it[coral]",
    "target": "coral",
    "artifact": VERDICT["artifact"],
    "compression": 3.3,
    "score": {
        "scored_by": "top1",
        "reference_value": None,
        "artifact_value": 0.9,
        "n": 64,
        "n_total": 100,
    },
    "accepted": {
        "sha256": "cd" * 32,
        "size_bytes": 13800,
        "scored_by": "top1",
        "value": None,
    },
}
REPORT: dict[str, Any] = {
    "schema": 1,
    "environment": {"python": "3.11"},
    "verdicts": [VERDICT],
    "errors": [ERROR],
    "artifacts": [SEEN],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The report with another value at a place; None takes the key away."""
    *parents, last = path.split(".")
    report = deepcopy(REPORT)
    place: Any = report
    for each in parents:
        place = place[int(each) if each.isdigit() else each]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return report


def test_a_report_is_read_back() -> None:
    run = RunRecord.from_json(json.loads(json.dumps(REPORT)))
    assert run.to_json() == REPORT
    (verdict,) = run.verdicts
    assert (verdict.reason, verdict.note) == ("within", "9 samples can't prove it")
    assert verdict.artifact is not None
    assert verdict.artifact.recipe == ("PTQ(samples=200)",)


def test_errors_are_read_back() -> None:
    (error,) = RunRecord.from_json(REPORT).errors
    assert (error.target, error.remedy) == ("coral", "give at least one sample")


@pytest.mark.parametrize("key", ["verdicts", "errors"])
def test_what_is_superseded_is_apart(key: str) -> None:
    marked = REPORT[key][0] | {"superseded": True}
    run = RunRecord.from_json(REPORT | {key: [*REPORT[key], marked]})
    assert len(run.verdicts) == len(run.errors) == 1
    assert len(run.superseded_verdicts) + len(run.superseded_errors) == 1
    assert run.to_json()[key] == [*REPORT[key], marked]


def test_artifacts_are_read_back() -> None:
    (found,) = RunRecord.from_json(REPORT).artifacts
    assert (found.target, found.compression) == ("coral", 3.3)
    assert found.score is not None
    assert (found.score.reference_value, found.score.of_a_part) == (None, True)


def test_a_report_from_before_artifacts_were_in_it_is_read() -> None:
    assert RunRecord.from_json(changed("artifacts", None)).artifacts == ()


def test_a_report_from_before_errors_were_in_it_is_read() -> None:
    assert RunRecord.from_json(changed("errors", None)).errors == ()


@pytest.mark.parametrize("key", ["details", "cause", "artifact.path"])
def test_a_key_that_schema_1_has_gained_may_be_missing(key: str) -> None:
    run = RunRecord.from_json(changed(f"verdicts.0.{key}", None))
    assert run.verdicts[0].test == VERDICT["test"]


def test_keys_that_are_unknown_are_skipped() -> None:
    more = changed("verdicts.0.weather", "fine") | {"moods": []}
    assert RunRecord.from_json(more) == RunRecord.from_json(REPORT)


@pytest.mark.parametrize("schema", [0, 2])
def test_another_schema_is_refused(schema: int) -> None:
    with pytest.raises(ConfigurationError) as raised:
        RunRecord.from_json(REPORT | {"schema": schema})
    assert (
        raised.value.message == f"the report is of schema {schema}, and this version reads schema 1"
    )
    assert "version of pytest-edgegate" in raised.value.remedy


SHAPES = {
    "schema": ("1", "the report.schema is '1', not a whole number"),
    "environment": (None, "the report has no key 'environment'"),
    "verdicts": ({}, "the report.verdicts is {}, not a list"),
    "verdicts.0.superseded": ("no", "verdicts[0].superseded is 'no', not true or false"),
    "errors.0.remedy": (None, "errors[0] has no key 'remedy'"),
    "verdicts.0.test": (None, "verdicts[0] has no key 'test'"),
    "verdicts.0.allowed": (0, "verdicts[0].allowed is 0, not true or false"),
    "verdicts.0.no_budgets": ("yes", "verdicts[0].no_budgets is 'yes', not true or false"),
    "verdicts.0.outcome": ("passed", "verdicts[0].outcome is 'passed', not one of pass, fail, "),
    "verdicts.0.reason": ("within", 'not a string that ends in "9 samples can\'t prove it"'),
    "verdicts.0.details": ([1], "verdicts[0].details is [1], not a list of strings"),
    "verdicts.0.budget": ([], "verdicts[0].budget is [], not an object"),
    "verdicts.0.budget.metric": ("speed", "verdicts[0].budget.metric is 'speed', not one of "),
    "verdicts.0.budget.limit": (True, "verdicts[0].budget.limit is True, not a number"),
    "verdicts.0.measured.value": ("1", "verdicts[0].measured.value is '1', not a number"),
    "verdicts.0.measured.low": (float("nan"), "verdicts[0].measured.low is nan, not a number"),
    "verdicts.0.measured.n": (1.5, "verdicts[0].measured.n is 1.5, not a whole number"),
    "verdicts.0.measured.direction": ("up", "direction is 'up', not one of at most, at least"),
    "verdicts.0.artifact.recipe": ("PTQ", "verdicts[0].artifact.recipe is 'PTQ', not a list of"),
    "verdicts.0.artifact.compiled": (7, "verdicts[0].artifact.compiled is 7, not a string"),
    "verdicts.0.artifact.sha256": (["a" * 99], f".sha256 is ['{'a' * 58}..., not a string"),
}


@pytest.mark.parametrize("path", SHAPES)
def test_another_shape_is_refused_with_its_place(path: str) -> None:
    value, message = SHAPES[path]
    with pytest.raises(ConfigurationError) as raised:
        RunRecord.from_json(changed(path, value))
    assert message in raised.value.message
    assert raised.value.remedy == "give a file that --edge-report-json has written, unchanged"


@pytest.mark.parametrize("value", [None, [], "report", 1])
def test_what_is_no_object_is_no_report(value: object) -> None:
    with pytest.raises(ConfigurationError, match="not an object"):
        RunRecord.from_json(value)
