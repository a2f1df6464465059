"""Accuracy of the artifact against the model under test, paired on the same samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.recipe import TrainingStep
from pytest_edgegate.measures.context import MeasureContext
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Estimate, Scoring, TopN
from pytest_edgegate.stats.intervals import Interval


def accuracy_drop(context: MeasureContext) -> Finding:
    """The reference's metric minus the artifact's, as "worse by": positive is worse."""
    paired = context.paired()
    if isinstance(paired, NotMeasured):
        return paired
    reference, artifact = paired.reference, paired.artifact
    broken = _nonfinite("accuracy_drop", artifact, reference)
    if broken:
        return replace(broken, n_total=paired.total or broken.n)
    estimate = context.scoring.worse_by(reference, artifact)
    explanation = _by_recipe(context, _explain(context, reference, artifact))
    made = _measurement("accuracy_drop", estimate, artifact, explanation)
    if paired.within is None:
        return made
    return replace(
        made, low=None, high=None, exact=None, level=EARLY_LEVEL, n_total=paired.total,
        decided_early=True, proof=paired.within,
        method="betting on samples drawn without replacement",
    )  # fmt: skip


EARLY_LEVEL = 0.99
"""Of an early decision: it is that of the whole set with this chance at least."""


def accuracy_drop_relative(context: MeasureContext) -> Finding:
    """The drop divided by the size of the reference's metric on the same samples."""
    reference = context.reference()
    if isinstance(reference, NotMeasured):
        return reference
    artifact = context.predictions()
    broken = _nonfinite("accuracy_drop_relative", artifact, reference)
    if broken:
        return broken
    drop = context.scoring.worse_by(reference, artifact)
    own = context.scoring.estimate(reference)
    size = abs(own.value)
    if size == 0:
        return NotMeasured(
            "accuracy_drop_relative",
            f"the reference's {context.scoring.name} is 0, and nothing is relative to 0",
            "gate accuracy_drop instead",
        )
    exact = drop.exact / own.exact if drop.exact is not None and own.exact else None
    ends = Interval(drop.interval.low / size, drop.interval.high / size, drop.interval.level)
    spread = None if drop.spread is None else drop.spread / size**2
    relative = Estimate(drop.value / size, ends, drop.method, exact, drop.provable, spread)
    explanation = _by_recipe(context, _explain(context, reference, artifact))
    return _measurement("accuracy_drop_relative", relative, artifact, explanation)


def accuracy_min(context: MeasureContext) -> Finding:
    """The artifact's own metric: a floor, or a ceiling where lower is better."""
    artifact = context.predictions()
    broken = _nonfinite("accuracy_min", artifact)
    if broken:
        return broken
    estimate = context.scoring.estimate(artifact)
    errors = _own_errors(context.scoring, artifact)
    explanation = _by_recipe(context, _by_ranges(context, errors))
    made = _measurement("accuracy_min", estimate, artifact, explanation)
    if context.scoring.higher_is_better:
        return made
    return replace(made, direction="at most")


def reference_fault(scoring: Scoring, reference: Evidence) -> tuple[str, str] | None:
    """(fault, remedy) where the reference is not proven better than always the commonest class.

    The bound is the one-sided 95 % Clopper-Pearson one.
    """
    if not isinstance(scoring, TopN):
        return None
    top = TopN(1).estimate(reference)
    labels, counts = np.unique(reference.arrays["label"], return_counts=True)
    share = counts.max() / reference.n
    if top.interval.low > share:
        return None
    commonest = labels[counts.argmax()]
    return (
        f"the model under test has top-1 {top.value:.3f} on {reference.n} evaluation samples, "
        f"which is not proven better than always answering class {commonest} ({share:.3f})",
        "check its preprocessing and the labels (a reference that is wrong makes every drop "
        "small); edge_reference_check = false turns this check off",
    )


@dataclass(frozen=True)
class _Explanation:
    """What to say if the figure turns out to be over its budget."""

    details: tuple[str, ...] = ()
    cause: str = ""
    remedy: str = ""


def _measurement(
    metric: str, estimate: Estimate, artifact: Evidence, explanation: _Explanation
) -> Measurement:
    finite = np.isfinite(estimate.value)
    known = bool(np.isfinite((estimate.interval.low, estimate.interval.high)).all())
    return Measurement(
        metric,
        estimate.value,
        artifact.source,
        low=estimate.interval.low if known else None,
        high=estimate.interval.high if known else None,
        level=estimate.interval.level,
        n=artifact.n,
        n_total=artifact.n,
        cached=artifact.cached,
        exact=estimate.exact,
        method=estimate.method,
        provable=estimate.provable,
        spread=estimate.spread,
        nonfinite="" if finite else f"{metric} itself is {estimate.value}",
        details=explanation.details,
        cause=explanation.cause,
        remedy=explanation.remedy,
    )


