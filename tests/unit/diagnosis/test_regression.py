"""What a regression is explained by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.diagnosis.regression import changed, lost
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import as_scoring

N = 100
TOP1 = as_scoring("top1", indexable=True)


def answers(*wrong: int, n: int = N) -> Evidence:
    """Of n samples with label 3, of which some are answered by 5."""
    at = list(wrong)
    ranks, predicted = np.zeros(n, int), np.full(n, 3)
    ranks[at], predicted[at] = 1, 5
    arrays = {"rank": ranks, "predicted": predicted, "label": np.full(n, 3)}
    return Evidence(arrays, n, "", "host:fake")


def accepted(*, other: str = "", rerun: Evidence | None = None, samples: bool = True) -> Any:
    """One wrong answer, on sample 0; *rerun*: what the accepted file gives where it is found."""
    return SimpleNamespace(
        changed=lambda metric: other,
        is_same_file=lambda: False,
        has_same_samples=lambda: samples,
        scores=lambda metric: answers(0),
        rerun=lambda: rerun,
    )


def told(now: Evidence, before: Any, measured: Measurement | None = None) -> tuple[str, ...]:
    passes: Any = SimpleNamespace(scoring=TOP1, predictions=lambda: now)
    return lost(measured or Measurement(0.01, "host:fake"), passes, before).details


def test_the_samples_that_were_lost() -> None:
    values = Measurement(
        0.01, "host:fake", scored_by="top1", reference_value=0.99, artifact_value=0.98
    )
    assert told(answers(7, 9), accepted(), values) == (
        "top1 0.99 -> 0.98: 2 samples that were right when it was accepted are wrong now, "
        "1 the other way round: #7 (label 3: now 5), #9 (label 3: now 5)",
    )


def test_one_sample_and_many() -> None:
    [one] = told(answers(0, 7), accepted())
    assert one.startswith("1 sample that was right when it was accepted is wrong now, 0 the other")
    [many] = told(answers(*range(20)), accepted())
    assert many.startswith("19 samples")
    assert many.endswith("#5 (label 3: now 5) ...")


def test_on_another_processor_the_accepted_file_is_run_or_its_scores_are_taken() -> None:
    other = "measured with this, accepted with that"
    [stored] = told(answers(0, 7), accepted(other=other))
    assert stored.startswith("1 sample ")
    [again] = told(answers(0, 7), accepted(other=other, rerun=answers()))
    assert again.startswith("2 samples ")


def test_on_other_samples_the_accepted_file_is_run_or_nothing_is_told() -> None:
    assert told(answers(0, 7), accepted(samples=False)) == ()
    [again] = told(answers(0, 7, n=50), accepted(samples=False, rerun=answers(n=50)))
    assert again.startswith("2 samples ")


SAME = "the calibration samples, the training or the tools have changed"


@pytest.mark.parametrize(
    ("model", "made", "kinds", "cause"),
    [
        ("old", True, ["CONV"], SAME),
        ("new", True, ["CONV"], "the model under test has changed since this was accepted"),
        ("", False, ["CONV"], "the weights, the calibration samples or the converter have changed"),
        ("", False, ["CONV"] * 2, "the graph in the file is another one than the accepted"),
    ],
)
def test_what_made_it_another_file(model: str, made: bool, kinds: list[str], cause: str) -> None:
    known: Any = SimpleNamespace(
        sha256="a" * 64, size_bytes=1000, model="old" if model else "", operators={"CONV": 1}
    )
    artifact = SimpleNamespace(
        digest="b" * 64, size_bytes=1100, made=made, provenance={"model_digest": model}
    )
    described = SimpleNamespace(operators=[SimpleNamespace(kind=each) for each in kinds])
    file: Any = SimpleNamespace(artifact=artifact, description=lambda: described)
    before: Any = SimpleNamespace(artifact=lambda: known)
    found = changed(Measurement(1.1, "file"), file, before)
    assert found.cause.endswith(cause)
    sizes = "accepted: aaaaaaaaaaaa, 1,000 B; now: bbbbbbbbbbbb, 1,100 B"
    assert found.details == (sizes, *(["operators: CONV 1 -> 2"] if len(kinds) > 1 else []))
