"""Explains what an artifact has lost against the accepted one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from pytest_edgegate.core.accepted import AcceptedArtifact
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.measures.metrics import TopN
from pytest_edgegate.measures.providers import Accepted, File, Passes
from pytest_edgegate.spelling import spell_bytes

_SHOWN = 5


def lost(measured: Measurement, passes: Passes, accepted: Accepted) -> Diagnosis:
    """The samples that the accepted artifact answered rightly, and this one does not."""
    scoring = passes.scoring
    if not isinstance(scoring, TopN):
        return Diagnosis()
    before = accepted.rerun() if accepted.changed(scoring.name) else accepted.scores(scoring.name)
    now = passes.predictions()
    if before is None or before.n != now.n:
        return Diagnosis()
    was, is_now = scoring.correct(before), scoring.correct(now)
    gone, won = np.flatnonzero(was & ~is_now), int(np.count_nonzero(is_now & ~was))
    if not len(gone):
        return Diagnosis()
    labels, answers = now.arrays.get("label"), now.arrays.get("predicted")
    shown = [
        f"#{at}" if labels is None or answers is None else f"#{at} ({labels[at]}: {answers[at]})"
        for at in gone[:_SHOWN]
    ]
    return Diagnosis(
        (
            f"{len(gone):,} samples that were right when it was accepted are wrong now, {won:,} "
            f"the other way round: first (label: answer) {', '.join(shown)}",
        )
    )


def changed(measured: Measurement, file: File, accepted: Accepted) -> Diagnosis:
    """How the file differs from the accepted one, and what made it another."""
    known = accepted.artifact()
    if isinstance(known, NotMeasured) or known.sha256 == file.artifact.digest:
        return Diagnosis()
    now = Counter(each.kind for each in file.description().operators)
    more = "; ".join(_operators(known.operators, now))
    lines = [
        f"accepted: {known.sha256[:12]}, {spell_bytes(known.size_bytes)}; now: "
        f"{file.artifact.digest[:12]}, {spell_bytes(file.artifact.size_bytes)}"
    ]
    lines += [f"operators: {more}"] if more else []
    return Diagnosis(tuple(lines), _cause(known, file))


def _operators(before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[str]:
    for kind in sorted({*before, *now}):
        if before.get(kind, 0) != now.get(kind, 0):
            yield f"{kind} {before.get(kind, 0)} -> {now.get(kind, 0)}"


def _cause(known: AcceptedArtifact, file: File) -> str:
    artifact = file.artifact
    model = str(artifact.provenance.get("model_digest") or "")
    if not artifact.made or not known.model or not model:
        return "the file is another one than the accepted"
    if known.model != model:
        return "the model under test is another one than when this was accepted"
    return (
        "the model under test and the recipe are those that were accepted: the calibration "
        "samples, the training or the tools have changed"
    )
