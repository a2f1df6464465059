"""Records: written as JSON and read back, they are what they were."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st
from report_schema import check_report

from pytest_edgegate.core.artifact_record import ArtifactRecord, ScoreRecord, SeenRecord
from pytest_edgegate.core.budget import BUDGETS, CONTRACT, Budget
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.record import (
    BudgetRecord,
    MeasuredRecord,
    RunRecord,
    VerdictRecord,
)
from pytest_edgegate.core.shown_record import (
    SHARES,
    UNITS,
    AnswersRecord,
    ClassRecord,
    FlipRecord,
    MakingRecord,
    PartRecord,
    StageRecord,
    TimesRecord,
)
from pytest_edgegate.core.verdict import Verdict

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.none() | st.integers()
FIGURES = st.none() | NUMBERS
TEXTS = st.text() | st.sampled_from(["; ", "a; b", "note"])
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
VALUES = st.recursive(
    FIGURES | st.booleans() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=3)
DIRECTIONS = st.sampled_from([None, "at most", "at least"])

ARTIFACTS = st.builds(
    ArtifactRecord,
    recipe=LISTS,
    steps=OBJECTS,
    compiled=st.none() | st.text(),
    exported=st.text(),
    size_bytes=st.integers(),
)
LIMITS = st.builds(BudgetRecord, metric=st.sampled_from([CONTRACT.name, *BUDGETS]), limit=NUMBERS)
TIMES = st.lists(st.floats(0, 9), min_size=len(SHARES), max_size=len(SHARES)).map(
    lambda each: tuple(sorted(each))
)
MEASURED = st.builds(
    MeasuredRecord,
    value=FIGURES,
    low=FIGURES,
    high=FIGURES,
    level=FIGURES,
    n=COUNTS,
    n_total=COUNTS,
    conditions=OBJECTS,
    direction=DIRECTIONS,
    scored_by=st.text(),
    reference_value=FIGURES,
    artifact_value=FIGURES,
    times=st.none() | st.builds(TimesRecord, st.integers(), TIMES, st.just(()) | TIMES),
)
VERDICTS = st.builds(
    VerdictRecord,
    artifact=st.none() | ARTIFACTS,
    budget=LIMITS,
    measured=st.none() | MEASURED,
    outcome=st.sampled_from(Outcome),
    reason=TEXTS,
    details=LISTS,
    cause=TEXTS,
    note=TEXTS,
    no_budgets=st.booleans(),
    parts=st.lists(st.builds(PartRecord, error=NUMBERS, unit=st.sampled_from(UNITS))).map(tuple),
)
SCORES = st.builds(
    ScoreRecord,
    reference_value=FIGURES,
    artifact_value=FIGURES,
    n=COUNTS,
    n_total=COUNTS,
    lower_is_better=st.booleans(),
)
ANSWERS = st.builds(
    AnswersRecord,
    classes=st.lists(st.builds(ClassRecord), max_size=2).map(tuple),
    flips=st.lists(st.builds(FlipRecord), max_size=2).map(tuple),
)
MAKING = st.builds(
    MakingRecord,
    stages=st.lists(st.builds(StageRecord), max_size=2).map(tuple),
    tools=st.dictionaries(st.text(), st.text(), max_size=2),
    notes=LISTS,
)
SEEN = st.builds(
    SeenRecord,
    artifact=ARTIFACTS,
    compression=FIGURES,
    score=st.none() | SCORES,
    answers=st.none() | ANSWERS,
    making=st.none() | MAKING,
)
RUNS = st.builds(
    RunRecord,
    environment=OBJECTS,
    verdicts=st.lists(VERDICTS, max_size=3).map(tuple),
    artifacts=st.lists(SEEN, max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=150)
@given(RUNS)
def test_a_run_is_the_same_after_a_round_trip_through_json(run: RunRecord) -> None:
    text = json.dumps(run.to_json(), allow_nan=False)
    check_report(json.loads(text) | {"environment": {}})
    found = RunRecord.from_json(json.loads(text))
    assert found == run
    assert json.dumps(found.to_json(), allow_nan=False) == text


@settings(deadline=None)
@given(st.floats(), st.floats(), st.floats(), st.sampled_from(Outcome), st.booleans())
def test_the_record_of_any_verdict_is_json(
    value: float, low: float, high: float, outcome: Outcome, allowed: bool
) -> None:
    figure = Measurement(value, "file", low=low, high=high)
    verdict = Verdict(Budget("parity_abs", 1), outcome, "why", measured=figure, allowed=allowed)
    record = verdict.record
    assert VerdictRecord.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False))) == (
        record
    )
    assert record.red is verdict.red
    assert record.measured is not None
    assert record.measured.value == (value if math.isfinite(value) else None)
