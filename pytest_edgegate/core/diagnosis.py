"""The explanation of a red verdict."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.core.shown_record import PartRecord


@dataclass(frozen=True)
class Diagnosis:
    """``details`` are lines to show: the worst classes, flipped samples, offending operators."""

    details: tuple[str, ...] = ()
    cause: str = ""
    """The probable cause."""
    remedy: str = ""
    """The remedy for that cause; empty if the budget's own remedy applies."""
    parts: tuple[PartRecord, ...] = ()
    """Layers and outputs by their error, the worst first."""

    def then(self, other: Diagnosis) -> Diagnosis:
        """Both, where the *other* one comes second: its cause and remedy fill gaps only."""
        return Diagnosis(
            (*self.details, *other.details),
            self.cause or other.cause,
            self.remedy or other.remedy,
            self.parts or other.parts,
        )
