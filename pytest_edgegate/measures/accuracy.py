"""Accuracy of the artifact against the model under test, paired on the same samples."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.measures.estimated import measured
from pytest_edgegate.measures.evidence import NONFINITE, Evidence
from pytest_edgegate.measures.metrics import Estimate
from pytest_edgegate.measures.metrics.odd_boxes import of_boxes
from pytest_edgegate.measures.providers import File, Passes


def accuracy_drop(passes: Passes, file: File) -> Finding:
    """The reference's metric minus the artifact's, as "worse by": positive is worse."""
    paired = passes.paired()
    if isinstance(paired, NotMeasured):
        return paired
    reference, artifact = paired.reference, paired.artifact
    broken = _nonfinite(artifact, reference)
    if broken:
        return replace(broken, n_total=paired.total or broken.n)
    estimate = passes.scoring.worse_by(reference, artifact, passes.resampling)
    odd = of_boxes(artifact, reference)
    remarks = (*passes.cautions(), *odd, _of_gain(estimate, passes, file))
    before, nothing = passes.scoring.value(reference), passes.scoring.of_nothing
    made = replace(
        measured(estimate, artifact, remarks),
        scored_by=passes.scoring.name,
        reference_value=before,
        artifact_value=passes.scoring.value(artifact),
        worst=None if nothing is None else before - nothing,
    )
    if paired.within is None:
        return made
    return replace(
        made,
        low=None,
        high=None,
        exact=None,
        level=EARLY_LEVEL,
        n_total=paired.total,
        decided_early=True,
        proof=paired.within,
        method="betting on samples drawn without replacement",
    )


EARLY_LEVEL = 0.99
"""Confidence that an early decision equals the decision on the whole set."""
_GAIN = 0.02
"""A recipe that does not train makes no model better by more than this, in points."""


def accuracy_drop_relative(passes: Passes, file: File) -> Finding:
    """The drop divided by the size of the reference's metric on the same samples."""
    reference = passes.reference()
    if isinstance(reference, NotMeasured):
        return reference
    artifact = passes.predictions()
    broken = _nonfinite(artifact, reference)
    if broken:
        return broken
    drop = passes.scoring.worse_by(reference, artifact, passes.resampling)
    size = abs(passes.scoring.value(reference))
    if size == 0:
        return NotMeasured(
            f"the reference's {passes.scoring.name} is 0, so a relative drop is undefined",
            "gate accuracy_drop instead",
        )
    exact = None
    if drop.exact is not None:  # the metric is a share of the samples
        exact = drop.exact / Fraction(round(size * reference.n), reference.n)
    odd = of_boxes(artifact, reference)
    remarks = (*passes.cautions(), *odd, _of_gain(drop, passes, file))
    return replace(
        measured(drop.relative_to(size, exact), artifact, remarks),
        scored_by=passes.scoring.name,
        reference_value=passes.scoring.value(reference),
        artifact_value=passes.scoring.value(artifact),
    )


def accuracy_min(passes: Passes) -> Finding:
    """The artifact's own metric: a floor, or a ceiling where lower is better."""
    artifact = passes.predictions()
    broken = _nonfinite(artifact)
    if broken:
        return broken
    estimate = passes.scoring.estimate(artifact, passes.resampling)
    made = replace(
        measured(estimate, artifact, tuple(of_boxes(artifact))),
        scored_by=passes.scoring.name,
        artifact_value=estimate.value,
    )
    if passes.scoring.higher_is_better:
        return made
    return replace(made, direction="at most")


def _of_gain(drop: Estimate, passes: Passes, file: File) -> str:
    """The caution for an artifact that is better than its reference and was not trained."""
    artifact = file.artifact
    untrained = artifact.made and not any(step.trains for step in artifact.recipe)
    if not passes.scoring.bounded or not untrained or not drop.interval.high < -_GAIN:
        return ""
    return (
        f"caution: the artifact is better than the model under test by {-drop.interval.high:.3f} "
        "or more, and its recipe does not train: is the model under test fed as in its training?"
    )


def _nonfinite(artifact: Evidence, reference: Evidence | None = None) -> Measurement | None:
    # an artifact has from the reference what both give
    for name, each in (("the reference", reference), ("the artifact", artifact)):
        if each is not None and each.nonfinite:
            read = each.arrays.get(NONFINITE)  # a metric may have made them of finite outputs
            where = (
                " (boxes, scores or classes, as decode or the outputs have them)"
                if read is not None and read.any()
                else ""
            )
            return Measurement(
                float("nan"),
                each.source,
                n=each.n,
                n_total=each.n,
                cached=each.cached,
                nonfinite=f"{name} gives NaN or Inf{where} on {each.nonfinite} of {each.n} "
                f"samples, first on sample {each.first_nonfinite}",
                in_reference=each is reference,
            )
    return None
