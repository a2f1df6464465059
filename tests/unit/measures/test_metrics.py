"""Metrics against scikit-learn, and which way is worse."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import bootstrap, rankdata
from sklearn.metrics import (
    jaccard_score,
    mean_absolute_error,
    mean_squared_error,
    roc_auc_score,
    top_k_accuracy_score,
)

from pytest_edgegate import Metric
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError, UnsupportedError
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import (
    Chance,
    Resampling,
    Scoring,
    as_scoring,
    groups_of,
)
from pytest_edgegate.measures.metrics.answers import Answers
from pytest_edgegate.measures.metrics.function import UserFunction
from pytest_edgegate.stats.groups import Groups
from pytest_edgegate.stats.intervals import clopper_pearson, tango

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(11)


def seen(scoring: Scoring, output: Array, labels: Array, batch: int = 7) -> Evidence:
    """A pass in batches, as the gate makes it."""
    parts = [
        scoring.observe(output[at : at + batch], labels[at : at + batch])
        for at in range(0, len(output), batch)
    ]
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return Evidence(arrays, len(output), "", "host:fake")


def value(given: Any, output: Array, labels: Array, *, indexable: bool = True) -> float:
    scoring = as_scoring(given, indexable=indexable)
    return scoring.estimate(seen(scoring, output, labels)).value


def worse_by(given: Any, before: Array, after: Array, labels: Array, **more: Any) -> Any:
    scoring = as_scoring(given, **{"indexable": True, **more})
    return scoring.worse_by(seen(scoring, before, labels), seen(scoring, after, labels))


SCORES, LABELS = RANDOM.random((60, 8)), RANDOM.integers(0, 8, 60)


@pytest.mark.parametrize("n", [1, 2, 5, 7])
@pytest.mark.parametrize("one_hot", [False, True])
def test_top_n(n: int, one_hot: bool) -> None:
    labels = np.eye(8)[LABELS] if one_hot else LABELS
    wanted = top_k_accuracy_score(LABELS, SCORES, k=n)
    scoring = as_scoring(f"top{n}", indexable=False)
    found = scoring.estimate(seen(scoring, SCORES, labels))
    assert found.value == pytest.approx(wanted)
    hits = round(wanted * 60)
    assert found.exact == Fraction(hits, 60)
    assert found.interval == clopper_pearson(hits, 60, 0.9)


@pytest.mark.parametrize(
    ("n", "scores"), [(8, SCORES), (20, SCORES), (2, SCORES[:, 0])], ids=["all", "more", "one"]
)
def test_a_top_n_that_any_answer_passes_is_refused(n: int, scores: Array) -> None:
    scoring = as_scoring(f"top{n}", indexable=False)
    with pytest.raises(ConfigurationError, match=f"top{n} is 1 for any answers: the output has"):
        scoring.try_on(scores[:8], LABELS[:8] % 2, None, None)
    with pytest.raises(ConfigurationError, match="edge_metric returns 'top1'"):
        scoring.observe(scores, LABELS % 2)


@pytest.mark.parametrize(
    ("n", "label", "right"),
    [(1, 1, True), (1, 2, False), (2, 2, True), (2, 3, False), (3, 3, True), (3, 0, False)],
)
def test_of_equal_scores_the_lowest_index_is_first(n: int, label: int, right: bool) -> None:
    scores = np.array([[0.0, 1.0, 1.0, 1.0]])
    assert value(f"top{n}", scores, np.array([label])) == right


def test_top_1_of_a_single_probability() -> None:
    output = np.array([[0.2], [0.5], [0.51], [0.9]])
    assert value("top1", output, np.array([0, 0, 1, 0])) == 0.75


def test_the_drop_of_a_share_is_exact_and_paired() -> None:
    before, after = np.eye(8)[LABELS], np.eye(8)[LABELS].copy()
    after[:3] = np.roll(after[:3], 1, axis=1)
    before[10] = np.roll(before[10], 1)
    found = worse_by("top1", before, after, LABELS)
    assert found.exact == Fraction(2, 60)
    assert found.interval == tango(3, 1, 60, 0.9)
    assert found.spread == pytest.approx(4 / 60)


BINARY = RANDOM.integers(0, 2, 80)
ONE = np.round(RANDOM.normal(BINARY, 1.0), 1)
OTHER = np.round(RANDOM.normal(BINARY, 2.0), 1)


@pytest.mark.parametrize("form", ["flat", "column", "two classes"])
def test_auc(form: str) -> None:
    output = {
        "flat": ONE,
        "column": ONE[:, None],
        "two classes": np.stack([-ONE, ONE], axis=1),
    }[form]
    for labels in (BINARY, BINARY.astype(bool), BINARY[:, None], np.eye(2)[BINARY]):
        assert value("auc", output, labels) == pytest.approx(roc_auc_score(BINARY, ONE))


def test_the_drop_of_an_auc() -> None:
    wanted = roc_auc_score(BINARY, ONE) - roc_auc_score(BINARY, OTHER)
    assert worse_by("auc", ONE, OTHER, BINARY).value == pytest.approx(wanted)
    assert worse_by("auc", OTHER, ONE, BINARY).value == pytest.approx(-wanted)
    assert not worse_by("auc", ONE, ONE, BINARY).provable


def test_an_auc_interval_of_no_width_proves_nothing() -> None:
    labels = np.array([0, 0, 1, 1])
    perfect, other = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.1, 0.3, 0.6, 0.7])
    scoring = as_scoring("auc", indexable=True)
    alone = scoring.estimate(seen(scoring, perfect, labels))
    assert not (alone.interval.low == alone.interval.high and alone.provable)
    pair = worse_by("auc", perfect, other, labels)
    assert not (pair.interval.low == pair.interval.high and pair.provable)


@pytest.mark.parametrize(
    "labels",
    [np.zeros(4, int), np.ones(4, int), np.array([0, 1, 2, 1]), np.eye(3)[[0, 1, 2, 0]]],
)
def test_labels_that_are_not_binary(labels: Array) -> None:
    with pytest.raises(ConfigurationError):
        value("auc", np.array([0.1, 0.2, 0.3, 0.4]), labels)


TRUE, NEAR, FAR = (RANDOM.normal(size=(40, 3)) for _ in range(3))


@pytest.mark.parametrize(
    ("name", "formula"), [("mse", mean_squared_error), ("mae", mean_absolute_error)]
)
def test_errors(name: str, formula: Callable[..., float]) -> None:
    assert value(name, NEAR, TRUE) == pytest.approx(formula(TRUE, NEAR))
    found = worse_by(name, NEAR, FAR, TRUE)
    assert found.value == pytest.approx(formula(TRUE, FAR) - formula(TRUE, NEAR))
    assert found.interval.low <= found.value <= found.interval.high
    assert not as_scoring(name, indexable=True).higher_is_better


def test_errors_of_integers_do_not_wrap() -> None:
    output, labels = np.array([[1.0], [2.0]], np.float32), np.array([250, 3], np.uint8)
    assert value("mae", output, labels) == 125
    assert value("mse", output.astype(np.uint8), labels) == (249**2 + 1) / 2


TRUTH = RANDOM.integers(0, 4, (5, 6, 6))
GUESS = np.where(RANDOM.random((5, 6, 6)) < 0.6, TRUTH, RANDOM.integers(0, 5, (5, 6, 6)))


def jaccard(truth: Array, guess: Array) -> float:
    return float(jaccard_score(truth.ravel(), guess.ravel(), average="macro"))


def test_mean_iou() -> None:
    scores = np.eye(7)[GUESS]  # classes 5 and 6 never occur
    assert value("miou", scores, TRUTH, indexable=False) == pytest.approx(jaccard(TRUTH, GUESS))
    assert value("miou", scores, TRUTH[..., None]) == pytest.approx(jaccard(TRUTH, GUESS))
    assert value("miou", GUESS.astype(float), TRUTH) == pytest.approx(jaccard(TRUTH, GUESS))


def test_void_pixels_count_for_no_class() -> None:
    void = RANDOM.random(TRUTH.shape) < 0.3
    labels = np.where(void, 255, TRUTH)
    wanted = jaccard(TRUTH[~void], GUESS[~void])
    assert value("miou", np.eye(5)[GUESS], labels) == pytest.approx(wanted)


@pytest.mark.parametrize("labels", ["flat", "with a channel"])
def test_mean_iou_of_a_single_probability(labels: str) -> None:
    truth = TRUTH % 2
    output = np.where(truth == 1, 0.8, 0.3)
    output[0] = 0.7
    given = truth if labels == "flat" else truth[..., None]
    wanted = jaccard(truth, (output > 0.5).astype(int))
    assert value("miou", output[..., None], given) == pytest.approx(wanted)


@pytest.mark.parametrize("labels", [TRUTH - 1, TRUTH + 253, TRUTH[:, :3]])
def test_labels_that_are_no_classes(labels: Array) -> None:
    with pytest.raises(ConfigurationError):
        value("miou", np.eye(5)[GUESS], labels)


def test_the_drop_of_a_mean_iou() -> None:
    found = worse_by("miou", np.eye(5)[TRUTH], np.eye(5)[GUESS], TRUTH)
    assert found.value == pytest.approx(1 - jaccard(TRUTH, GUESS))
    assert found.interval.low <= found.value <= found.interval.high


def negative_error(outputs: Array, labels: Array) -> Array:
    """Higher is better, and never above 0."""
    return -error(outputs, labels)


def error(outputs: Array, labels: Array) -> Array:
    return np.asarray(np.abs(outputs - labels).mean(axis=1))


def close(outputs: Array, labels: Array) -> Array:
    return np.asarray(np.abs(outputs - labels).max(axis=1) < 1)


def broken(outputs: Array, labels: Array) -> Array:
    return ~close(outputs, labels)


def whole_set(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], float]:
    return lambda outputs, labels: float(function(outputs, labels).mean())


OWN = [(negative_error, True), (error, False), (close, True), (broken, False)]
GOOD, BAD = TRUE + 0.1, TRUE + np.linspace(0.2, 2, 40)[:, None]


@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize(("function", "higher"), OWN)
def test_worse_is_positive_whatever_the_metric(
    function: Callable[[Array, Array], Array], higher: bool, per_sample: bool
) -> None:
    metric = Metric(
        function if per_sample else whole_set(function),
        per_sample=per_sample,
        higher_is_better=higher,
    )
    before, after = value(metric, GOOD, TRUE), value(metric, BAD, TRUE)
    found = worse_by(metric, GOOD, BAD, TRUE)
    assert found.value > 0
    assert found.value == pytest.approx(abs(before - after))
    assert worse_by(metric, BAD, GOOD, TRUE).value == pytest.approx(-found.value)
    assert found.interval.low <= found.value <= found.interval.high
    assert found.interval.low < found.interval.high


def test_scores_of_true_and_false_are_a_share() -> None:
    found = worse_by(Metric(close), GOOD, BAD, TRUE)
    lost = int((~close(BAD, TRUE)).sum())
    assert found.exact == Fraction(lost, 40)
    assert found.interval == tango(lost, 0, 40, 0.9)
    turned = worse_by(Metric(broken, higher_is_better=False), GOOD, BAD, TRUE)
    assert turned.exact == found.exact


def test_a_stream_keeps_scores_and_arrays_keep_outputs() -> None:
    stream, arrays = (as_scoring(Metric(error), indexable=each) for each in (False, True))
    assert set(seen(stream, GOOD, TRUE).arrays) == {"score"}
    assert set(seen(arrays, GOOD, TRUE).arrays) == {"output", "label"}
    assert value(Metric(error), GOOD, TRUE, indexable=False) == value(Metric(error), GOOD, TRUE)
    assert stream.key is None  # a function has no digest: nothing of it is kept between runs


@pytest.mark.parametrize("name", ["mse", "miou"])
def test_identical_answers_prove_nothing_by_bootstrap(name: str) -> None:
    outputs, labels = (NEAR, TRUE) if name == "mse" else (np.eye(5)[GUESS], TRUTH)
    found = worse_by(name, outputs, outputs, labels)
    assert (found.value, found.interval.low, found.interval.high) == (0, 0, 0)
    assert not found.provable


def test_a_metric_of_the_whole_set_needs_arrays() -> None:
    with pytest.raises(UnsupportedError) as raised:
        as_scoring(Metric(whole_set(error), per_sample=False), indexable=False)
    assert "a stream is never held whole" in raised.value.message
    assert "per_sample=True" in raised.value.remedy


@pytest.mark.parametrize("scores", [np.zeros((40, 1)), np.zeros(39), np.float64(3)])
def test_a_metric_per_sample_gives_one_score_a_sample(scores: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        value(Metric(lambda outputs, labels: scores), GOOD, TRUE)
    assert "for 40 samples" in raised.value.message
    assert "per_sample=False" in raised.value.remedy


@pytest.mark.parametrize("given", ["top1", "mse", "auc", "miou"])
def test_a_built_in_metric_with_an_output_named(given: str) -> None:
    scoring = as_scoring(Metric(given, output="boxes"), indexable=True)
    assert (scoring.name, scoring.output) == (given, "boxes")
    assert as_scoring(given, indexable=True).output is None


@pytest.mark.parametrize("given", ["top0", "top", "top-1", "top1.5", "accuracy", "MSE"])
def test_names_of_no_metric(given: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown metric '{given}'"):
        as_scoring(given, indexable=True)


@pytest.mark.parametrize("given", [error, None, 5])
def test_what_is_neither_a_name_nor_a_metric(given: Any) -> None:
    with pytest.raises(ConfigurationError) as raised:
        as_scoring(given, indexable=True)
    assert f"edge_metric is a {type(given).__name__}, neither" in raised.value.message


def test_a_metric_of_no_function() -> None:
    with pytest.raises(ConfigurationError, match=r"Metric\(fn=5\) is not a function"):
        as_scoring(Metric(5), indexable=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "bounded"),
    [("top1", True), ("top5", True), ("auc", True), ("miou", True), ("mse", False), ("mae", False)],
)
def test_which_metrics_lie_between_0_and_1(name: str, bounded: bool) -> None:
    assert as_scoring(name, indexable=True).bounded is bounded
    assert not as_scoring(Metric(error), indexable=True).bounded


REPEATED = np.repeat(np.arange(40), 3)
"""Each of 40 samples three times, which together are a group."""
BY_GROUPS: dict[str, tuple[Any, Array, Array, Array]] = {
    "top1": ("top1", SCORES[:40], RANDOM.random((40, 8)), LABELS[:40]),
    "auc": ("auc", ONE[:40], OTHER[:40], BINARY[:40]),
    "mse": ("mse", NEAR, FAR, TRUE),
    "miou": (
        "miou",
        np.eye(5)[np.resize(GUESS, (40, 6, 6))],
        np.eye(5)[np.resize(GUESS[::-1], (40, 6, 6))],
        np.resize(TRUTH, (40, 6, 6)),
    ),
    "bool": (Metric(close), GOOD, BAD, TRUE),
    "score": (Metric(error, higher_is_better=False), GOOD, BAD, TRUE),
    "set": (Metric(whole_set(error), per_sample=False), GOOD, BAD, TRUE),
}


@pytest.mark.parametrize("name", BY_GROUPS)
def test_repeating_samples_in_their_group_changes_no_interval(name: str) -> None:
    """While without groups it makes every interval narrower."""
    metric, before, after, labels = BY_GROUPS[name]
    scoring = as_scoring(metric, indexable=True)
    alone, repeated = (
        [seen(scoring, each[order], labels[order]) for each in (before, after)]
        for order in (np.arange(40), REPEATED)
    )
    groups = Resampling(Groups(np.arange(40))), Resampling(Groups(REPEATED))
    for found, wanted in (
        (scoring.worse_by(*repeated, groups[1]), scoring.worse_by(*alone, groups[0])),
        (scoring.estimate(repeated[0], groups[1]), scoring.estimate(alone[0], groups[0])),
    ):
        assert found.value == pytest.approx(wanted.value)
        ends = found.interval.low, found.interval.high
        assert ends == pytest.approx((wanted.interval.low, wanted.interval.high))
        assert (found.groups, found.method) == (40, f"{wanted.method}")
        assert found.spread == pytest.approx(wanted.spread)
    narrow = scoring.worse_by(*repeated).interval
    wide = scoring.worse_by(*repeated, groups[1]).interval
    assert narrow.high - narrow.low < 0.8 * (wide.high - wide.low)


def auc_of_ranks(scores: Any, labels: Any, axis: int = -1) -> Any:
    """The areas under many curves at once, as Mann-Whitney's U over the number of pairs."""
    ranks, positive = rankdata(scores, axis=axis), labels.sum(axis)
    u = (ranks * labels).sum(axis) - positive * (positive + 1) / 2
    return u / (positive * (labels.shape[axis] - positive))


