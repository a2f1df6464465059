"""Why accuracy was lost: classes, flips, ranges, and what to do by how the artifact was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, QAT, Cast, Distill, Prune
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.data.splits import Batch
from pytest_edgegate.diagnosis import accuracy
from pytest_edgegate.measures.dead_channels import DeadChannels
from pytest_edgegate.measures.evidence import Collector, Evidence, Paired
from pytest_edgegate.measures.metrics import TopN

Array = npt.NDArray[Any]
CLASSES = 10
LABELS = np.arange(200) % CLASSES
MADE = {"calibration_range": [0.0, 1.0]}
DROP = Measurement(0.5, "host:fake")


def answers(*flipped: int) -> Array:
    """What is right but on those samples."""
    found = LABELS.copy()
    found[list(flipped)] = (found[list(flipped)] + 1) % CLASSES
    return found


@dataclass(frozen=True)
class Anneal(Step):
    """A training that another package defines, without epochs or a learning rate."""

    trains: ClassVar[bool] = True
    strength: int = 1


@dataclass(frozen=True)
class Cut(Step):
    """A pruning without a training."""

    removes_filters: ClassVar[bool] = True
    amount: int = 1


@dataclass(frozen=True)
class Trim(Step):
    """A calibration whose number of samples is fixed."""

    most: int = 20

    @property
    def calibration_samples(self) -> int:
        return self.most


def evidence(answered: Array, low: float = 0.0, high: float = 1.0) -> Evidence:
    outputs = np.eye(CLASSES, dtype=np.float32)[answered]
    inputs = np.linspace(low, high, len(outputs))
    collector = Collector()
    batch = Batch((inputs,), LABELS)
    collector.add(batch, (outputs,), TopN(1).observe(outputs, LABELS))
    return collector.evidence("host:fake")


CALIBRATED = (PTQ(),)


def artifact(recipe: Any = CALIBRATED, provenance: Any = None) -> Artifact:
    made = MappingProxyType(MADE if provenance is None else provenance)
    return Artifact(Path("m"), "f", "int8", (), 1, "", recipe, "t", cached=False, provenance=made)


def diagnosed(
    after: Evidence,
    *,
    of: str = "drop",
    given: Artifact | None = None,
    before: Any = None,
    dead: tuple[DeadChannels, ...] = (),
) -> Diagnosis:
    reference = evidence(answers()) if before is None else before
    paired = reference if isinstance(reference, NotMeasured) else Paired(reference, after)
    passes = SimpleNamespace(
        scoring=TopN(1),
        paired=lambda: paired,
        reference=lambda: reference,
        predictions=lambda: after,
        dead_channels=lambda: dead,
    )
    described = SimpleNamespace(inputs=(), is_float=False)
    file = SimpleNamespace(artifact=given or artifact(), description=lambda: described)
    found: Diagnosis = getattr(accuracy, of)(DROP, cast("Any", passes), cast("Any", file))
    return found


@pytest.mark.parametrize("of", ["drop", "relative_drop", "floor"])
def test_channels_that_are_lost_are_the_cause_where_there_is_no_other(of: str) -> None:
    dead = (DeadChannels("y", (4,), (0, 1), (0, 300)),)
    found = diagnosed(evidence(answers(0, 10, 21)), of=of, dead=dead)
    assert found.cause.startswith("channel 4 of output y varies in the model under test")
    assert found.remedy.startswith("split the output")
    if of != "floor":  # whose evidence says nothing of classes that were mixed up
        collapsed = diagnosed(evidence(np.full(200, 4)), of=of, dead=dead)
        assert collapsed.cause.startswith("the outputs have collapsed")


@pytest.mark.parametrize("of", ["drop", "relative_drop"])
def test_the_classes_that_lost_most_and_the_first_flips(of: str) -> None:
    found = diagnosed(evidence(answers(0, 10, 20, 1, 11, 2)), of=of)
    assert found.details == (
        "classes that lost most: class 0: 3 of 20, class 1: 2 of 20, class 2: 1 of 20",
        "first of 6 samples that flipped: #0 (label 0: 0 -> 1), #1 (label 1: 1 -> 2), "
        "#2 (label 2: 2 -> 3), #10 (label 0: 0 -> 1), #11 (label 1: 1 -> 2)",
    )
    assert found.cause == ""
    assert found.remedy.startswith("look at the samples above, and calibrate on more")


def test_an_artifact_that_answers_one_class() -> None:
    found = diagnosed(evidence(np.full(200, 4)))
    assert "collapsed" in found.cause
    assert "class 4 on 200 of 200 samples" in found.cause
    assert found.details


def test_an_artifact_whose_classes_are_permuted() -> None:
    found = diagnosed(evidence((LABELS + 3) % CLASSES))
    assert "the classes look permuted: 0 -> 3, 1 -> 4" in found.cause


@pytest.mark.parametrize("of", ["drop", "relative_drop", "floor"])
def test_ranges_that_lie_apart_are_the_first_suspect(of: str) -> None:
    found = diagnosed(evidence(np.full(200, 4), 0, 255), of=of)
    assert found.cause == (
        "the calibration samples go from 0 to 1, the evaluation samples from 0 to 255"
    )
    assert "preprocessing" in found.remedy
    assert found.details


def test_the_artifacts_own_errors() -> None:
    found = diagnosed(evidence(answers(0, 10, 3)), of="floor")
    assert found.details == (
        "classes with most errors: class 0: 2 of 20, class 3: 1 of 20",
        "first of 3 samples that are wrong: #0 (label 0: 1), #3 (label 3: 4), #10 (label 0: 1)",
    )


@pytest.mark.parametrize("of", ["drop", "relative_drop", "floor"])
@pytest.mark.parametrize(
    ("recipe", "remedy"),
    [
        (
            (PTQ(),),
            "look at the samples above, and calibrate on more samples, including ones like those "
            "of the evaluation: PTQ(samples=500) in place of PTQ(samples=200)",
        ),
        (
            (PTQ(500, method="entropy"),),
            "look at the samples above, and calibrate on more samples, including ones like those "
            "of the evaluation: PTQ(samples=1250, method='entropy') in place of "
            "PTQ(samples=500, method='entropy')",
        ),
        (
            (Cast("float16"),),
            "look at the samples above, and gate export_error, which compares the outputs: nothing "
            "was calibrated",
        ),
        (
            (QAT(epochs=2),),
            "train longer, or with another learning rate than 1e-05: QAT(epochs=4) in place of "
            "QAT(epochs=2)",
        ),
        (
            (Prune(0.5, epochs=1), PTQ()),
            "train longer, or with another learning rate than 0.0001: Prune(amount=0.5) in place "
            "of Prune(amount=0.5, epochs=1); or prune less",
        ),
        (
            (Distill(), QAT()),
            "train longer, or with another learning rate than 1e-05: QAT(epochs=4) in place of "
            "QAT(epochs=2); or give a larger edge_student",
        ),
        (
            (Anneal(), PTQ()),
            "train longer, or with another learning rate in Anneal(strength=1)",
        ),
        (
            (Cut(), Trim()),
            "look at the samples above, and calibrate on more samples, including ones like those "
            "of the evaluation in Trim(most=20); or prune less",
        ),
    ],
)
def test_the_remedy_follows_what_the_steps_declare(recipe: Any, remedy: str, of: str) -> None:
    after = evidence(answers(*range(0, 40, 3)))
    assert diagnosed(after, of=of, given=artifact(recipe)).remedy == remedy


def test_a_given_file_is_to_be_made_again_where_it_was_made() -> None:
    found = diagnosed(evidence(answers(3)), given=artifact((), {}))
    assert "look at how the file was made" in found.remedy
    assert "edge_recipe" not in found.remedy


def test_without_a_reference_there_is_nothing_to_explain() -> None:
    none = NotMeasured("one file", "gate accuracy_min")
    for of in ("drop", "relative_drop"):
        assert diagnosed(evidence(answers(3)), of=of, before=none) == Diagnosis()


def test_samples_are_mentioned_only_where_some_are_listed() -> None:
    found = diagnosed(evidence(answers()))
    assert found.details == ()
    assert found.remedy.startswith("calibrate on more samples")
