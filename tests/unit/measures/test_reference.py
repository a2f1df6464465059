"""The reference against chance: constant answers against scikit-learn, proofs against scipy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import bootstrap, norm, permutation_test
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import (
    accuracy_score,
    jaccard_score,
    mean_absolute_error,
    mean_squared_error,
    top_k_accuracy_score,
)

from pytest_edgegate import Metric
from pytest_edgegate.data.splits import Split, make_split
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Chance, Resampling, Unchecked, as_scoring
from pytest_edgegate.measures.metrics.resampling import ALL
from pytest_edgegate.measures.reference import ReferenceCheck, check_reference
from pytest_edgegate.stats.auc import delong
from pytest_edgegate.stats.groups import Groups

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(31)


def passed(given: Any, output: Array, labels: Array, split: Split) -> Evidence:
    """A pass in batches, as the gate makes it."""
    scoring = as_scoring(given, indexable=split.indexable)
    keeper, parts = scoring.keeper(split), []
    for at in range(0, len(labels), 13):
        some = output[at : at + 13], labels[at : at + 13]
        parts.append(scoring.observe(*some))
        if keeper is not None:
            keeper.add(*some, None)
    arrays = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    more = {} if keeper is None else keeper.figures(len(labels))
    return Evidence(arrays | more, len(labels), "", "host:fake")


def array_split(labels: Array) -> Split:
    return make_split("evaluation", (np.zeros((len(labels), 1)), labels), None)


def stream_split() -> Split:
    return make_split("evaluation", [np.zeros((1, 1))], "1")


def chance(
    given: Any,
    output: Array,
    labels: Array,
    *,
    stream: bool = False,
    resampling: Resampling = ALL,
) -> Any:
    split = stream_split() if stream else array_split(labels)
    scoring = as_scoring(given, indexable=not stream)
    return scoring.chance(passed(given, output, labels, split), resampling)


def checked(
    given: Any, output: Array, labels: Array, *, resampling: Resampling = ALL
) -> ReferenceCheck:
    seen = passed(given, output, labels, array_split(labels))
    return check_reference(as_scoring(given, indexable=True), seen, resampling)


SKEWED = RANDOM.choice(6, 300, p=[0.1, 0.5, 0.05, 0.2, 0.05, 0.1])
SCORES = np.eye(6)[SKEWED] + RANDOM.normal(size=(300, 6)) * 0.6


def test_the_commonest_class() -> None:
    dummy = DummyClassifier(strategy="most_frequent").fit(SKEWED[:, None], SKEWED)
    wanted = accuracy_score(SKEWED, dummy.predict(SKEWED[:, None]))
    found = chance("top1", SCORES, SKEWED)
    assert found.value == pytest.approx(wanted)
    assert found.answer == "always answering class 1"
    assert found.telling == (SKEWED != 1).sum()
    assert found.better


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_commonest_classes(n: int) -> None:
    counts = np.bincount(SKEWED, minlength=6).astype(float)
    wanted = top_k_accuracy_score(SKEWED, np.tile(counts, (300, 1)), k=n)
    found = chance(f"top{n}", SCORES, SKEWED)
    assert found.value == pytest.approx(wanted)
    assert found.answer == f"always answering the {n} commonest classes"


def test_a_model_that_knows_the_top_2_only_by_their_frequency_is_not_better() -> None:
    counts = np.bincount(SKEWED, minlength=6).astype(float)
    assert not chance("top2", np.tile(counts, (300, 1)), SKEWED).better
    assert chance("top2", SCORES, SKEWED).better


@pytest.mark.parametrize("hits", range(170, 215, 3))
def test_a_reference_is_compared_on_the_same_samples(hits: int) -> None:
    """Its lead over the commonest class is proven by McNemar's test."""
    answers = np.where(np.arange(300) < hits, SKEWED, (SKEWED + 1) % 6)
    right, constant = answers == SKEWED, SKEWED == 1
    lost, won = int((constant & ~right).sum()), int((right & ~constant).sum())
    found = chance("top1", np.eye(6)[answers], SKEWED)
    assert found.better is bool((won - lost) / np.sqrt(won + lost) > norm.ppf(0.95))


