"""The schema of the JSON report: what it takes, what it refuses, and that it only grows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from report_schema import check_report, published

from pytest_edgegate.core.artifact_record import ScoreRecord, SeenRecord
from pytest_edgegate.core.record import SCHEMA, ErrorRecord, RunRecord, VerdictRecord
from pytest_edgegate.core.shown_record import (
    SHARES,
    AnswersRecord,
    ClassRecord,
    FlipRecord,
    MakingRecord,
    PartRecord,
    StageRecord,
    TimesRecord,
)
from pytest_edgegate.registry import Registry
from pytest_edgegate.reporting import _environment

jsonschema = pytest.importorskip("jsonschema")
Make = Callable[..., VerdictRecord]


def report(make: Make) -> Any:
    """A report with every optional key of its own."""
    verdicts = make("size", 5, 9), make("macs", None, 1, "not_measured")
    whole = make(
        "latency_p95",
        0.1,
        0.2,
        low=0.1,
        conditions={"threads": 1},
        method="by order",
        times=TimesRecord(5, SHARES, SHARES),
        parts=(PartRecord("conv", 20.5, "dB"),),
    )
    errors = (ErrorRecord("test_a.py", None, "broken", "mend it"),)
    environment = _environment(Registry())
    answers = AnswersRecord(
        5, (ClassRecord(1, 5, 4, 3),), 2, 1, 0, (FlipRecord(0, 1, 1, 2, "aGk="),)
    )
    making = MakingRecord("m", "int8", (StageRecord("a.b", "", False),), "why", {"a": "1"}, ("n",))
    seen = [
        SeenRecord("test_a", "coral", one.artifact, 3.3, score, None, answers, making)
        for one in verdicts
        if one.artifact is not None
        for score in (None, ScoreRecord("mse", None, 0.9, 10, 10, lower_is_better=True))
    ]
    run = RunRecord(environment, (*verdicts, whole), errors, verdicts, errors, tuple(seen))
    return json.loads(json.dumps(run.to_json()))


def test_it_is_a_schema_of_the_version_that_is_written() -> None:
    jsonschema.Draft202012Validator.check_schema(published())
    assert published()["properties"]["schema"] == {
        "const": SCHEMA,
        "description": "Changes with every change that is not an addition.",
    }


def test_a_report_is_valid(make: Make) -> None:
    check_report(report(make))


def test_every_key_is_described() -> None:
    for name, kind in published()["$defs"].items():
        assert kind["description"].endswith("."), name
        for key, value in kind["properties"].items():
            assert "$ref" in value or value["description"].endswith("."), (name, key)


def test_a_later_report_with_more_keys_is_valid(make: Make) -> None:
    later = report(make) | {"new": 1}
    later["verdicts"][0] |= {"new": {"a": 1}}
    later["verdicts"][0]["budget"] |= {"metric": "new_budget", "unit": "K"}
    jsonschema.validate(later, published())
    with pytest.raises(jsonschema.ValidationError):
        check_report(later)


def without(key: str) -> Callable[[Any], Any]:
    return lambda verdict: verdict.pop(key)


@pytest.mark.parametrize(
    "spoil",
    [
        *map(without, ("test", "target", "artifact", "budget", "measured", "outcome", "remedy")),
        lambda verdict: verdict.update(outcome="green"),
        lambda verdict: verdict.update(allowed=0),
        lambda verdict: verdict["budget"].update(limit="5 kB"),
        lambda verdict: verdict["measured"].update(value="5 kB"),
        lambda verdict: verdict["measured"].pop("n"),
        lambda verdict: verdict["artifact"].update(size_bytes=1.5),
        lambda verdict: verdict.update(superseded=False),
        lambda verdict: verdict.update(details="one line"),
    ],
)
def test_what_is_no_report_is_refused(make: Make, spoil: Callable[[Any], Any]) -> None:
    wrong = report(make)
    spoil(wrong["verdicts"][0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, published())


@pytest.mark.parametrize("schema", [None, 0, 2, "1"])
def test_another_schema_is_refused(make: Make, schema: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report(make) | {"schema": schema}, published())


REQUIRED = {
    "verdict": "test target artifact budget measured outcome allowed proven reason remedy",
    "artifact": "format sha256 size_bytes recipe cached compiled",
    "budget": "metric limit unit",
    "measured": "value low high level n n_total decided_early source cached",
    "error": "test target message remedy",
}
"""Never shorter within schema 1: readers rely on these keys."""


@pytest.mark.parametrize("kind", REQUIRED)
def test_what_readers_rely_on_stays(kind: str) -> None:
    assert set(REQUIRED[kind].split()) <= set(published()["$defs"][kind]["required"])
