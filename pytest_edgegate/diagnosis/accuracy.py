"""Explains lost accuracy: by classes, flipped samples, their ranges, and the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

import numpy as np

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.data.splits import Array
from pytest_edgegate.diagnosis.activations import by_activations
from pytest_edgegate.diagnosis.channels import by_dead_channels
from pytest_edgegate.diagnosis.confusion import by_collapse, by_labels, by_renaming, by_reversal
from pytest_edgegate.diagnosis.feeding import of_file, of_model
from pytest_edgegate.diagnosis.making import closer_outputs
from pytest_edgegate.diagnosis.ranges import by_ranges
from pytest_edgegate.measures.activations import Activation
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Auc, MeanIoU, Scoring, TopN
from pytest_edgegate.measures.providers import File, Passes
from pytest_edgegate.measures.tries import Aim, Tries


def drop(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """Explains an accuracy drop, on the samples that decided it."""
    paired = passes.paired()
    if isinstance(paired, NotMeasured):
        return Diagnosis()
    return _of_pair(passes, paired.reference, paired.artifact, file)


def relative_drop(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """The same, on all samples."""
    reference = passes.reference()
    if isinstance(reference, NotMeasured):
        return Diagnosis()
    return _of_pair(passes, reference, passes.predictions(), file)


def floor(measured: Measurement, limit: float, passes: Passes, file: File) -> Diagnosis:
    """Explains an accuracy below its own limit, or an error above it."""
    artifact = passes.predictions()
    found = _by_answers(passes.scoring, artifact, "the file")
    if not found.cause:
        explain = _by_feeding if isinstance(passes.scoring, TopN) else _by_values
        found = explain(passes, artifact, Aim(limit=limit), file)
    own = _of_the_model(measured, passes.scoring, limit)
    cause = "; ".join(filter(None, (own.cause, found.cause)))
    found = replace(found, cause=cause, remedy=found.remedy or own.remedy)
    explained = _by_making(passes, file, _own_errors(passes.scoring, artifact), found)
    return replace(explained, details=(*own.details, *explained.details))


def _of_the_model(measured: Measurement, scoring: Scoring, limit: float) -> Diagnosis:
    """What the model under test reaches itself: no compression can mend a model."""
    value = measured.reference_value
    if value is None:
        return Diagnosis()
    line = f"the model under test itself: {scoring.name} {value:.4g}"
    if value >= limit if scoring.higher_is_better else value <= limit:
        return Diagnosis((line,))
    return Diagnosis(
        (line,),
        "the model under test does not reach this limit itself",
        "train the model under test further, or set accuracy_min to what it reaches itself, "
        f"{_within(value, up=not scoring.higher_is_better)}",
    )


def _within(value: float, *, up: bool) -> str:
    """Four digits, rounded so that the value itself is within the limit."""
    digits = Context(prec=4, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    return f"{float(digits.create_decimal(repr(float(value)))):.4g}"


def of_reference(scoring: Scoring, found: Evidence, tried: Callable[[], Tries]) -> Diagnosis:
    """Explains a model under test that is no better than chance.

    *tried* feeds it some of the samples otherwise.
    """
    renamed = _by_answers(scoring, found, "it")
    return renamed if renamed.cause else of_model(tried())


def _by_answers(scoring: Scoring, evidence: Evidence, who: str) -> Diagnosis:
    """What answers show by themselves, against the labels."""
    if isinstance(scoring, TopN):
        return by_labels(evidence, who)
    return by_reversal(scoring, evidence, who) if isinstance(scoring, Auc) else Diagnosis()


def _of_pair(passes: Passes, reference: Evidence, artifact: Evidence, file: File) -> Diagnosis:
    scoring = passes.scoring
    if isinstance(scoring, TopN):
        return _of_classes(scoring, passes, reference, artifact, file)
    found = _by_answers(scoring, artifact, "the file")
    if not found.cause:
        found = _by_values(passes, artifact, Aim(reference), file)
    return _by_making(passes, file, (), found)


def _of_classes(
    scoring: TopN, passes: Passes, reference: Evidence, artifact: Evidence, file: File
) -> Diagnosis:
    flipped = np.flatnonzero(scoring.correct(reference) & ~scoring.correct(artifact))
    if not len(flipped):
        return _by_making(passes, file, (), by_ranges(artifact, file))
    listed = (
        f"classes that lost most: {_by_class(reference.arrays['label'], flipped)}",
        _first_flips(reference, artifact, flipped),
    )
    found = by_renaming(reference, artifact)
    if not found.cause:
        fed = _by_feeding(passes, artifact, Aim(reference), file)
        in_integers = not file.description().is_float
        found = fed.then(by_collapse(reference, artifact, in_integers=in_integers))
    return _by_making(passes, file, listed, found)


def _by_values(passes: Passes, artifact: Evidence, aim: Aim, file: File) -> Diagnosis:
    """Explains a metric that reads more than the order of scores.

    An activation with which all values agree excludes every other cause; one that rows of
    probabilities only suggest comes last.
    """
    activations = _noticed(passes)
    proven = {name: each for name, each in activations.items() if each.proven}
    if proven:
        return by_activations(proven)
    return _by_feeding(passes, artifact, aim, file).then(by_activations(activations))


def _noticed(passes: Passes) -> Mapping[str, Activation]:
    """The activations that a metric notices: only the highest score counts for mean IoU."""
    found = passes.activations()
    if not isinstance(passes.scoring, MeanIoU):
        return found
    return {name: each for name, each in found.items() if math.isnan(each.same_highest)}


def _by_feeding(passes: Passes, artifact: Evidence, aim: Aim, file: File) -> Diagnosis:
    """Explains by how the file is fed: its ranges, and what it regains if it is fed otherwise."""
    ranges, made = by_ranges(artifact, file), file.artifact.made
    if ranges.cause and made:
        return ranges  # calibrated on other samples: that the model is fed rightly is known
    axes = next((each for each in file.layout().inputs if each is not None), None)
    found = of_file(passes.tried(artifact, aim), made=made, axes=axes)
    if not found.cause or not ranges.cause:
        return ranges.then(found)
    return replace(found, cause=f"{ranges.cause}; {found.cause}")


def _by_making(passes: Passes, file: File, listed: tuple[str, ...], found: Diagnosis) -> Diagnosis:
    """Adds dead channels where there is no other cause, and the remedy by what made the artifact,
    unless the cause has a remedy of its own.

    *listed*: the lines about single samples.
    """
    if not found.cause:
        found = found.then(by_dead_channels(passes, file))
    remedy = found.remedy or closer_outputs(file, listed=bool(listed))
    return replace(Diagnosis(listed).then(found), remedy=remedy)


def _own_errors(scoring: Scoring, artifact: Evidence) -> tuple[str, ...]:
    """The classes and the first samples that the artifact classifies wrongly."""
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


def _by_class(labels: Array, chosen: Array) -> str:
    classes, lost = np.unique(labels[chosen], return_counts=True)
    worst = np.argsort(-lost, kind="stable")[:3]
    return ", ".join(
        f"class {classes[at]}: {lost[at]} of {np.count_nonzero(labels == classes[at])}"
        for at in worst
    )


def _first_flips(reference: Evidence, artifact: Evidence, flipped: Array) -> str:
    labels = reference.arrays["label"]
    answers = (reference.arrays["predicted"], artifact.arrays["predicted"])
    parts = [
        f"#{artifact.number(at)} (label {labels[at]}: {answers[0][at]} -> {answers[1][at]})"
        for at in flipped[:5]
    ]
    return f"first of {len(flipped)} samples that flipped: {', '.join(parts)}"
