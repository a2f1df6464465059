"""Explains lost accuracy: by classes, flipped samples, their ranges, and the recipe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.data.splits import Array
from pytest_edgegate.diagnosis.channels import by_dead_channels
from pytest_edgegate.diagnosis.confusion import by_confusion
from pytest_edgegate.diagnosis.making import closer_outputs
from pytest_edgegate.diagnosis.ranges import by_ranges
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Scoring, TopN
from pytest_edgegate.measures.providers import File, Passes


def drop(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """Explains an accuracy drop, on the samples that decided it."""
    paired = passes.paired()
    if isinstance(paired, NotMeasured):
        return Diagnosis()
    found = _of_pair(passes.scoring, paired.reference, paired.artifact, file)
    return _by_making(found, passes, file)


def relative_drop(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """The same, on all samples."""
    reference = passes.reference()
    if isinstance(reference, NotMeasured):
        return Diagnosis()
    found = _of_pair(passes.scoring, reference, passes.predictions(), file)
    return _by_making(found, passes, file)


def floor(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """Explains an accuracy below its own limit."""
    artifact = passes.predictions()
    found = replace(by_ranges(artifact, file), details=_own_errors(passes.scoring, artifact))
    return _by_making(found, passes, file)


def _of_pair(scoring: Scoring, reference: Evidence, artifact: Evidence, file: File) -> Diagnosis:
    found = by_ranges(artifact, file)
    if not isinstance(scoring, TopN):
        return found
    flipped = np.flatnonzero(scoring.correct(reference) & ~scoring.correct(artifact))
    if not len(flipped):
        return found
    details = (
        f"classes that lost most: {_by_class(reference.arrays['label'], flipped)}",
        _first_flips(reference, artifact, flipped),
    )
    return replace(found if found.cause else by_confusion(reference, artifact), details=details)


def _by_making(found: Diagnosis, passes: Passes, file: File) -> Diagnosis:
    """Adds dead channels where there is no other cause, and the remedy by what made the artifact,
    unless the cause has a remedy of its own."""
    if not found.cause:
        found = found.then(by_dead_channels(passes, file))
    remedy = found.remedy or closer_outputs(file.artifact, listed=bool(found.details))
    return replace(found, remedy=remedy)


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