def test_an_auc_is_compared_with_a_half() -> None:
    labels = RANDOM.integers(0, 2, 200)
    for weight in np.linspace(0, 0.4, 9):
        scores = labels * weight + RANDOM.normal(size=200)
        found = chance("auc", scores, labels)
        assert found.value == 0.5
        assert found.better is bool(delong(scores, labels, 0.9)[1].low > 0.5)
        assert found.telling == min(labels.sum(), 200 - labels.sum())
    assert chance("auc", labels.astype(float), labels).better  # perfect: an interval of no width
    assert not chance("auc", -labels.astype(float), labels).better
    assert not chance("auc", np.zeros(200), labels).better


TRUTH = RANDOM.exponential(size=(250, 4, 2)) * np.arange(1, 9).reshape(4, 2)
NEAR = TRUTH + RANDOM.normal(size=TRUTH.shape) * 0.5
ERRORS: dict[str, tuple[str, Callable[..., float]]] = {
    "mse": ("mean", mean_squared_error),
    "mae": ("median", mean_absolute_error),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ERRORS)
def test_the_mean_or_the_median_by_element(name: str, stream: bool) -> None:
    strategy, error = ERRORS[name]
    flat = TRUTH.reshape(250, -1)
    dummy = DummyRegressor(strategy=strategy).fit(flat, flat)
    found = chance(name, NEAR, TRUTH, stream=stream)
    assert found.value == pytest.approx(error(flat, dummy.predict(flat)))
    assert found.answer == f"always answering the {strategy} of the labels"
    assert (found.better, found.n, found.telling) == (True, 250, 250)
    assert not chance(name, np.zeros_like(TRUTH), TRUTH, stream=stream).better
    constant = np.broadcast_to(dummy.predict(flat[:1]).reshape(1, 4, 2), TRUTH.shape)
    assert not chance(name, constant, TRUTH, stream=stream).better


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.97, 1.0, 1.05])
def test_an_error_is_compared_on_the_same_samples(share: float) -> None:
    output = TRUTH.mean(axis=0) * share + TRUTH * (1 - share)
    wrong = ((output - TRUTH) ** 2).mean(axis=(1, 2))
    constant = ((TRUTH.mean(axis=0) - TRUTH) ** 2).mean(axis=(1, 2))
    high = bootstrap(
        (wrong - constant,), np.mean, confidence_level=0.9, method="percentile", rng=3
    ).confidence_interval.high
    assert chance("mse", output, TRUTH).better is bool(high < 0)


@pytest.mark.parametrize("name", ERRORS)
def test_equal_labels_tell_nothing(name: str) -> None:
    labels = np.full((120, 3), 0.1, np.float32)
    found = chance(name, labels + 0.1, labels)
    assert (found.telling, found.better) == (0, False)
    check = checked(name, labels + 0.1, labels)
    assert check.fault is not None
    assert not check.grave


def test_a_part_of_the_labels_is_drawn_at_random_if_there_are_very_many() -> None:
    labels = np.concatenate([np.zeros(9_000), np.ones(6_000)])
    found = chance("mae", labels, labels)
    assert found.n == 10_000
    assert found.value == pytest.approx(0.4, abs=0.01)  # the first ones alone would give 0.1
    assert found.better
    assert chance("mse", labels, labels).n == 15_000


def test_labels_of_a_stream_that_differ_in_their_shape_are_not_compared() -> None:
    scoring = as_scoring("mse", indexable=False)
    keeper = scoring.keeper(stream_split())
    assert keeper is not None
    errors = []
    for size in (3, 4):
        labels = np.ones((5, size))
        errors.append(scoring.observe(labels, labels)["error"])
        keeper.add(labels, labels, None)
    arrays = {"error": np.concatenate(errors), **keeper.figures(10)}
    found = scoring.chance(Evidence(arrays, 10, "", ""))
    assert found == Unchecked("the labels of the samples differ in their shape")


