"""What an artifact comes to in absolute values, whatever its budgets ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_edgegate.core.accepted import AcceptedArtifact
from pytest_edgegate.core.accepted_record import SeenAccepted
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.artifact_record import ScoreRecord, SeenRecord
from pytest_edgegate.core.errors import EdgeGateError, presentable
from pytest_edgegate.core.json_values import plain_number
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.shown_record import AnswersRecord, MakingRecord, StageRecord
from pytest_edgegate.core.verdict import Verdict, recorded_artifact
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.flips import answers_of
from pytest_edgegate.measures.metrics import TopN
from pytest_edgegate.measures.pictures import pictures_of
from pytest_edgegate.measures.providers import File, Passes, Providers
from pytest_edgegate.measures.size import compression
from pytest_edgegate.session.case import Case

_QUICK = 1_000_000
"""The bytes of an artifact whose model is exported in float only to show the compression: of a
larger one that takes seconds, and a budget has to ask for it."""


def seen(
    case: Case,
    providers: Providers,
    verdicts: Sequence[Verdict],
    *,
    look: bool,
    pictures: bool = False,
) -> SeenRecord:
    """*verdicts*: on this artifact. *look*: whether figures that none of them has are measured.
    *pictures*: whether flipped samples are shown."""
    file, passes = providers.file, providers.passes
    ratio, score = _compression(verdicts), _score(verdicts)
    if look and ratio is None:
        ratio = _quick_compression(file)
    if look and (score is None or score.reference_value is None):
        score = _better(score, _shown_score(passes))
    if score is not None and not passes.scoring.higher_is_better:
        score = replace(score, lower_is_better=True)
    return SeenRecord(
        case.test,
        case.target.name,
        recorded_artifact(file.artifact),
        plain_number(ratio),
        score,
        accepted=_accepted(case, file, score),
        answers=_answers(passes, pictures=pictures),
        making=made_by(file.artifact),
    )


def _answers(passes: Passes, *, pictures: bool) -> AnswersRecord | None:
    """Classes and flips, of what has been run for the verdicts."""
    found = passes.seen_so_far()
    if found is None or not isinstance(passes.scoring, TopN):
        return None

    def draw(numbers: Array) -> tuple[str, ...]:
        inputs = passes.samples_at(numbers)
        return pictures_of(inputs) if inputs else ("",) * len(numbers)

    return answers_of(passes.scoring, found.reference, found.artifact, draw if pictures else None)


def made_by(artifact: Artifact) -> MakingRecord | None:
    """How the gate made an artifact; None for a third-party file."""
    if not artifact.made:
        return None
    known = artifact.provenance
    return MakingRecord(
        model=presentable(str(known.get("model", ""))),
        dtype=artifact.dtype or "",
        stages=tuple(StageRecord(**each) for each in known.get("stages", ())),
        plan=str(known.get("plan", "")),
        tools=dict(known.get("tools", {})),
        notes=tuple(map(presentable, known.get("notes", ()))),
    )


def _accepted(case: Case, file: File, score: ScoreRecord | None) -> SeenAccepted | None:
    """The accepted artifact, with the metric that is shown of this one."""
    known = case.before.artifact(file.artifact)
    if known is None:
        return None
    found = SeenAccepted(
        known.sha256, known.size_bytes, accuracy_drop=_accepted_drop(case, file, known, score)
    )
    figure = None if score is None else known.figures.get(score.scored_by)
    if figure is None or score is None:
        return found
    return replace(found, scored_by=score.scored_by, value=plain_number(figure.value))


def _accepted_drop(
    case: Case, file: File, known: AcceptedArtifact, score: ScoreRecord | None
) -> float | int | None:
    """How far the accepted artifact was below the model of then: as the entry has it, or from what
    the model reaches now where model and samples are still those."""
    if (drop := known.figures.get("accuracy_drop")) is not None:
        return plain_number(drop.value)
    figure = None if score is None else known.figures.get(score.scored_by)
    if score is None or figure is None or score.reference_value is None or score.of_a_part:
        return None
    model = file.artifact.provenance.get("model_digest")
    if not model or known.model != model or known.data != _samples(case):
        return None
    above = figure.value - score.reference_value
    return plain_number(above if score.lower_is_better else -above)


def _samples(case: Case) -> str:
    return case.subject.dataset.evaluation.digest() if case.subject.has_evaluation else ""


def _compression(verdicts: Iterable[Verdict]) -> float | None:
    values = (
        each.measured.value
        for each in verdicts
        if each.budget.metric == "compression" and each.measured is not None
    )
    return next(values, None)


def _quick_compression(file: File) -> float | None:
    artifact = file.artifact
    if not artifact.made or artifact.size_bytes > _QUICK:
        return None
    try:
        found = compression(file)
    except EdgeGateError:  # no budget asks for it
        return None
    return found.value if isinstance(found, Measurement) else None


def _score(verdicts: Iterable[Verdict]) -> ScoreRecord | None:
    """The values of a verdict on accuracy: of one that has both sides, if any."""
    scored = [each.measured for each in verdicts if each.measured and each.measured.scored_by]
    if not scored:
        return None
    best = min(scored, key=lambda each: each.reference_value is None)
    values = plain_number(best.reference_value), plain_number(best.artifact_value)
    return ScoreRecord(best.scored_by, *values, best.n, best.n_total)


def _better(judged: ScoreRecord | None, shown: ScoreRecord | None) -> ScoreRecord | None:
    """What was shown, unless it is of fewer samples than what was judged, or of one side too."""
    if judged is None or shown is None:
        return judged or shown
    return shown if shown.n == judged.n and shown.reference_value is not None else judged


def _shown_score(passes: Passes) -> ScoreRecord | None:
    found = passes.shown()
    if found is None:
        return None
    values = plain_number(found.reference), plain_number(found.artifact)
    return ScoreRecord(passes.scoring.name, *values, found.n, passes.samples)
