"""What an artifact has lost against the one that was accepted under the same recipe or path."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.measures.estimated import measured
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.providers import Accepted, File, Passes


def size_regression(file: File, accepted: Accepted) -> Finding:
    """Bytes of the artifact divided by those of the accepted one, exactly."""
    found = accepted.artifact()
    if isinstance(found, NotMeasured):
        return found
    exact = Fraction(file.artifact.size_bytes, max(found.size_bytes, 1))
    return Measurement(float(exact), "file", exact=exact)


def accuracy_regression(passes: Passes, accepted: Accepted) -> Finding:
    """The metric of the accepted artifact minus that of this one, as "worse by", paired.

    Both on the same samples: against the stored scores, or by running the accepted file where its
    scores are of other samples or another runtime. Without scores of samples by value, which proves
    nothing. A file that has not changed, on the same samples in the same runtime, has lost nothing,
    and nothing is run for it.
    """
    entry, metric = accepted.artifact(), passes.scoring.name
    before = None if isinstance(entry, NotMeasured) else entry.figures.get(metric)
    if isinstance(entry, NotMeasured) or before is None:
        passes.predictions()  # what they come to can then be accepted
        return entry if isinstance(entry, NotMeasured) else _without_accuracy(metric)
    changed, same_samples = accepted.changed(metric), accepted.has_same_samples()
    same_file = accepted.is_same_file()
    if same_file and not (same_samples and changed):
        # nothing beside the samples is other than it was: it has lost nothing on any of them
        n = before.n if same_samples else None
        remark = "" if same_samples else f"the file is the accepted one: {accepted.other_samples()}"
        return Measurement(
            0.0,
            before.source,
            n=n,
            n_total=n,
            cached=True,
            exact=Fraction(0),
            proof=True,
            remark=remark,
        )
    paired, is_rerun = evidence_of(accepted, metric)
    if paired is None and not same_samples:
        return NotMeasured(
            f"{accepted.other_samples()}, and the accepted file is not found to run both on "
            f"them: looked for in {accepted.searched()}",
            "pytest --edge-update-baseline accepts what the artifact reaches on these samples",
        )
    now = passes.predictions()
    if now.nonfinite:
        return Measurement(
            float("nan"),
            now.source,
            n=now.n,
            nonfinite=f"the artifact gives NaN or Inf on {now.nonfinite} of {now.n} samples, "
            f"first on sample {now.first_nonfinite}",
        )
    remark = _remark(changed, same_file=same_file, is_rerun=is_rerun)
    if paired is not None and paired.n == now.n:
        found = _paired(passes, paired, now, remark)
        return replace(found, only_if_proven=same_file)
    value = passes.scoring.value(now)
    lost = before.value - value if passes.scoring.higher_is_better else value - before.value
    why = f"by value: {accepted.why_no_scores(metric)}, so that nothing is proven"
    return Measurement(
        lost,
        now.source,
        n=now.n,
        n_total=now.n,
        provable=False,
        unprovable=why,
        only_if_proven=same_file,
        scored_by=metric,
        reference_value=float(before.value),
        artifact_value=value,
        remark=remark,
    )


def evidence_of(accepted: Accepted, metric: str) -> tuple[Evidence | None, bool]:
    """What the accepted file gives on the samples of this run, and whether it was run for it here.

    None where it has no scores of single samples, or none of these samples.
    """
    same_samples = accepted.has_same_samples()
    if not accepted.is_same_file() and (accepted.changed(metric) or not same_samples):
        earlier = accepted.rerun()
        if earlier is not None:
            return earlier, True
    return (accepted.scores(metric) if same_samples else None), False


def _without_accuracy(metric: str) -> NotMeasured:
    return NotMeasured(
        f"the accepted entry has no {metric} of this artifact",
        "pytest --edge-accept accepts what this run has found",
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
    if is_rerun:
        return f"both files were run here{f': {changed}' if changed else ''}"
    return f"the runtime, not the file: {changed}" if same_file else changed