CLASSES = RANDOM.choice(4, (60, 5, 5), p=[0.7, 0.1, 0.1, 0.1])


def test_the_commonest_class_of_all_pixels() -> None:
    constant = jaccard_score(CLASSES.ravel(), np.zeros(CLASSES.size, int), average="macro")
    guess = np.where(RANDOM.random(CLASSES.shape) < 0.7, CLASSES, 3)
    found = chance("miou", np.eye(4)[guess], CLASSES)
    assert found.value == pytest.approx(constant)
    assert found.answer == "answering class 0 at every pixel"
    assert (found.better, found.telling) == (True, 60)
    assert not chance("miou", np.eye(4)[np.zeros_like(CLASSES)], CLASSES).better


def test_void_pixels_have_no_class() -> None:
    labels = np.where(RANDOM.random(CLASSES.shape) < 0.3, 255, CLASSES)
    kept = labels != 255
    constant = jaccard_score(labels[kept], np.zeros(kept.sum(), int), average="macro")
    assert chance("miou", np.eye(4)[CLASSES], labels).value == pytest.approx(constant)
    assert chance("miou", np.eye(4)[CLASSES], np.full_like(labels, 255)) is None


@pytest.mark.parametrize(("others", "telling"), [(0, 0), (9, 9), (10, 10)])
def test_only_samples_of_other_classes_tell(others: int, telling: int) -> None:
    labels = np.zeros((120, 2, 2), int)
    labels[:others, 0, 0] = 1
    assert chance("miou", np.eye(2)[np.zeros_like(labels)], labels).telling == telling
    flat = labels[:, 0, 0]
    check = checked("top1", np.eye(2)[np.zeros_like(flat)], flat)
    assert check.fault is not None
    assert check.grave is (others >= 10)


def right(outputs: Array, labels: Array) -> Array:
    return np.asarray(outputs.argmax(axis=1) == labels)


def closeness(outputs: Array, labels: Array) -> Array:
    return np.asarray(-np.abs(outputs.argmax(axis=1) - labels).astype(float))


def whole(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], float]:
    return lambda outputs, labels: float(function(outputs, labels).mean())


OWN: dict[str, tuple[Metric, bool]] = {
    "right": (Metric(right), False),
    "closeness": (Metric(closeness), False),
    "wrong": (
        Metric(lambda outputs, labels: ~right(outputs, labels), higher_is_better=False),
        False,
    ),
    "of the set": (Metric(whole(right), per_sample=False), False),
    "lower, of the set": (
        Metric(lambda o, y: -whole(closeness)(o, y), per_sample=False, higher_is_better=False),
        False,
    ),
    "right of a stream": (Metric(right), True),
    "closeness of a stream": (Metric(closeness), True),
}


@pytest.mark.parametrize("name", OWN)
def test_an_own_metric_is_compared_with_the_labels_of_other_samples(name: str) -> None:
    metric, stream = OWN[name]
    good = chance(metric, SCORES, SKEWED, stream=stream)
    assert isinstance(good, Chance)
    assert good.answer == "the same answers with the labels of other samples"
    assert (good.better, good.n, good.caution) == (True, 300, "")
    assert good.telling == (SKEWED != 1).sum()
    bad = chance(metric, RANDOM.permutation(SCORES), SKEWED, stream=stream)
    assert isinstance(bad, Chance)
    assert not bad.better


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("metric", [Metric(right), Metric(closeness)])
def test_a_constant_answer_is_no_better_with_its_own_labels(metric: Metric, stream: bool) -> None:
    constant = np.eye(6)[np.ones(300, int)]
    found = chance(metric, constant, SKEWED, stream=stream)
    assert isinstance(found, Chance)
    assert not found.better


