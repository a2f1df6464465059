"""From a red verdict to the part of the page that explains it, where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.artifacts import Seen
from pytest_edgegate.reports.table import artifact_of, name_of


@dataclass(frozen=True)
class Link:
    """The name of an element, and what is to be seen there."""

    name: str
    text: str


@dataclass(frozen=True)
class Links:
    """Into the artifacts that a page shows."""

    shown: Mapping[tuple[str, str, str], tuple[str, Seen]]
    """The name and the artifact, by its target, its digest and how it is called."""

    @classmethod
    def to(cls, artifacts: Sequence[Seen]) -> Links:
        return cls(
            {
                (each.target, each.artifact.sha256, name_of(each.artifact)): (name_at(at), each)
                for at, each in enumerate(artifacts)
            }
        )

    def of(self, verdict: VerdictRecord) -> Link | None:
        if verdict.artifact is None:
            return None
        key = (verdict.target, verdict.artifact.sha256, artifact_of(verdict))
        name, seen = self.shown.get(key, ("", None))
        if seen is None:
            return None
        kind, measured = verdict.budget.kind, verdict.measured
        if kind.is_accuracy and any(each.answers for each in seen.figures):
            return Link(
                answers_of(name),
                "classes and flipped samples of this artifact, against the model under test",
            )
        if measured is not None and measured.times is not None and measured.times.artifact:
            at = next(at for at, each in enumerate(seen.verdicts) if each == verdict)
            return Link(figure_of(name, at), "the distribution of these times")
        return Link(name, "how this artifact was made")


def name_at(position: int) -> str:
    """The name of an artifact's element."""
    return f"a{position}"


def answers_of(artifact: str) -> str:
    """The name of the classes and samples of an artifact with this name."""
    return f"{artifact}-answers"


def figure_of(artifact: str, verdict: int) -> str:
    """The name of the latencies of one of its verdicts."""
    return f"{artifact}-t{verdict}"
