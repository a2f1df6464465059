"""The accuracy measures on hand-made evidence: signs, relative drops, explanations, NaN."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, QAT, Metric
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.verdict import Outcome
from pytest_edgegate.data.splits import Batch
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.accuracy import (
    accuracy_drop,
    accuracy_drop_relative,
    accuracy_min,
)
from pytest_edgegate.measures.catalogue import asked_by
from pytest_edgegate.measures.evidence import Collector, Evidence, Paired
from pytest_edgegate.measures.metrics import Resampling, Scoring, as_scoring
from pytest_edgegate.measures.metrics.resampling import ALL
from pytest_edgegate.stats.intervals import tango

Array = npt.NDArray[Any]
CLASSES = 10


def one_hot(answers: Array, classes: int = CLASSES) -> Array:
    return np.eye(classes, dtype=np.float32)[answers]


@dataclass
class Context:
    """What the measures ask for, from outputs written down."""

    scoring: Scoring
    before: Evidence | NotMeasured
    after: Evidence
    resampling: Resampling = ALL
    told: tuple[str, ...] = ()

    @classmethod
    def of(cls, metric: Any, before: Array, after: Array, labels: Array) -> Context:
        scoring = as_scoring(metric, indexable=True)
        return cls(scoring, seen(scoring, before, labels), seen(scoring, after, labels))

    def reference(self) -> Evidence | NotMeasured:
        return self.before

    def cautions(self) -> tuple[str, ...]:
        return self.told

    def predictions(self) -> Evidence:
        return self.after

    def paired(self) -> Paired | NotMeasured:
        if isinstance(self.before, NotMeasured):
            return self.before
        return Paired(self.before, self.after)


def seen(scoring: Scoring, outputs: Array, labels: Array) -> Evidence:
    collector = Collector()
    batch = Batch((np.arange(len(outputs)),), labels)
    collector.add(batch, (outputs,), scoring.observe(outputs, labels))
    return collector.evidence("host:fake")


def file_of(*recipe: Step, made: bool = True) -> Any:
    """The file of an artifact, as far as the measures ask for it."""
    return SimpleNamespace(artifact=SimpleNamespace(recipe=recipe, made=made))


def finding_of(measure: Any, context: Context, file: Any = None) -> Finding:
    providers: Any = SimpleNamespace(passes=context, file=file or file_of(PTQ()))
    finding: Finding = measure(**asked_by(measure, providers))
    return finding


def measured(measure: Any, context: Context, file: Any = None) -> Measurement:
    finding = finding_of(measure, context, file)
    assert isinstance(finding, Measurement)
    return finding


LABELS = np.arange(200) % CLASSES


def flipped(*numbers: int) -> Array:
    """Scores that are right but on those samples."""
    answers = LABELS.copy()
    answers[list(numbers)] = (answers[list(numbers)] + 1) % CLASSES
    return one_hot(answers)


def test_the_drop_is_paired_and_exact() -> None:
    context = Context.of("top1", flipped(0, 1), flipped(1, 2, 3, 4), LABELS)
    drop = measured(accuracy_drop, context)
    assert drop.exact == Fraction(2, 200)
    assert drop.value == pytest.approx(0.01)
    ends = tango(3, 1, 200, 0.9)
    assert (drop.low, drop.high, drop.level) == (ends.low, ends.high, 0.9)
    assert (drop.n, drop.n_total, drop.source, drop.decided_early) == (200, 200, "host:fake", False)
    assert judge(drop, Budget("accuracy_drop", 0.01), Rules(), "t").outcome is Outcome.PASS
    assert judge(drop, Budget("accuracy_drop", 0.0099), Rules(), "t").outcome is Outcome.FAIL


@pytest.mark.parametrize("measure", [accuracy_drop, accuracy_drop_relative, accuracy_min])
def test_an_accuracy_has_the_values_that_it_is_of(measure: Any) -> None:
    labels = np.arange(100) % CLASSES
    before = one_hot(np.where(np.arange(100) < 4, labels + 1, labels) % CLASSES)
    after = one_hot(np.where(np.arange(100) < 10, labels + 1, labels) % CLASSES)
    found = measured(measure, Context.of("top1", before, after, labels))
    known = None if measure is accuracy_min else 0.96
    assert (found.scored_by, found.reference_value, found.artifact_value) == ("top1", known, 0.9)


def test_a_better_artifact_has_a_negative_drop() -> None:
    drop = measured(accuracy_drop, Context.of("top1", flipped(0, 1), flipped(), LABELS))
    assert drop.exact == Fraction(-2, 200)


def test_the_relative_drop_is_of_the_references_metric() -> None:
    context = Context.of("top1", flipped(*range(100)), flipped(*range(110)), LABELS)
    relative = measured(accuracy_drop_relative, context)
    assert relative.exact == Fraction(10, 100)
    ends = tango(10, 0, 200, 0.9)
    assert relative.low == pytest.approx(ends.low / 0.5)
    assert relative.high == pytest.approx(ends.high / 0.5)
    assert relative.spread == pytest.approx(10 / 200 / 0.25)


def test_nothing_is_relative_to_zero() -> None:
    context = Context.of("top1", flipped(*range(200)), flipped(*range(200)), LABELS)
    finding = finding_of(accuracy_drop_relative, context)
    assert isinstance(finding, NotMeasured)
    assert finding.remedy == "gate accuracy_drop instead"


TRUTH = np.linspace(-1, 1, 50)[:, None]


def minus_error(outputs: Array, labels: Array) -> Array:
    return np.asarray(-np.abs(outputs - labels).mean(axis=1))


def log_error(outputs: Array, labels: Array) -> Array:
    """Lower is better, and below 0 for good models."""
    return np.asarray(np.log(np.abs(outputs - labels)).mean(axis=1))


BUDGETS: dict[str, tuple[Any, float, float]] = {
    # metric: (as given, of an error of 0.1, of an error of 0.2)
    "higher is better, negative": (Metric(minus_error), -0.1, -0.2),
    "lower is better": ("mae", 0.1, 0.2),
    "lower is better, negative": (
        Metric(log_error, higher_is_better=False),
        np.log(0.1),
        np.log(0.2),
    ),
    "of the whole set, negative": (
        Metric(lambda outputs, labels: minus_error(outputs, labels).mean(), per_sample=False),
        -0.1,
        -0.2,
    ),
}


@pytest.mark.parametrize("name", BUDGETS)
def test_worse_is_positive_also_relative_to_a_negative_metric(name: str) -> None:
    metric, good, bad = BUDGETS[name]
    context = Context.of(metric, TRUTH + 0.1, TRUTH + 0.2, TRUTH)
    drop = measured(accuracy_drop, context)
    relative = measured(accuracy_drop_relative, context)
    assert drop.value == pytest.approx(abs(good - bad))
    assert relative.value == pytest.approx(abs(good - bad) / abs(good))
    assert relative.low is not None
    assert relative.high is not None
    assert 0 < relative.low <= relative.high
    for metric_name, finding in (("accuracy_drop", drop), ("accuracy_drop_relative", relative)):
        verdict = judge(finding, Budget(metric_name, 0.05), Rules(), "t")
        assert verdict.outcome is Outcome.FAIL
    better = measured(accuracy_drop, Context.of(metric, TRUTH + 0.2, TRUTH + 0.1, TRUTH))
    assert better.value == pytest.approx(-abs(good - bad))


@pytest.mark.parametrize(
    ("metric", "limit", "outcome"),
    [
        ("mae", 0.3, Outcome.PASS),
        ("mae", 0.1, Outcome.FAIL),
        (Metric(minus_error), -0.3, Outcome.PASS),
        (Metric(minus_error), -0.1, Outcome.FAIL),
        (Metric(log_error, higher_is_better=False), -1, Outcome.PASS),
        (Metric(log_error, higher_is_better=False), -3, Outcome.FAIL),
    ],
)
def test_accuracy_min_is_a_floor_or_a_ceiling(metric: Any, limit: float, outcome: Outcome) -> None:
    found = measured(accuracy_min, Context.of(metric, TRUTH, TRUTH + 0.2, TRUTH))
    assert judge(found, Budget("accuracy_min", limit), Rules(), "t").outcome is outcome


@pytest.mark.parametrize("measure", [accuracy_drop, accuracy_drop_relative])
def test_without_a_reference_there_is_no_drop(measure: Any) -> None:
    context = Context.of("top1", flipped(), flipped(), LABELS)
    context.before = NotMeasured("one file", "gate accuracy_min")
    assert isinstance(finding_of(measure, context), NotMeasured)


@pytest.mark.parametrize("measure", [accuracy_drop, accuracy_drop_relative, accuracy_min])
def test_nan_of_the_artifact(measure: Any) -> None:
    spoilt = flipped()
    spoilt[[7, 9]] = np.nan
    finding = measured(measure, Context.of("top1", flipped(), spoilt, LABELS))
    assert finding.nonfinite == (
        "the artifact gives NaN or Inf on 2 of 200 samples, first on sample 7"
    )


def test_nan_of_the_reference() -> None:
    spoilt = flipped()
    spoilt[3, 1] = np.inf
    finding = measured(accuracy_drop, Context.of("top1", spoilt, flipped(), LABELS))
    assert finding.nonfinite.startswith("the reference gives NaN or Inf on 1 of 200")
    assert finding.in_reference
    assert not measured(accuracy_drop, Context.of("top1", flipped(), spoilt, LABELS)).in_reference


@pytest.mark.parametrize("measure", [accuracy_drop, accuracy_drop_relative, accuracy_min])
@pytest.mark.parametrize(
    "metric",
    [
        Metric(lambda outputs, labels: np.full(len(outputs), np.nan)),
        Metric(lambda outputs, labels: np.where(np.arange(len(outputs)) == 3, np.inf, 1.0)),
        Metric(lambda outputs, labels: float("nan"), per_sample=False),
        Metric(lambda outputs, labels: float("inf"), per_sample=False),
    ],
)
def test_a_metric_that_is_not_finite_fails(measure: Any, metric: Metric) -> None:
    finding = measured(measure, Context.of(metric, TRUTH, TRUTH, TRUTH))
    verdict = judge(finding, Budget(measure.__name__, 0.5), Rules("lenient"), "t")
    assert verdict.outcome is Outcome.FAIL
    assert verdict.as_dict()["measured"]["value"] is None


def test_a_mean_iou_of_nothing_but_void_fails() -> None:
    labels = np.full((4, 2, 2), 255)
    outputs = np.zeros((4, 2, 2, 3))
    finding = measured(accuracy_min, Context.of("miou", outputs, outputs, labels))
    verdict = judge(finding, Budget("accuracy_min", 0.5), Rules("lenient"), "t")
    assert verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize("measure", [accuracy_drop, accuracy_drop_relative])
def test_a_gain_without_training_is_a_caution(measure: Any) -> None:
    context = Context.of("top1", flipped(*range(20)), flipped(), LABELS)
    told = measured(measure, context).remark
    least = -tango(0, 20, 200, 0.9).high
    assert least > 0.02
    assert f"caution: the artifact is better than the model under test by {least:.3f}" in told
    assert not measured(measure, context, file_of(QAT())).remark
    assert not measured(measure, context, file_of(made=False)).remark


@pytest.mark.parametrize("lost", range(2, 14))
def test_a_gain_is_a_caution_if_it_is_proven_above_two_points(lost: int) -> None:
    context = Context.of("top1", flipped(*range(lost)), flipped(), LABELS)
    told = measured(accuracy_drop, context).remark
    assert bool(told) is bool(tango(0, lost, 200, 0.9).high < -0.02)


def test_a_gain_of_a_metric_without_bounds_is_none() -> None:
    context = Context.of("mse", TRUTH + 1, TRUTH, TRUTH)
    assert not measured(accuracy_drop, context).remark


def test_what_is_known_of_the_reference_is_told_with_the_drop() -> None:
    context = Context.of("top1", flipped(), flipped(), LABELS)
    context.told = ("caution: one thing",)
    assert measured(accuracy_drop, context).remark == "caution: one thing"
    assert measured(accuracy_drop_relative, context).remark == "caution: one thing"
    assert not measured(accuracy_min, context).remark
