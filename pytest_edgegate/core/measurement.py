"""The result of a measurement, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from pytest_edgegate.core.budget import Direction
from pytest_edgegate.core.shown_record import TimesRecord


@dataclass(frozen=True)
class Measurement:
    """One figure about one artifact, in the unit of the budget that it was measured for.

    ``low`` and ``high`` are the ends of a two-sided interval of the given ``level``; they,
    ``level`` and ``n`` are None where they do not apply (a size has no interval).
    """

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
    """The exact value as a ratio of counts, if it is one; comparisons then need no rounding."""
    method: str = ""
    """The name of the interval, for messages ("Tango's paired score interval")."""
    provable: bool = True
    """False if the interval can't prove anything (a bootstrap of identical scores)."""
    unprovable: str = ""
    """The reason, if it is another one than identical scores."""
    spread: float | None = None
    """Variance of the contribution of one sample (or one group), for the estimate of the number
    needed."""
    groups: int | None = None
    """The number of groups of samples, if the interval was drawn by groups."""
    computed: bool = False
    """Whether a tool computed it: it has no noise, so its value decides."""
    estimated: bool = False
    """Whether it is a time that no run has taken: its value decides, and proves nothing."""
    aggregate: bool = False
    """Whether it is a time that somebody else's tool took from runs of a number and a noise that
    are not known here."""
    direction: Direction | None = None
    """Overrides the metric's direction (accuracy_min is a ceiling where lower is better)."""
    nonfinite: str = ""
    """Where NaN or Inf occurred; if not empty, the verdict is fail."""
    in_reference: bool = False
    """Whether they occurred in outputs of the model under test, not of the artifact."""
    proof: bool | None = None
    """The result of a sequential test about the whole set: within budget (True) or over."""
    excess: float | None = None
    """Seconds by which a compared time exceeds what its limit allows."""
    floor: float = 0.0
    """Seconds of excess that are ignored."""
    conditions: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """Conditions that affect a time: threads, governor, load."""
    typical: float | None = None
    """The median of single inferences in seconds, if any were timed; it decides nothing."""
    undecided: str = ""
    """The reason why a time is undecided, why there was no time for an interval, or for more than a
    part of the samples of an exact figure; for the note of an unproven verdict."""
    undecided_remedy: str = ""
    """The remedy for it."""
    over_for_sure: bool = False
    """Whether it is the largest of all values, so that what a part of the samples is over, all of
    them are over."""
    scored_by: str = ""
    """The name of the metric of the values below."""
    reference_value: float | None = None
    """The metric of the model under test, on the samples of this figure."""
    artifact_value: float | None = None
    """The metric of the artifact, on the same samples."""
    worst: float | None = None
    """The value for an artifact that gives no answer at all: no limit from there on is exceeded."""
    only_if_proven: bool = False
    """Whether nothing but a proof makes it red, whatever the policy: the file has not changed."""
    times: TimesRecord | None = None
    """The distributions that a latency was read from."""
    remark: str = ""
    """A remark about how it was measured, for the note of any verdict."""


@dataclass(frozen=True)
class NotMeasured:
    """The metric could not be measured here: red, unless the user allows it."""

    reason: str
    remedy: str


Finding = Measurement | NotMeasured
