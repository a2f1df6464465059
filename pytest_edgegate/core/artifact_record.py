"""Records of artifacts: the files that ship, and what they come to, budgets or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_edgegate.core.accepted_record import SeenAccepted
from pytest_edgegate.core.json_object import JsonObject
from pytest_edgegate.core.json_values import where_given, where_known
from pytest_edgegate.core.shown_record import AnswersRecord, MakingRecord


@dataclass(frozen=True)
class ArtifactRecord:
    """The file that was judged. ``path`` and ``compiled`` are paths on the machine of the run."""

    format: str
    sha256: str
    size_bytes: int
    recipe: tuple[str, ...]
    """Its steps, each as a user types it; empty for a third-party file."""
    cached: bool
    compiled: str | None = None
    path: str = ""
    exported: str = ""
    """The path of its copy in the folder of ``--edge-export``; empty without one."""
    steps: Mapping[str, Any] = field(default_factory=dict)
    """Facts about how it was made, by the name of the step."""

    def to_json(self) -> dict[str, Any]:
        return {
            "format": self.format,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "recipe": list(self.recipe),
            "cached": self.cached,
            "compiled": self.compiled,
            "path": self.path,
            **where_given(exported=self.exported, steps=dict(self.steps)),
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> ArtifactRecord:
        return cls(
            format=given.text("format"),
            sha256=given.text("sha256"),
            size_bytes=given.count("size_bytes"),
            recipe=given.texts("recipe"),
            cached=given.flag("cached"),
            compiled=given.optional_text("compiled"),
            path=given.text("path", ""),
            exported=given.text("exported", ""),
            steps=given.mapping("steps", {}),
        )


@dataclass(frozen=True)
class ScoreRecord:
    """The metric of a model and its artifact, on the same samples."""

    scored_by: str
    """The name of the metric."""
    reference_value: float | None
    """Of the model under test; None without one."""
    artifact_value: float | None
    n: int | None
    n_total: int | None
    lower_is_better: bool = False

    @property
    def of_a_part(self) -> bool:
        """Whether it is from a part of the samples, drawn at random: an estimate."""
        return self.n is not None and self.n_total is not None and self.n < self.n_total

    def to_json(self) -> dict[str, Any]:
        return {
            "scored_by": self.scored_by,
            "reference_value": self.reference_value,
            "artifact_value": self.artifact_value,
            "n": self.n,
            "n_total": self.n_total,
            **where_given(lower_is_better=self.lower_is_better),
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> ScoreRecord:
        return cls(
            scored_by=given.text("scored_by"),
            reference_value=given.optional_number("reference_value"),
            artifact_value=given.optional_number("artifact_value"),
            n=given.optional_count("n"),
            n_total=given.optional_count("n_total"),
            lower_is_better=given.flag("lower_is_better", False),
        )


@dataclass(frozen=True)
class SeenRecord:
    """An artifact that a test made or gated, in absolute values, whatever its budgets ask for."""

    test: str
    target: str
    artifact: ArtifactRecord
    compression: float | None = None
    """Bytes of the float export in the same format, divided by the artifact's."""
    score: ScoreRecord | None = None
    accepted: SeenAccepted | None = None
    """The artifact that was accepted under this recipe or path."""
    answers: AnswersRecord | None = None
    """Classes and flipped samples, of a classifier that ran beside the model under test."""
    making: MakingRecord | None = None
    """None for a third-party file."""

    def to_json(self) -> dict[str, Any]:
        score = None if self.score is None else self.score.to_json()
        return {
            "test": self.test,
            "target": self.target,
            "artifact": self.artifact.to_json(),
            "compression": self.compression,
            "score": score,
            **where_known(
                accepted=None if self.accepted is None else self.accepted.to_json(),
                answers=None if self.answers is None else self.answers.to_json(),
                making=None if self.making is None else self.making.to_json(),
            ),
        }

    @classmethod
    def from_json(cls, value: object, place: str = "artifact") -> SeenRecord:
        """Raises ConfigurationError, with the *place* in the document, for an invalid value."""
        given = JsonObject(value, place)
        score, accepted = given.optional_inner("score"), given.inner_if_given("accepted")
        answers, making = given.inner_if_given("answers"), given.inner_if_given("making")
        return cls(
            test=given.text("test"),
            target=given.text("target"),
            artifact=ArtifactRecord.from_json(given.inner("artifact")),
            compression=given.optional_number("compression"),
            score=None if score is None else ScoreRecord.from_json(score),
            accepted=None if accepted is None else SeenAccepted.from_json(accepted),
            answers=None if answers is None else AnswersRecord.from_json(answers),
            making=None if making is None else MakingRecord.from_json(making),
        )
