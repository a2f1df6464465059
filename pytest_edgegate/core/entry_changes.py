"""What accepting a new entry in place of an old one would change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_edgegate.core.accepted import AcceptedArtifact, AcceptedFigure, Entry
from pytest_edgegate.core.budget import BUDGETS

_SAME = 1e-6
"""Figures that differ by less, relative to the accepted one, are the same on two machines."""


@dataclass(frozen=True)
class Change:
    """A figure of an artifact, before and after; None where there is none."""

    artifact: str
    metric: str
    before: float | int | None
    after: float | int | None


def changes(before: Entry | None, after: Entry) -> list[Change]:
    """The figures, sizes and scores that differ; another SHA-256 alone is no change, nor is a time,
    which is another one in every run."""
    found: list[Change] = []
    for artifact in after.artifacts:
        known = None if before is None else before.artifact(artifact.key)
        found += _of_artifact(known, artifact)
    for old in () if before is None else before.artifacts:
        if after.artifact(old.key) is None:
            found.append(Change(old.key, "size", old.size_bytes, None))
    return found


def carried_over(before: AcceptedArtifact | None, now: AcceptedArtifact) -> AcceptedArtifact:
    """The artifact with the accepted figures of an unchanged file: those that the run did not
    measure, times among them, and those that are the same but for rounding."""
    if before is None or (before.sha256, before.data) != (now.sha256, now.data):
        return now
    figures, scores = dict(now.figures), dict(now.scores)
    for name, old in before.figures.items():
        new = now.figures.get(name)
        if new is None or (_rests_on_the_same(old, new) and (_is_time(name) or _same(old, new))):
            figures[name] = old
            if name in before.scores and new is None:
                scores[name] = before.scores[name]
    return replace(now, figures=figures, scores=scores)


def _of_artifact(before: AcceptedArtifact | None, after: AcceptedArtifact) -> Iterator[Change]:
    name = after.key
    if before is None or before.size_bytes != after.size_bytes:
        old = None if before is None else before.size_bytes
        yield Change(name, "size", old, after.size_bytes)
    for metric, figure in sorted(after.figures.items()):
        if metric == "size" or _is_time(metric):
            continue
        known = None if before is None else before.figures.get(metric)
        value = None if known is None else known.value
        if known is None or not _same(known, figure) or _other_scores(before, after, metric):
            yield Change(name, metric, value, figure.value)


def _other_scores(before: AcceptedArtifact | None, after: AcceptedArtifact, metric: str) -> bool:
    """Whether single samples are answered otherwise, by scores that no rounding changes."""
    if before is None:
        return False
    old, new = before.scores.get(metric, ""), after.scores.get(metric, "")
    return bool(old and new) and old != new and old.startswith(BITS) and new.startswith(BITS)


BITS = "bits-"
"""The beginning of the name of scores that are 0 or 1; the rest is their digest."""


def _is_time(metric: str) -> bool:
    return metric in BUDGETS and BUDGETS[metric].rule == "latency"


def _same(one: AcceptedFigure, other: AcceptedFigure) -> bool:
    return one.n == other.n and math.isclose(one.value, other.value, rel_tol=_SAME, abs_tol=1e-12)


def _rests_on_the_same(one: AcceptedFigure, other: AcceptedFigure) -> bool:
    """Whether nothing but its value may tell one figure from the other: the metric included."""
    return replace(one, value=other.value, n=other.n) == other