def test_an_auc_by_groups_agrees_with_scipy() -> None:
    scoring = as_scoring("auc", indexable=True)
    evidence = seen(scoring, ONE, BINARY)
    found = scoring.estimate(evidence, Resampling(Groups(np.arange(80)))).interval
    wanted = bootstrap(
        (ONE, BINARY),
        auc_of_ranks,
        paired=True,
        vectorized=True,
        confidence_level=0.9,
        n_resamples=3000,
        method="percentile",
        rng=2,
    ).confidence_interval
    width = wanted.high - wanted.low
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.1 * width)


@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize(
    ("leave", "words"),
    [(lambda: sys.exit(0), "SystemExit: 0"), (lambda: pytest.skip("no"), "Skipped: no")],
)
def test_a_function_that_leaves_or_skips_is_an_error(
    leave: Any, words: str, per_sample: bool
) -> None:
    function = UserFunction(lambda outputs, labels: leave(), wants_inputs=False)
    answers = Answers({"": np.zeros((3, 2))}, np.zeros(3))
    with pytest.raises(ConfigurationError, match=f"the function of edge_metric, raised {words}"):
        (function.scores if per_sample else function.figure)(answers)


@pytest.mark.parametrize(
    ("groups", "samples", "words"),
    [
        (np.arange(12), 11, "are of 12 samples, and there are 11 evaluation samples"),
        (np.zeros((4, 2)), None, "can't be read: they have shape (4, 2)"),
        ([], None, "can't be read: they have shape (0,)"),
        ([1.0, float("nan")], 2, "can't be read: 1 of them are NaN"),
    ],
)
def test_groups_that_do_not_fit(groups: Any, samples: int | None, words: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        groups_of(Metric("top1", groups=groups), samples)
    assert words in raised.value.message


def test_groups_are_named_by_anything() -> None:
    for names in (["Ann", "Bob", "Ann"], [7, 3, 7], (b"a", b"b", b"a"), np.array([0.5, 1, 0.5])):
        found = groups_of(Metric("top1", groups=names), 3)
        assert found is not None
        assert found.sizes.tolist() in ([2, 1], [1, 2])
    assert groups_of("top1", 3) is None
    assert groups_of(Metric("top1"), 3) is None


def both(outputs: dict[str, Array], labels: Array) -> Array:
    return np.asarray(outputs["near"].sum(axis=1) - outputs["far"].sum(axis=1) + labels[:, 0])


def of_outputs(names: tuple[str, ...], *outputs: Array) -> Evidence:
    scoring = as_scoring(Metric(both), indexable=True)
    arrays = scoring.observe(dict(zip(names, outputs, strict=True)), TRUE)
    return Evidence(arrays, len(TRUE), "", "host:fake", outputs=names)


@pytest.mark.parametrize(
    ("names", "swapped"),
    [(("near", "far"), False), (("far", "near"), True), (("call:0", "call:1"), False)],
)
def test_outputs_are_matched_by_name_or_else_by_position(
    names: tuple[str, ...], swapped: bool
) -> None:
    scoring = as_scoring(Metric(both), indexable=True)
    assert scoring.reads_all_outputs
    reference = of_outputs(("near", "far"), NEAR, FAR)
    artifact = of_outputs(names, *((FAR, NEAR) if swapped else (NEAR, FAR)))
    assert scoring.worse_by(reference, artifact).value == 0
    other = of_outputs(names, *((NEAR, FAR) if swapped else (FAR, NEAR)))
    assert scoring.worse_by(reference, other).value != 0


def test_a_function_for_one_output_is_told_of_the_others() -> None:
    scoring = as_scoring(Metric(error), indexable=False)
    with pytest.raises(ConfigurationError) as raised:
        scoring.observe({"near": NEAR, "far": FAR}, TRUE)
    assert "error, the function of edge_metric, raised TypeError" in raised.value.message
    assert "the output 'near' of shape (40, 3), the output 'far'" in raised.value.message
    assert "choose one with Metric(fn, output=0)" in raised.value.remedy
    assert isinstance(raised.value.__cause__, TypeError)


class Stubborn:
    """Can't be converted, as a tensor that needs its gradient."""

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise RuntimeError("detach it first")

    def __float__(self) -> float:
        raise RuntimeError("detach it first")


@pytest.mark.parametrize("made", [None, "text", [1, [2, 3]], {"a": 1}, Stubborn(), object()])
@pytest.mark.parametrize("per_sample", [True, False])
def test_what_is_no_number_is_an_error_of_ours(made: Any, per_sample: bool) -> None:
    metric = Metric(lambda outputs, labels: made, per_sample=per_sample)
    with pytest.raises(ConfigurationError) as raised:
        value(metric, GOOD, TRUE)
    assert raised.value.message.startswith("<lambda> gave ")
    assert "per_sample=" in raised.value.remedy or "numpy array" in raised.value.remedy


INPUTS: dict[str, Any] = {
    "array": TRUE * 2,
    "tuple": (TRUE * 2, NEAR),
    "dict": {"a": TRUE * 2, "b": NEAR},
}


@pytest.mark.parametrize("form", INPUTS)
@pytest.mark.parametrize("per_sample", [True, False])
def test_inputs_go_with_their_samples(form: str, per_sample: bool) -> None:
    """Half of the first input is the label, in every resample."""
    given = INPUTS[form]

    def same(outputs: Array, labels: Array, inputs: Any) -> Any:
        first = {"array": lambda: inputs, "tuple": lambda: inputs[0], "dict": lambda: inputs["a"]}
        found = (first[form]() / 2 == labels).all(axis=1) & (outputs[:, 0] == labels[:, 0] + 0.5)
        return found if per_sample else float(found.mean())

    metric = Metric(same, wants_inputs=True, per_sample=per_sample)
    scoring = as_scoring(metric, indexable=True, inputs=lambda: given)
    evidence = seen(scoring, TRUE + 0.5, TRUE)
    found = scoring.estimate(evidence)
    assert (found.value, found.interval.high) == (1.0, 1.0)
    assert set(evidence.arrays) == {"output", "label"}  # inputs are in the data, and not kept
    chance = scoring.chance(evidence)
    assert isinstance(chance, Chance)
    assert chance.better


def test_a_built_in_metric_does_not_read_the_inputs() -> None:
    with pytest.raises(ConfigurationError, match="does not read the inputs"):
        as_scoring(Metric("top1", wants_inputs=True), indexable=True)


@pytest.mark.parametrize("labels", [TRUTH + 0.5, np.where(TRUTH == 1, np.nan, TRUTH)])
def test_masks_of_fractions_are_refused(labels: Array) -> None:
    with pytest.raises(ConfigurationError, match=r"fractions|NaN or Inf"):
        value("miou", np.eye(5)[GUESS], labels)
