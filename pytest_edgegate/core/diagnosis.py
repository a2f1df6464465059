"""What a red verdict says beyond its figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """``details`` are lines to show: classes that lost most, samples that flipped, offenders."""

    details: tuple[str, ...] = ()
    cause: str = ""
    """The probable cause."""
    remedy: str = ""
    """What to do about that cause; nothing where the budget's own remedy fits as well."""
