"""What an artifact has lost against the one that was accepted under the same recipe or path."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.measures.estimated import measured
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.providers import Accepted, File, Passes

SOURCE = "accepted"
"""The source of a figure for which nothing was run."""


def size_regression(file: File, accepted: Accepted) -> Finding:
    """Bytes of the artifact divided by those of the accepted one, exactly."""
    found = accepted.artifact()
    if isinstance(found, NotMeasured):
        return found
    exact = Fraction(file.artifact.size_bytes, found.size_bytes)
    return Measurement(float(exact), "file", exact=exact)


def accuracy_regression(passes: Passes, file: File, accepted: Accepted) -> Finding:
    """The metric of the accepted artifact minus that of this one, as "worse by", paired.

    Both on the same samples: against the stored scores, or by running the accepted file where its
    scores are of other samples or another runtime. Without scores of samples by value, which proves
    nothing. A file that has not changed, on the same samples in the same runtime, has lost nothing,
    and nothing is run for it.
    """
    entry, metric = accepted.artifact(), passes.scoring.name
    if isinstance(entry, NotMeasured):
        return entry
    before = entry.figures.get(metric)
    if before is None:
        return NotMeasured(
            f"the accepted entry has no {metric}",
            "run the test with this budget, then pytest --edge-accept",
        )
    if accepted.is_same(metric):
        return Measurement(0.0, SOURCE, n=before.n, n_total=before.n, exact=Fraction(0), proof=True)
    changed, same_file = accepted.changed(metric), entry.sha256 == file.artifact.sha256
    earlier = accepted.rerun() if changed else None
    same_samples = accepted.has_same_samples()
    stored = accepted.scores(metric) if earlier is None and same_samples else None
    now = passes.predictions()
    if now.nonfinite:
        return Measurement(
            float("nan"),
            now.source,
            n=now.n,
            nonfinite=f"the artifact gives NaN or Inf on {now.nonfinite} of {now.n} samples, "
            f"first on sample {now.first_nonfinite}",
        )
    remark = _remark(changed, same_file=same_file, is_rerun=earlier is not None)
    paired = earlier or stored
    if paired is not None and paired.n == now.n:
        return _paired(passes, paired, now, remark)
    if before.n != now.n or not same_samples:
        return NotMeasured(
            f"other evaluation samples than those accepted: {before.n:,} then, {now.n:,} now, and "
            "the accepted file is not found to run both on them",
            "pytest --edge-update-baseline accepts what the artifact reaches on these samples",
        )
    value = passes.scoring.value(now)
    lost = before.value - value if passes.scoring.higher_is_better else value - before.value
    why = "by value: the scores of the samples were not kept, so that nothing is proven"
    return Measurement(
        lost,
        now.source,
        n=now.n,
        n_total=now.n,
        provable=False,
        unprovable=why,
        scored_by=metric,
        reference_value=float(before.value),
        artifact_value=value,
        remark=remark,
    )


def _paired(passes: Passes, before: Evidence, now: Evidence, remark: str) -> Measurement:
    scoring = passes.scoring
    estimate = scoring.worse_by(before, now, passes.resampling)
    return replace(
        measured(estimate, now, (remark,)),
        scored_by=scoring.name,
        reference_value=scoring.value(before),
        artifact_value=scoring.value(now),
    )


def _remark(changed: str, *, same_file: bool, is_rerun: bool) -> str:
    """What is compared, where the file is not all that may have changed."""
    if not changed:
        return ""
    if same_file:
        return f"the runtime, not the file: {changed}"
    return f"both files were run here: {changed}" if is_rerun else changed
