"""The content of the picture of a run: one panel per target, one point per artifact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_edgegate.core.artifact_record import ArtifactRecord
from pytest_edgegate.core.record import MeasuredRecord, VerdictRecord


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


@dataclass(frozen=True)
class Panel:
    """The artifacts of one target, and their budgets."""

    title: str
    points: tuple[Point, ...]
    sizes: tuple[float, ...] = ()
    """Limits in bytes."""
    drops: tuple[float, ...] = ()
    """Limits in points below the model under test."""


def panels_of(verdicts: Iterable[VerdictRecord]) -> list[Panel]:
    """One panel per target, with the artifacts whose accuracy drop was measured."""
    by_target: dict[str, list[tuple[ArtifactRecord, VerdictRecord]]] = {}
    for verdict in verdicts:
        if verdict.artifact is not None:
            by_target.setdefault(verdict.target, []).append((verdict.artifact, verdict))
    return [_panel(target, found) for target, found in by_target.items()]


def _panel(target: str, judged: Sequence[tuple[ArtifactRecord, VerdictRecord]]) -> Panel:
    red = {artifact.sha256 for artifact, verdict in judged if verdict.red}
    points: dict[str, Point] = {}
    for artifact, verdict in judged:
        if verdict.budget.metric == "accuracy_drop" and verdict.measured is not None:
            point = _point(artifact, verdict.measured, red=artifact.sha256 in red)
            points |= {} if point is None else {artifact.sha256: point}
    verdicts = [verdict for _, verdict in judged]
    sizes, drops = _limits(verdicts, "size"), _limits(verdicts, "accuracy_drop")
    return Panel(target, tuple(points.values()), sizes, drops)


def _point(artifact: ArtifactRecord, drop: MeasuredRecord, *, red: bool) -> Point | None:
    """The point of an artifact; the interval of the accuracy is that of the drop, negated."""
    if drop.value is None:
        return None
    label = ", ".join(artifact.recipe) or artifact.format
    low, high = _below(drop.high), _below(drop.low)
    return Point(label, artifact.size_bytes, -drop.value, low, high, red)


def _below(drop: float | None) -> float | None:
    """A drop as an accuracy relative to the model under test."""
    return None if drop is None else -drop


def _limits(verdicts: Iterable[VerdictRecord], metric: str) -> tuple[float, ...]:
    return tuple(sorted({each.budget.limit for each in verdicts if each.budget.metric == metric}))
