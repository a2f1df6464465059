"""What the reference of a metric is compared with: an answer that knows nothing of the sample."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.measures.metrics.estimates import Estimate


@dataclass(frozen=True)
class Chance:
    """The reference against the best answer that knows nothing of the sample."""

    answer: str
    """The answer, for messages: "always answering class 3"."""
    value: float
    """Its figure, in the unit of the metric."""
    better: bool
    """Whether the reference is proven better, one-sided at 95 %, on the same samples."""
    n: int
    """The number of samples compared."""
    telling: int
    """How many of them the answer does not get right by itself: without them nothing can be
    proven."""
    caution: str = ""


@dataclass(frozen=True)
class Unchecked:
    """The reference can't be compared with chance."""

    reason: str
    caution: str = ""


def is_better(drop: Estimate) -> bool:
    """Whether the drop from chance to the reference is proven negative.

    An interval of no width counts: a reference that is right wherever chance is wrong has no
    variance, and is better.
    """
    return bool(drop.interval.high < 0)


def without_interval(drop: Estimate) -> Unchecked | None:
    """The reason why the drop has no interval to decide by, if it has none."""
    return Unchecked(drop.undecided) if drop.undecided else None