def _nonfinite(
    metric: str, artifact: Evidence, reference: Evidence | None = None
) -> Measurement | None:
    for name, each in (("the artifact", artifact), ("the reference", reference)):
        if each is not None and each.nonfinite:
            return Measurement(
                metric, float("nan"), each.source, n=each.n, n_total=each.n, cached=each.cached,
                nonfinite=f"{name} gives NaN or Inf on {each.nonfinite} of {each.n} samples, "
                f"first on sample {each.first_nonfinite}",
            )  # fmt: skip
    return None


def _explain(context: MeasureContext, reference: Evidence, artifact: Evidence) -> _Explanation:
    """Lost classes, flipped samples and a probable cause, as far as the metric shows them."""
    scoring = context.scoring
    if not isinstance(scoring, TopN):
        return _by_ranges(context)
    before, after = scoring.correct(reference), scoring.correct(artifact)
    flipped = np.flatnonzero(before & ~after)
    if not len(flipped):
        return _by_ranges(context)
    labels = reference.arrays["label"]
    details = (
        _lost_classes(labels, flipped),
        _first_flips(labels, reference, artifact, flipped),
    )
    by_ranges = _by_ranges(context, details)
    return by_ranges if by_ranges.cause else _by_confusion(details, reference, artifact)


def _by_ranges(context: MeasureContext, details: tuple[str, ...] = ()) -> _Explanation:
    note = context.range_note()
    remedy = "give calibration and evaluation samples the same preprocessing" if note else ""
    return _Explanation(details, note, remedy)


def _by_recipe(context: MeasureContext, found: _Explanation) -> _Explanation:
    """What trains is trained again rather than calibrated again."""
    learning = [each for each in context.artifact.recipe if isinstance(each, TrainingStep)]
    if found.remedy or not learning:
        return found
    step = learning[-1]
    remedy = (
        f"train longer, or with another learning rate than {step.lr:g}: "
        f"{step.for_twice_the_epochs()} in place of {step}"
    )
    if any(each.removes_filters for each in learning):
        remedy += "; or prune less"
    return replace(found, remedy=remedy)


def _own_errors(scoring: Scoring, artifact: Evidence) -> tuple[str, ...]:
    """The classes and the first samples that the artifact gets wrong."""
    if not isinstance(scoring, TopN):
        return ()
    wrong = np.flatnonzero(~scoring.correct(artifact))
    if not len(wrong):
        return ()
    labels, answers = artifact.arrays["label"], artifact.arrays["predicted"]
    parts = [f"#{at} (label {labels[at]}: {answers[at]})" for at in wrong[:5]]
    return (
        f"classes with most errors: {_by_class(labels, wrong)}",
        f"first of {len(wrong)} samples that are wrong: {', '.join(parts)}",
    )


def _lost_classes(labels: np.ndarray, flipped: np.ndarray) -> str:
    return f"classes that lost most: {_by_class(labels, flipped)}"


def _by_class(labels: np.ndarray, chosen: np.ndarray) -> str:
    classes, lost = np.unique(labels[chosen], return_counts=True)
    worst = np.argsort(-lost, kind="stable")[:3]
    return ", ".join(
        f"class {classes[at]}: {lost[at]} of {np.count_nonzero(labels == classes[at])}"
        for at in worst
    )


def _first_flips(
    labels: np.ndarray, reference: Evidence, artifact: Evidence, flipped: np.ndarray
) -> str:
    answers = (reference.arrays["predicted"], artifact.arrays["predicted"])
    parts = [
        f"#{artifact.number(at)} (label {labels[at]}: {answers[0][at]} -> {answers[1][at]})"
        for at in flipped[:5]
    ]
    return f"first of {len(flipped)} samples that flipped: {', '.join(parts)}"


def _by_confusion(
    details: tuple[str, ...], reference: Evidence, artifact: Evidence
) -> _Explanation:
    """Two shapes of damage that the predictions alone give away."""
    before, after = reference.arrays["predicted"], artifact.arrays["predicted"]
    counts = np.bincount(after)
    if counts.max() > 0.8 * len(after) and np.bincount(before).max() < 0.6 * len(before):
        return _Explanation(
            details,
            f"the outputs have collapsed: the artifact answers class {counts.argmax()} on "
            f"{counts.max()} of {len(after)} samples",
            "look for a broken scale or a saturated layer, and at what it was calibrated on",
        )
    pairs = [
        (int(each), int(np.bincount(after[before == each]).argmax())) for each in np.unique(before)
    ]
    images = {image for _, image in pairs}
    moved = [(each, image) for each, image in pairs if each != image]
    agree = sum(int((after[before == each] == image).sum()) for each, image in pairs) / len(after)
    if len(moved) >= 2 and len(images) == len(pairs) and agree > 0.5:
        shown = ", ".join(f"{each} -> {image}" for each, image in moved[:4])
        return _Explanation(
            details, f"the classes look permuted: {shown}",
            "compare the order of the outputs with the one that the labels have",
        )  # fmt: skip
    return _Explanation(details)
