"""Why accuracy was lost: classes, flips, ranges, and what to do by how the artifact was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, QAT, Cast, Distill, Prune
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.data.splits import Batch
from pytest_edgegate.diagnosis import accuracy
from pytest_edgegate.diagnosis.confusion import renamed
from pytest_edgegate.measures.activations import Activation
from pytest_edgegate.measures.dead_channels import DeadChannels
from pytest_edgegate.measures.evidence import Collector, Evidence, Paired
from pytest_edgegate.measures.fed_inputs import FedInput
from pytest_edgegate.measures.metrics import TopN, as_scoring
from pytest_edgegate.measures.tries import Lift, Rival, Tries

Array = npt.NDArray[Any]
CLASSES = 10
LABELS = np.arange(200) % CLASSES
MADE = {"calibration_ranges": {"x": [0.0, 1.0]}}
NOTHING_TRIED = Tries()
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
    collector = Collector()
    batch = Batch((np.linspace(low, high, len(outputs)),), LABELS)
    collector.add(batch, (outputs,), TopN(1).observe(outputs, LABELS))
    fed = FedInput("x", low, high, len(outputs))
    return replace(collector.evidence("host:fake"), inputs=(fed,))


CALIBRATED = (PTQ(),)


def artifact(
    recipe: Any = CALIBRATED, provenance: Any = None, dtype: str | None = "int8"
) -> Artifact:
    made = MappingProxyType(MADE if provenance is None else provenance)
    return Artifact(Path("m"), "f", dtype, (), 1, "", recipe, "t", cached=False, provenance=made)


def diagnosed(
    after: Evidence,
    *,
    of: str = "drop",
    given: Artifact | None = None,
    before: Any = None,
    inputs: tuple[TensorInfo, ...] = (),
    tries: Tries = NOTHING_TRIED,
    scoring: Any = None,
    activations: Any = None,
    dead: tuple[DeadChannels, ...] = (),
    measured: Measurement = DROP,
    is_float: bool = False,
) -> Diagnosis:
    reference = evidence(answers()) if before is None else before
    paired = reference if isinstance(reference, NotMeasured) else Paired(reference, after)
    passes = SimpleNamespace(
        scoring=scoring or TopN(1),
        activations=lambda: activations or {},
        paired=lambda: paired,
        reference=lambda: reference,
        predictions=lambda: after,
        tried=lambda as_fed, aim: tries,
        dead_channels=lambda: dead,
    )
    described = SimpleNamespace(inputs=inputs, operators=(), is_float=is_float)
    file = SimpleNamespace(
        artifact=given or artifact(), description=lambda: described, layout=Layout
    )
    limit = {"limit": 0.99} if of == "floor" else {}
    explain: Any = getattr(accuracy, of)
    found: Diagnosis = explain(measured, passes=passes, file=file, **limit)
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
    assert found.remedy.startswith("look at the wrong answers, and calibrate on more")


def test_a_float_file_has_neither_scales_nor_calibration() -> None:
    assert GIVEN.dtype is None, "of a given file only its description tells the dtype"
    for after in (evidence(np.full(200, 4)), evidence(answers(0, 10, 21))):
        found = diagnosed(after, given=GIVEN, is_float=True)
        assert "make the file again, of the model under test as it is now" in found.remedy
        assert not any(word in found.remedy for word in ("scale", "calibration samples"))


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
    assert found.remedy == (
        "give calibration and evaluation samples the same preprocessing: x * 255 takes the "
        "calibration samples to the range of the others"
    )
    assert found.details


@pytest.mark.parametrize(
    ("scale", "zero", "says", "remedy"),
    [
        (2 / 255, -1, "holds -0.9961 to 1.004", "feed x / 127.5 - 1, if the file was made"),
        (1 / 255, -128, "holds 0 to 1", "feed x / 255, if the file was made"),
        (5 / 255, 0, "holds -2.51 to 2.49", "feed x / 51 - 2.5098, if the file was made"),
    ],
)
def test_raw_pixels_for_a_quantised_input(scale: float, zero: int, says: str, remedy: str) -> None:
    x = TensorInfo("x", (1,), "int8", scales=(scale,), zero_points=(zero,))
    given = artifact((), {})
    found = diagnosed(evidence(answers(3), 0, 255), given=given, inputs=(x,))
    assert found.cause == f"the file's input {says}, and the evaluation samples go from 0 to 255"
    assert found.remedy.startswith(remedy)
    fitting = evidence(answers(3), (-128 - zero) * scale, (127 - zero) * scale)
    assert not diagnosed(fitting, given=given, inputs=(x,)).cause


LIFT = Lift("channels reversed", "x[..., ::-1]", 0.853, 0.412, 0.861, 200, proven=True)
GIVEN = artifact((), {}, dtype=None)


@pytest.mark.parametrize("of", ["drop", "relative_drop", "floor"])
def test_the_way_of_feeding_that_gives_the_accuracy_back_is_the_cause(of: str) -> None:
    tries = Tries(("x[..., ::-1]", "x / 255"), 100, LIFT)
    found = diagnosed(evidence(answers(*range(90))), of=of, given=GIVEN, tries=tries)
    assert found.cause == (
        "with channels reversed the file reaches 0.853 (it has 0.412, the model 0.861) on 200 "
        "random samples"
    )
    assert found.remedy == (
        "the file was made for x[..., ::-1]: feed it so, here and on the device, or make it again "
        "for the samples of edge_data"
    )
    made = diagnosed(evidence(answers(*range(90))), of=of, tries=tries)
    assert "reversed the artifact reaches 0.853" in made.cause
    assert made.remedy == "give edge_data samples as x[..., ::-1]"


def test_ways_that_the_samples_cant_tell_apart_are_both_named() -> None:
    lift = replace(LIFT, rivals=(Rival("x / 255 in place of x", "x / 255", 0.851),))
    tries = Tries(("x[..., ::-1]", "x / 255"), 100, lift)
    found = diagnosed(evidence(answers(*range(90))), given=GIVEN, tries=tries)
    assert found.cause == (
        "with channels reversed the file reaches 0.853 (it has 0.412, the model 0.861) on 200 "
        "random samples; it does about as well with x / 255 in place of x (0.851), and these "
        "samples can't tell which is right"
    )
    assert found.remedy.startswith(
        "the file was made for x[..., ::-1] or x / 255: find out which from the code that trained "
        "the model, and feed it so"
    )
    made = diagnosed(evidence(answers(*range(90))), tries=tries)
    assert made.remedy == (
        "find out which from the code that trained the model, and give edge_data samples as "
        "x[..., ::-1] or x / 255"
    )


@pytest.mark.parametrize(
    ("metric", "highest", "named"),
    [("mse", 1.0, True), ("miou", 1.0, False), ("miou", float("nan"), True)],
)
@pytest.mark.parametrize("of", ["drop", "floor"])
def test_an_activation_that_the_metric_notices(
    metric: str, highest: float, named: bool, of: str
) -> None:
    removed = {"y": Activation("sigmoid", added=False, proven=True, same_highest=highest)}
    scoring = as_scoring(metric, indexable=True)
    before, after = evidence(answers()), evidence(answers(3))
    found = diagnosed(after, of=of, before=before, scoring=scoring, activations=removed)
    assert ("lacks the sigmoid" in found.cause) == named


@pytest.mark.parametrize("of", ["drop", "floor"])
def test_rows_of_probabilities_alone_explain_what_nothing_else_does(of: str) -> None:
    doubtful = {"y": Activation("softmax", added=False, proven=False, same_highest=0.1)}
    proven = {"y": Activation("softmax", added=False, proven=True, same_highest=1.0)}
    mse, lift = as_scoring("mse", indexable=True), Tries(("x[..., ::-1]",), 9, LIFT)

    def cause(activations: Any, tries: Tries) -> str:
        after = evidence(answers(3))
        found = diagnosed(
            after, of=of, given=GIVEN, tries=tries, scoring=mse, activations=activations
        )
        return found.cause

    assert cause(doubtful, lift).startswith("with channels reversed")
    assert "a softmax may have been removed" in cause(doubtful, NOTHING_TRIED)
    assert "lacks the softmax" in cause(proven, lift)


@pytest.mark.parametrize("of", ["drop", "relative_drop", "floor"])
def test_scores_of_the_other_class(of: str) -> None:
    positive = np.arange(200) % 2 == 1
    scores = np.where(positive, 0.6, 0.4) + np.random.default_rng(0).normal(0, 0.1, 200)
    before, after = (
        Evidence({"score": each, "positive": positive}, 200, "", "host:fake")
        for each in (scores, 1 - scores)
    )
    found = diagnosed(after, of=of, before=before, scoring=as_scoring("auc", indexable=True))
    assert found.cause.startswith("the scores are those of the other class: reversed, the file")
    assert found.remedy == "exchange the two outputs, or the labels 0 and 1"
    flat = replace(before, arrays={"score": np.arange(200) % 4 / 4, "positive": positive})
    for each in (before, flat):
        healthy = diagnosed(each, of=of, before=before, scoring=as_scoring("auc", indexable=True))
        assert not healthy.cause


def test_what_names_in_the_code_stand_for() -> None:
    lift = replace(LIFT, name="a name", code="(x / 255 - mean) / std", reference=None)
    found = diagnosed(evidence(answers(3)), given=GIVEN, tries=Tries(("it",), 9, lift))
    assert found.cause == "with a name the file reaches 0.853 (it has 0.412) on 200 random samples"
    assert (
        "mean and std are np.array((0.485, 0.456, 0.406)) and np.array((0.229, 0.224, 0.225))"
    ) in found.remedy


def test_what_is_not_proven_is_no_cause() -> None:
    lift = replace(LIFT, n=12, proven=False)
    found = diagnosed(evidence(answers(3)), given=GIVEN, tries=Tries(("it",), 6, lift))
    assert found.cause == ""
    assert found.details[-1] == (
        "with channels reversed the file reaches 0.853 (it has 0.412, the model 0.861) on 12 "
        "random samples, which is not enough to prove that this is the cause"
    )


def test_what_does_not_help_is_excluded() -> None:
    codes = tuple(f"x * {at}" for at in range(8))
    found = diagnosed(evidence(answers(3)), given=GIVEN, tries=Tries(codes, 100))
    assert found.cause == ""
    assert found.details[-1] == (
        "excluded on 100 random samples, since none of them regains half of the loss: x * 0, "
        "x * 1, x * 2, x * 3, x * 4, x * 5 and 2 more in place of x"
    )


def test_ranges_and_what_proves_them_are_one_cause() -> None:
    x = TensorInfo("x", (1,), "int8", scales=(1 / 127.5,), zero_points=(0,))
    tries = Tries(("x / 127.5 - 1",), 9, replace(LIFT, name="x / 127.5 - 1 in place of x"))
    after = evidence(answers(*range(90)), 0, 255)
    found = diagnosed(after, given=GIVEN, inputs=(x,), tries=tries)
    assert found.cause == (
        "the file's input holds -1.004 to 0.9961, and the evaluation samples go from 0 to 255; "
        "with x / 127.5 - 1 in place of x the file reaches 0.853 (it has 0.412, the model 0.861) "
        "on 200 random samples"
    )


def test_samples_for_calibration_in_another_range_need_no_tries() -> None:
    after = evidence(answers(*range(90)), 0, 255)
    found = diagnosed(after, tries=Tries(("it",), 9, LIFT))
    assert found.cause.startswith("the calibration samples go from 0 to 1")
    assert "reaches" not in found.cause


def test_a_class_for_the_background() -> None:
    shifted = np.eye(CLASSES + 1, dtype=np.float32)[LABELS + 1]
    collector = Collector()
    batch = Batch((np.zeros(200),), LABELS)
    collector.add(batch, (shifted,), TopN(1).observe(shifted, LABELS))
    wide = {"y": np.zeros((2, CLASSES + 1))}
    after = replace(collector.evidence("host:fake"), channels=wide)
    before = replace(evidence(answers()), channels={"y": np.zeros((2, CLASSES))})
    found = diagnosed(after, before=before, given=GIVEN)
    assert found.cause == (
        "the classes of the file lie one higher than those of the model (0 -> 1, 1 -> 2, 2 -> 3, "
        "3 -> 4): it has 11 classes, the model 10; with them put back the file reaches 1 (it has "
        "0, the model 1)"
    )
    assert "background" in found.remedy
    alone = diagnosed(after, of="floor", given=GIVEN)
    assert alone.cause == (
        "its answers lie one higher than the labels: with labels + 1 the file reaches 1 (it has 0)"
    )
    assert alone.remedy.startswith("give labels + 1")
    narrow = replace(after, channels={"y": np.zeros((2, CLASSES))})
    assert diagnosed(narrow, of="floor", given=GIVEN).cause == ""  # it has no class for the last


def test_what_permuted_classes_give_back() -> None:
    order = np.random.default_rng(3).permutation(CLASSES)
    found = diagnosed(evidence(order[answers(*range(20))]), before=evidence(answers()))
    assert "the classes look permuted" in found.cause
    assert "with them put back the file reaches 0.9" in found.cause
    alone = diagnosed(evidence(order[answers(*range(20))]), of="floor")
    assert alone.cause.startswith("its classes are in another order than the labels (0 ->")
    assert alone.remedy == "give the labels in the order of the outputs"


def test_a_few_samples_of_many_classes_show_no_order() -> None:
    """Any order fits classes with one sample each."""
    labels = np.arange(200)
    answered = np.random.default_rng(0).permutation(200)
    assert renamed(labels, answered, labels) is None


def test_the_artifacts_own_errors() -> None:
    found = diagnosed(evidence(answers(0, 10, 3)), of="floor")
    assert found.details == (
        "classes with most errors: class 0: 2 of 20, class 3: 1 of 20",
        "first of 3 samples that are wrong: #0 (label 0: 1), #3 (label 3: 4), #10 (label 0: 1)",
    )


@pytest.mark.parametrize(
    ("value", "cause", "remedy"),
    [
        (0.991, "", "look at the wrong answers, and calibrate on more samples"),
        (0.99, "", "look at the wrong answers, and calibrate on more samples"),
        (
            0.98,
            "the model under test does not reach this limit itself",
            "train the model under test further, or set accuracy_min to what it reaches itself, "
            "0.98",
        ),
    ],
)
def test_a_floor_shows_what_the_model_reaches_itself(value: float, cause: str, remedy: str) -> None:
    measured = Measurement(0.985, "host:fake", scored_by="top1", reference_value=value)
    found = diagnosed(evidence(answers(0, 10, 3)), of="floor", measured=measured)
    assert found.details[0] == f"the model under test itself: top1 {value}"
    assert len(found.details) == 3
    assert found.cause == cause
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize("of", ["drop", "relative_drop", "floor"])
@pytest.mark.parametrize(
    ("recipe", "remedy"),
    [
        (
            (PTQ(),),
            "look at the wrong answers, and calibrate on more samples, including ones like those "
            "of the evaluation: PTQ(samples=500) in place of PTQ(samples=200), and as many in "
            "edge_data.calibration",
        ),
        (
            (PTQ(500, method="entropy"),),
            "look at the wrong answers, and calibrate on more samples, including ones like those "
            "of the evaluation: PTQ(samples=1250, method='entropy') in place of "
            "PTQ(samples=500, method='entropy'), and as many in edge_data.calibration",
        ),
        (
            (Cast("float16"),),
            "look at the wrong answers, and gate export_error, which compares the outputs: nothing "
            "was calibrated",
        ),
        (
            (QAT(epochs=2),),
            "train longer, or with another learning rate than 1e-05: QAT(epochs=4) in place of "
            "QAT(epochs=2)",
        ),
        (
            (Prune(0.5, epochs=1), PTQ()),
            "train longer, or with another learning rate than 0.0001: Prune(amount=0.5, "
            "epochs=2) in place of Prune(amount=0.5, epochs=1); or prune less",
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
            "look at the wrong answers, and calibrate on more samples, including ones like those "
            "of the evaluation in Trim(most=20); or prune less",
        ),
    ],
)
def test_the_remedy_follows_what_the_steps_declare(recipe: Any, remedy: str, of: str) -> None:
    after = evidence(answers(*range(0, 40, 3)))
    assert diagnosed(after, of=of, given=artifact(recipe)).remedy == remedy


def test_a_split_that_was_used_up_has_to_grow() -> None:
    after = evidence(answers(*range(0, 40, 3)))

    def remedy(used: int) -> str:
        made = artifact((PTQ(200),), {"calibration_samples": list(range(used))})
        return diagnosed(after, given=made).remedy

    assert remedy(120).endswith("has only 120, and PTQ(samples=200) takes more")
    assert remedy(200).endswith("and as many in edge_data.calibration")


@pytest.mark.parametrize(
    ("value", "higher", "shown"),
    [(0.98769, True, "0.9876"), (0.98761, False, "0.9877"), (0.5, True, "0.5")],
)
def test_a_proposed_limit_is_one_that_the_model_keeps(
    value: float, higher: bool, shown: str
) -> None:
    assert accuracy._within(value, up=not higher) == shown


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
    tries, mse = Tries(("x / 255",), 9), as_scoring("mse", indexable=True)
    found = diagnosed(evidence(answers(3)), scoring=mse, tries=tries)
    assert found.details[-1].startswith("excluded on 9 random samples")
    assert found.remedy.startswith("calibrate on more samples")
