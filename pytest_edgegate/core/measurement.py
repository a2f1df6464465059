"""What a measurement found, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from pytest_edgegate.core.budget import Direction


@dataclass(frozen=True)
class Measurement:
    """One figure about one artifact, in the metric's own unit.

    ``low`` and ``high`` are the ends of a two-sided interval of the given ``level``; they,
    ``level`` and ``n`` are None where they mean nothing (a size has no interval).
    """

    metric: str
    value: float
    source: str
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int | None = None
    n_total: int | None = None
    decided_early: bool = False
    cached: bool = False
    exact: Fraction | None = None
    """The value as an exact ratio, where counts gave it; comparisons then need no rounding."""
    method: str = ""
    """The name of the interval, for messages ("Tango's paired score interval")."""
    provable: bool = True
    """False where the interval can't prove anything (a bootstrap of identical scores)."""
    spread: float | None = None
    """Variance of one sample's contribution, from which the samples needed are reckoned."""
    direction: Direction | None = None
    """Overrides the metric's direction (accuracy_min is a ceiling where lower is better)."""
    nonfinite: str = ""
    """Where NaN or Inf was met; not empty means that the verdict is fail."""
    proof: bool | None = None
    """What a sequential test has proven of the whole set: within its budget (True) or over."""
    excess: float | None = None
    """Seconds by which a time that is compared is over what its limit allows."""
    floor: float = 0.0
    """Seconds of excess that are no regression."""
    conditions: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """What a time depends on: threads, governor, load."""
    undecided: str = ""
    """What kept a time from being decided, for the note of a verdict that is not proven."""
    undecided_remedy: str = ""
    """What to do about that."""
    remark: str = ""
    """What to know of how it was measured, whatever the verdict; in its note."""


@dataclass(frozen=True)
class NotMeasured:
    """Nothing could measure this metric here: red, unless the user allows it."""

    metric: str
    reason: str
    remedy: str


Finding = Measurement | NotMeasured