def test_a_figure_of_the_set_is_better_if_at_most_one_in_twenty_shuffles_is_as_good() -> None:
    """Against scipy's permutation test, on answers that know more and more."""
    random, seen = np.random.default_rng(8), set()
    for knowing in np.linspace(0, 0.2, 9):
        answers = np.where(random.random(300) < knowing, SKEWED, random.permutation(SKEWED))
        wanted = permutation_test(
            (SKEWED,),
            lambda labels, answers=answers: (answers == labels).mean(),
            permutation_type="pairings",
            n_resamples=2000,
            alternative="greater",
            rng=7,
        ).pvalue
        found = chance(Metric(whole(right), per_sample=False), np.eye(6)[answers], SKEWED)
        if not 0.02 < wanted < 0.1:
            assert found.better is bool(wanted <= 0.05)
            seen.add(found.better)
    assert seen == {True, False}


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_that_fails_on_shuffles_is_not_checked(stream: bool) -> None:
    def picky(outputs: Array, labels: Array) -> Array:
        if (labels[:9] != SKEWED[:9]).any():
            raise RuntimeError("not these")
        return right(outputs, labels)

    scoring = as_scoring(Metric(picky), indexable=not stream)
    keeper = scoring.keeper(stream_split() if stream else array_split(SKEWED))
    arrays = scoring.observe(SCORES, SKEWED)
    if keeper is not None:
        keeper.add(SCORES, SKEWED, None)
        arrays |= keeper.figures(300)
    found = scoring.chance(Evidence(arrays, 300, "", ""))
    assert found == Unchecked("picky gives no number with the labels of other samples")


def test_labels_that_do_not_matter_are_told() -> None:
    for metric in (
        Metric(lambda outputs, labels: outputs[:, 0]),
        Metric(lambda outputs, labels: float(outputs.max()), per_sample=False),
    ):
        found = chance(metric, SCORES, SKEWED)
        assert isinstance(found, Unchecked)
        assert found.reason == "<lambda> gives the same figure with the labels of other samples"


@pytest.mark.parametrize("per_sample", [True, False])
def test_what_a_function_warns_of_chance_is_not_told(per_sample: bool) -> None:
    def warning(outputs: Array, labels: Array) -> Any:
        hits = outputs.argmax(axis=1) == labels
        if not hits.mean() > 0.9:
            warnings.warn("no figure for such answers", RuntimeWarning, stacklevel=1)
        return hits if per_sample else float(hits.mean())

    metric = Metric(warning, per_sample=per_sample)
    right = np.eye(10)[SKEWED]
    found = chance(metric, right, SKEWED)  # a warning is an error here
    assert isinstance(found, Chance)
    assert found.better


@pytest.mark.parametrize("per_sample", [True, False])
def test_a_function_may_write_to_what_it_is_given(per_sample: bool) -> None:
    def spoiling(outputs: Array, labels: Array) -> Any:
        outputs *= 100
        labels += 1
        hits = outputs.argmax(axis=1) == labels - 1
        return hits if per_sample else float(hits.mean())

    metric = Metric(spoiling, per_sample=per_sample)
    scoring = as_scoring(metric, indexable=True)
    seen = passed(metric, SCORES.copy(), SKEWED.copy(), array_split(SKEWED))
    before = scoring.value(seen)
    scoring.chance(seen)
    scoring.worse_by(seen, seen)
    assert scoring.estimate(seen).value == before
    np.testing.assert_array_equal(seen.arrays["output"], SCORES)
    np.testing.assert_array_equal(seen.arrays["label"], SKEWED)


def test_a_metric_that_is_not_finite_is_told_elsewhere() -> None:
    for metric in (
        Metric(lambda outputs, labels: np.full(len(outputs), np.nan)),
        Metric(lambda outputs, labels: float("nan"), per_sample=False),
    ):
        assert chance(metric, SCORES, SKEWED) is None


