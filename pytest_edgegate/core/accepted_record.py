"""Records of what was accepted before, beside what a run has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_edgegate.core.json_object import JsonObject
from pytest_edgegate.core.json_values import where_known


@dataclass(frozen=True)
class AcceptedRecord:
    """The accepted figure of a budget, and the artifact that it is of."""

    value: float | int | None
    """In the unit of the metric; for a regression the figure that it compares with: the metric of
    the accepted artifact, or its bytes. None where the entry holds none."""
    sha256: str
    size_bytes: int
    n: int | None = None
    """The number of samples."""
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "n": self.n,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> AcceptedRecord:
        return cls(
            value=given.optional_number("value"),
            sha256=given.text("sha256"),
            size_bytes=given.count("size_bytes"),
            n=given.optional_count("n"),
            source=given.text("source", ""),
        )


@dataclass(frozen=True)
class SeenAccepted:
    """The accepted artifact beside that of this run, in absolute values."""

    sha256: str
    size_bytes: int
    scored_by: str = ""
    """The name of the metric; empty where the entry holds no accuracy."""
    value: float | int | None = None
    """The metric of the accepted artifact."""
    accuracy_drop: float | int | None = None
    """Its accuracy below the model under test of then, which may be another one now; None where
    that is not known."""

    def to_json(self) -> dict[str, Any]:
        return {
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "scored_by": self.scored_by,
            "value": self.value,
            **where_known(accuracy_drop=self.accuracy_drop),
        }

    @classmethod
    def from_json(cls, given: JsonObject) -> SeenAccepted:
        return cls(
            sha256=given.text("sha256"),
            size_bytes=given.count("size_bytes"),
            scored_by=given.text("scored_by"),
            value=given.optional_number("value"),
            accuracy_drop=given.number_if_given("accuracy_drop"),
        )
