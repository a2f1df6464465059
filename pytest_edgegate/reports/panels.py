"""The content of the picture of a run: one panel per target, one point per artifact."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from pytest_edgegate.core.artifact_record import ArtifactRecord, SeenRecord
from pytest_edgegate.core.record import MeasuredRecord, VerdictRecord
from pytest_edgegate.reports.table import name_of


@dataclass(frozen=True)
class Before:
    """The artifact that was accepted before: its size, and its accuracy relative to the model under
    test of then, which may be another one now; None where that is not known."""

    size: int
    points: float | None = None


@dataclass(frozen=True)
class Point:
    """An artifact: its size in bytes and its accuracy relative to the model under test.

    ``points`` are those of a budget (0.01 = one percentage point); ``low`` and ``high`` are the
    ends of the interval, if there is one.
    """

    label: str
    size: int
    points: float
    low: float | None = None
    high: float | None = None
    red: bool = False
    accepted: Before | None = None


@dataclass(frozen=True)
class Panel:
    """The artifacts of one target, and their budgets."""

    title: str
    points: tuple[Point, ...]
    sizes: tuple[float, ...] = ()
    """Limits in bytes."""
    drops: tuple[float, ...] = ()
    """Limits in points below the model under test."""


def panels_of(
    verdicts: Iterable[VerdictRecord], artifacts: Iterable[SeenRecord] = ()
) -> list[Panel]:
    """One panel per target, with the artifacts whose accuracy drop was measured; with *artifacts*,
    also those whose accuracy is known though no budget asks for it, and what was accepted."""
    by_target: dict[str, list[tuple[ArtifactRecord, VerdictRecord]]] = {}
    for verdict in verdicts:
        if verdict.artifact is not None:
            by_target.setdefault(verdict.target, []).append((verdict.artifact, verdict))
    known: dict[str, list[SeenRecord]] = {}
    for each in artifacts:
        known.setdefault(each.target, []).append(each)
    targets = dict.fromkeys((*by_target, *known))
    return [_panel(each, by_target.get(each, ()), known.get(each, ())) for each in targets]


def _panel(
    target: str,
    judged: Sequence[tuple[ArtifactRecord, VerdictRecord]],
    known: Sequence[SeenRecord] = (),
) -> Panel:
    red = {artifact.sha256 for artifact, verdict in judged if verdict.red}
    points: dict[str, Point] = {}
    for artifact, verdict in judged:
        if verdict.budget.metric == "accuracy_drop" and verdict.measured is not None:
            point = _point(artifact, verdict.measured, red=artifact.sha256 in red)
            before = _judged_before(verdict)
            points |= {} if point is None else {artifact.sha256: replace(point, accepted=before)}
    for each in known:
        _add_known(points, each, red)
    verdicts = [verdict for _, verdict in judged]
    sizes, drops = _limits(verdicts, "size"), _limits(verdicts, "accuracy_drop")
    return Panel(target, tuple(points.values()), sizes, drops)


def _add_known(points: dict[str, Point], known: SeenRecord, red: Collection[str]) -> None:
    """Adds the point of an artifact that no verdict has, and what was accepted to any point."""
    artifact, score = known.artifact, known.score
    if score is None or score.reference_value is None or score.artifact_value is None:
        return
    digest, sign = artifact.sha256, -1 if score.lower_is_better else 1
    if digest not in points:
        above = sign * (score.artifact_value - score.reference_value)
        points[digest] = Point(
            name_of(artifact) or artifact.format, artifact.size_bytes, above, red=digest in red
        )
    if known.accepted is not None:
        drop = _below(known.accepted.accuracy_drop)
        earlier = points[digest].accepted
        if drop is not None or earlier is None:
            before = Before(known.accepted.size_bytes, drop)
            points[digest] = replace(points[digest], accepted=before)


def _judged_before(verdict: VerdictRecord) -> Before | None:
    """What was accepted of an artifact whose accuracy drop was judged: reports of earlier versions
    have the accepted drop here alone."""
    known = verdict.accepted
    return None if known is None else Before(known.size_bytes, _below(known.value))


def _point(artifact: ArtifactRecord, drop: MeasuredRecord, *, red: bool) -> Point | None:
    """The point of an artifact; the interval of the accuracy is that of the drop, negated."""
    if drop.value is None:
        return None
    low, high = _below(drop.high), _below(drop.low)
    return Point(
        name_of(artifact) or artifact.format, artifact.size_bytes, -drop.value, low, high, red
    )


def _below(drop: float | None) -> float | None:
    """A drop as an accuracy relative to the model under test."""
    return None if drop is None else -drop


def _limits(verdicts: Iterable[VerdictRecord], metric: str) -> tuple[float, ...]:
    return tuple(sorted({each.budget.limit for each in verdicts if each.budget.metric == metric}))