def squared(outputs: Array, labels: Array) -> Array:
    return np.asarray(-((outputs - np.eye(6)[labels]) ** 2).sum(axis=1))


@pytest.mark.parametrize(("per_sample", "stream"), [(True, False), (True, True), (False, False)])
def test_a_reference_no_better_than_its_mean_output_is_a_caution(
    per_sample: bool, stream: bool
) -> None:
    metric = Metric(squared if per_sample else whole(squared), per_sample=per_sample)
    far = np.eye(6)[SKEWED] * 5
    found = chance(metric, far, SKEWED, stream=stream)
    assert found.better
    own, flat = squared(far, SKEWED).mean(), squared(far.mean(axis=0), SKEWED).mean()
    told = f" {own:.4g}, which is not better than that of its own mean output, {flat:.4g}"
    assert told in found.caution
    near = chance(metric, np.eye(6)[SKEWED] * 1.1, SKEWED, stream=stream)
    assert near.caution == ""


def test_cautions_are_no_faults() -> None:
    check = checked(Metric(squared), np.eye(6)[SKEWED] * 5, SKEWED)
    assert check.fault is None
    (caution,) = check.cautions
    assert caution.startswith("caution: the model under test has squared -16")


@pytest.mark.parametrize(("count", "grave"), [(99, False), (100, True)])
def test_from_a_hundred_samples_on_it_is_an_error(count: int, grave: bool) -> None:
    labels = np.arange(count) % 5
    check = checked("top1", np.eye(5)[(labels + 1) % 5], labels)
    assert check.fault is not None
    message, remedy = check.fault
    assert message == (
        f"the model under test has top-1 0 on {count} evaluation samples, which is not proven "
        f"better than always answering class 0 (0.2{'02' if count == 99 else ''})"
    )
    assert "edge_reference_check = false" in remedy
    assert "EdgeData(..., reference_check=False)" in remedy
    assert check.grave is grave


@pytest.mark.parametrize(("positives", "grave"), [(9, False), (10, True)])
def test_an_auc_needs_ten_of_each(positives: int, grave: bool) -> None:
    labels = (np.arange(120) < positives).astype(int)
    assert checked("auc", np.zeros(120), labels).grave is grave
    assert checked("auc", np.zeros(120), 1 - labels).grave is grave


def test_few_groups_make_no_error() -> None:
    labels = np.arange(300) % 5
    wrong = np.eye(5)[(labels + 1) % 5]
    for count, grave in ((19, False), (20, True)):
        resampling = Resampling(Groups(np.arange(300) % count))
        check = checked("top1", wrong, labels, resampling=resampling)
        assert check.fault is not None
        assert check.grave is grave


def test_without_time_it_is_not_checked() -> None:
    resampling = Resampling(limit=0.0, clock=iter(np.arange(0, 1e6, 1.0)).__next__)
    for metric, output, labels in (
        ("mse", NEAR, TRUTH),
        ("miou", np.eye(4)[CLASSES], CLASSES),
        (Metric(closeness), SCORES, SKEWED),
    ):
        found = chance(metric, output, labels, resampling=resampling)
        assert isinstance(found, Unchecked)
        assert "500 resamples would take about" in found.reason


@pytest.mark.parametrize(("limit", "checks"), [(17.0, False), (18.0, True), (1e9, True)])
def test_nineteen_shuffles_are_enough(limit: float, checks: bool) -> None:
    """A clock that moves on by a second with every look at it."""
    resampling = Resampling(limit=limit, clock=iter(np.arange(0, 1e6, 1.0)).__next__)
    metric = Metric(whole(right), per_sample=False)
    found = chance(metric, SCORES, SKEWED, resampling=resampling)
    assert isinstance(found, Chance) is checks
    if checks:
        assert found.better
    else:
        assert "19 figures of <lambda> do not fit into edge_bootstrap_time" in found.reason
