"""Accuracy of the artifact against the model under test, paired on the same samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Estimate, Scoring, TopN
from pytest_edgegate.measures.providers import Passes
from pytest_edgegate.stats.intervals import Interval


def accuracy_drop(passes: Passes) -> Finding:
    """The reference's metric minus the artifact's, as "worse by": positive is worse."""
    paired = passes.paired()
    if isinstance(paired, NotMeasured):
        return paired
    reference, artifact = paired.reference, paired.artifact
    broken = _nonfinite(artifact, reference)
    if broken:
        return replace(broken, n_total=paired.total or broken.n)
    estimate = passes.scoring.worse_by(reference, artifact)
    made = _measurement(estimate, artifact)
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


def accuracy_drop_relative(passes: Passes) -> Finding:
    """The drop divided by the size of the reference's metric on the same samples."""
    reference = passes.reference()
    if isinstance(reference, NotMeasured):
        return reference
    artifact = passes.predictions()
    broken = _nonfinite(artifact, reference)
    if broken:
        return broken
    drop = passes.scoring.worse_by(reference, artifact)
    own = passes.scoring.estimate(reference)
    size = abs(own.value)
    if size == 0:
        return NotMeasured(
            f"the reference's {passes.scoring.name} is 0, so a relative drop is undefined",
            "gate accuracy_drop instead",
        )
    exact = drop.exact / own.exact if drop.exact is not None and own.exact else None
    ends = Interval(drop.interval.low / size, drop.interval.high / size, drop.interval.level)
    spread = None if drop.spread is None else drop.spread / size**2
    relative = Estimate(drop.value / size, ends, drop.method, exact, drop.provable, spread)
    return _measurement(relative, artifact)


def accuracy_min(passes: Passes) -> Finding:
    """The artifact's own metric: a floor, or a ceiling where lower is better."""
    artifact = passes.predictions()
    broken = _nonfinite(artifact)
    if broken:
        return broken
    estimate = passes.scoring.estimate(artifact)
    made = _measurement(estimate, artifact)
    if passes.scoring.higher_is_better:
        return made
    return replace(made, direction="at most")


def reference_fault(scoring: Scoring, reference: Evidence) -> tuple[str, str] | None:
    """(fault, remedy) if the reference is not proven better than always answering one class.

    That class is the most frequent one; the bound is the one-sided 95 % Clopper-Pearson bound.
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
        "check its preprocessing and the labels (a wrong reference makes every drop "
        "small); edge_reference_check = false turns this check off",
    )


def _measurement(estimate: Estimate, artifact: Evidence) -> Measurement:
    known = bool(np.isfinite((estimate.interval.low, estimate.interval.high)).all())
    return Measurement(
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
    )


def _nonfinite(artifact: Evidence, reference: Evidence | None = None) -> Measurement | None:
    for name, each in (("the artifact", artifact), ("the reference", reference)):
        if each is not None and each.nonfinite:
            return Measurement(
                float("nan"),
                each.source,
                n=each.n,
                n_total=each.n,
                cached=each.cached,
                nonfinite=f"{name} gives NaN or Inf on {each.nonfinite} of {each.n} samples, "
                f"first on sample {each.first_nonfinite}",
                in_reference=each is reference,
            )
    return None
