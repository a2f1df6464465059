"""What an artifact has lost against the accepted one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import as_scoring
from pytest_edgegate.measures.metrics.resampling import ALL
from pytest_edgegate.measures.regression import accuracy_regression, size_regression

N = 1000
TOP1 = as_scoring("top1", indexable=True)


def answers(*wrong: int, n: int = N, source: str = "host:fake") -> Evidence:
    ranks = np.zeros(n, int)
    ranks[list(wrong)] = 1
    return Evidence({"rank": ranks}, n, "", source)


class Memory:
    """What was accepted: ten wrong answers of a thousand."""

    def __init__(
        self,
        *,
        same: bool = False,
        changed: str = "",
        samples: bool = True,
        stored: bool = True,
        rerun: Evidence | None = None,
        same_file: bool = False,
        entry: AcceptedArtifact | NotMeasured | None = None,
    ) -> None:
        figures = {"top1": AcceptedFigure(0.99, "host:fake", N)}
        known = AcceptedArtifact((), "m.fake", "", "d", "fake", "old", 1000, {}, figures)
        self.entry, self.same, self.other = entry or known, same or same_file, changed
        self.samples, self.again = samples, rerun
        self.stored = answers(*range(10)) if stored else None

    def artifact(self) -> AcceptedArtifact | NotMeasured:
        return self.entry

    def is_same_file(self) -> bool:
        return self.same

    def has_same_samples(self) -> bool:
        return self.samples

    def other_samples(self) -> str:
        return "" if self.samples else "other evaluation samples"

    def searched(self) -> str:
        return "the cache"

    def changed(self, metric: str) -> str:
        return self.other

    def scores(self, metric: str) -> Evidence | None:
        return self.stored

    def why_no_scores(self, metric: str) -> str:
        return "there are no scores of the samples to pair"

    def rerun(self) -> Evidence | None:
        return self.again


def found(now: Evidence | None, memory: Memory, size: int = 1000) -> Any:
    def predictions() -> Evidence:
        assert now is not None, "nothing is run for it"
        return now

    passes: Any = SimpleNamespace(scoring=TOP1, resampling=ALL, predictions=predictions)
    file: Any = SimpleNamespace(artifact=SimpleNamespace(size_bytes=size))
    return accuracy_regression(passes, memory), size_regression(file, memory)


def outcome(finding: Any, limit: float) -> tuple[Outcome, bool]:
    judged = judge(finding, Budget("accuracy_regression", limit), Rules(), "board")
    return judged.outcome, judged.proven


def test_an_unchanged_file_has_lost_nothing_and_runs_nothing() -> None:
    lost, ratio = found(None, Memory(same=True))
    assert (lost.value, lost.source, lost.n, lost.cached) == (0, "host:fake", N, True)
    assert outcome(lost, 0.0) == (Outcome.PASS, True)
    assert ratio.exact == Fraction(1)


def test_a_loss_is_paired_sample_by_sample() -> None:
    lost, _ = found(answers(*range(5, 40)), Memory())
    assert lost.value == pytest.approx(0.025)
    assert (lost.reference_value, lost.artifact_value) == (0.99, 0.965)
    assert lost.low is not None
    assert lost.low > 0.015
    assert outcome(lost, 0.005) == (Outcome.FAIL, True)
    assert outcome(lost, 0.05) == (Outcome.PASS, True)


def test_better_than_accepted_passes() -> None:
    lost, _ = found(answers(), Memory())
    assert lost.value == pytest.approx(-0.01)
    assert outcome(lost, 0.0)[0] is Outcome.PASS


@pytest.mark.parametrize(("same", "said"), [(True, "the runtime, not the file: "), (False, "")])
def test_another_runtime_is_told(same: bool, said: str) -> None:
    memory = Memory(changed="measured with fake 2, accepted with fake 1", same_file=same)
    lost, _ = found(answers(*range(10)), memory)
    assert lost.remark == f"{said}measured with fake 2, accepted with fake 1"


def test_the_accepted_file_is_run_where_it_is_found() -> None:
    memory = Memory(changed="measured with fake 2", rerun=answers(*range(20)), stored=False)
    lost, _ = found(answers(*range(30)), memory)
    assert lost.value == pytest.approx(0.01)
    assert lost.remark == "both files were run here: measured with fake 2"


def test_other_samples_are_not_compared() -> None:
    memory = Memory(samples=False, changed="other evaluation samples")
    lost, ratio = found(answers(n=800), memory)
    assert isinstance(lost, NotMeasured)
    assert lost.reason.startswith("other evaluation samples, and the accepted file is not found")
    assert isinstance(ratio, Measurement)


@pytest.mark.parametrize("stored", [True, False])
def test_as_many_other_samples_are_not_compared(stored: bool) -> None:
    memory = Memory(samples=False, changed="other evaluation samples", stored=stored)
    lost, _ = found(answers(), memory)
    assert isinstance(lost, NotMeasured)


def test_without_the_scores_of_samples_nothing_is_proven() -> None:
    lost, _ = found(answers(*range(30)), Memory(stored=False))
    assert lost.value == pytest.approx(0.02)
    assert outcome(lost, 0.005) == (Outcome.FAIL, False)
    assert outcome(lost, 0.05) == (Outcome.PASS, False)


def test_broken_answers_are_told() -> None:
    broken = replace(answers(), nonfinite=3, first_nonfinite=7)
    lost, _ = found(broken, Memory())
    assert outcome(lost, 1)[0] is Outcome.FAIL
    assert "first on sample 7" in lost.nonfinite


def test_without_an_entry_nothing_is_measured() -> None:
    none = NotMeasured("nothing is accepted for test_it", "run, then pytest --edge-accept")
    assert found(answers(), Memory(entry=none)) == (none, none)


def test_another_metric_is_not_compared() -> None:
    figures = {"auc": AcceptedFigure(0.99, "host:fake", N)}
    entry = AcceptedArtifact((), "m.fake", "", "d", "fake", "old", 1000, {}, figures)
    lost, _ = found(answers(), Memory(entry=entry))
    assert lost.reason == "the accepted entry has no top1 of this artifact"


@pytest.mark.parametrize(
    ("wrong", "outcomes"), [(12, (Outcome.PASS, False)), (40, (Outcome.FAIL, True))]
)
@pytest.mark.parametrize("policy", ["point", "strict"])
def test_another_runtime_makes_red_only_what_is_proven(
    wrong: int, outcomes: tuple[Outcome, bool], policy: str
) -> None:
    memory = Memory(changed="measured with fake 2, accepted with fake 1", same_file=True)
    lost, _ = found(answers(*range(wrong)), memory)
    judged = judge(lost, Budget("accuracy_regression", 0.001), Rules(policy), "board")
    assert (judged.outcome, judged.proven) == outcomes


def test_the_accepted_file_on_other_samples_has_lost_nothing() -> None:
    lost, _ = found(None, Memory(same_file=True, samples=False))
    assert (lost.value, lost.source, lost.n) == (0, "host:fake", None)
    assert lost.remark == "the file is the accepted one: other evaluation samples"


@pytest.mark.parametrize(("size", "limit", "passes"), [(1020, 1.02, True), (1021, 1.02, False)])
def test_sizes_are_compared_exactly(size: int, limit: float, passes: bool) -> None:
    _, ratio = found(None, Memory(same=True), size=size)
    judged = judge(ratio, Budget("size_regression", limit), Rules(), "board")
    assert (judged.outcome is Outcome.PASS) is passes
