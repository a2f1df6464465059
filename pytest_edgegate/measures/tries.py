"""What a model regains if the same samples are fed otherwise."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Chance, Resampling, Scoring

_PART = 2
"""What gives back less than one part in this many of a loss does not explain it."""


@dataclass(frozen=True)
class Aim:
    """What is to be regained: the figure of a *reference* on the same samples, or a *limit*.

    Without either: a figure that is better than chance.
    """

    reference: Evidence | None = None
    limit: float | None = None

    def at(self, rows: Array) -> Aim:
        """The same on some of the samples, given as rows of the evidence."""
        reference = None if self.reference is None else self.reference.at(rows)
        return Aim(reference, self.limit)


@dataclass(frozen=True)
class Rival:
    """Another way to feed samples that gives back about as much; *value* is the model's figure."""

    name: str
    code: str
    value: float


@dataclass(frozen=True)
class Lift:
    """The way to feed samples that gives back most. ``name`` follows "with", ``code`` is Python.

    The figures are of *n* samples that the way was not chosen on, in the unit of the metric.
    """

    name: str
    code: str
    value: float
    as_fed: float
    reference: float | None
    n: int
    proven: bool
    """Whether at least half of the loss is proven to be regained, paired, one-sided at 95 %."""
    rivals: tuple[Rival, ...] = ()
    """Other ways that are not proven to give back less on the same samples."""


@dataclass(frozen=True)
class Tries:
    """``tried``: the ways, as code; ``n``: the number of samples that each was tried on."""

    tried: tuple[str, ...] = ()
    n: int = 0
    lift: Lift | None = None


@dataclass(frozen=True)
class Regained:
    """How much better a model is if it is fed otherwise."""

    gain: float
    """In the unit of the metric, and no more than was lost, where a reference tells that: more is
    the figure of another network."""
    enough: bool
    """Whether that is at least half of what was lost, on these samples."""
    proven: bool
    """Whether the interval says so too."""


def regained(
    scoring: Scoring, as_fed: Evidence, fed: Evidence, aim: Aim, resampling: Resampling
) -> Regained:
    """Compares two passes of one model over the same samples, the second *fed* otherwise."""
    found = scoring.worse_by(fed, as_fed, resampling)
    loss = _loss(scoring, as_fed, aim, resampling)
    least = loss / _PART
    enough = found.value > 0 and found.value >= least >= 0
    proven = (
        enough
        and found.interval.low > 0
        and found.interval.low >= least
        and not resampling.too_few_groups
        and _is_above_chance(scoring, fed, aim, resampling)
    )
    gain = found.value if aim.reference is None else min(found.value, loss)
    return Regained(gain, bool(enough), bool(proven))


def _loss(scoring: Scoring, as_fed: Evidence, aim: Aim, resampling: Resampling) -> float:
    if aim.reference is not None:
        return scoring.worse_by(aim.reference, as_fed, resampling).value
    if aim.limit is None:
        return 0.0
    missing = aim.limit - scoring.value(as_fed)
    return missing if scoring.higher_is_better else -missing


def _is_above_chance(scoring: Scoring, fed: Evidence, aim: Aim, resampling: Resampling) -> bool:
    if aim.reference is not None or aim.limit is not None:
        return True
    found = scoring.chance(fed, resampling)
    return isinstance(found, Chance) and found.better
