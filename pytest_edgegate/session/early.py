"""A paired pass over the evaluation data that ends when the verdict of the whole set is known.

Reference and artifact answer the same samples in one random order; what is bet on is how many the
artifact loses (``stats.betting``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, ArraySplit, Batch
from pytest_edgegate.measures.evidence import Collector, Evidence, Paired
from pytest_edgegate.measures.metrics import TopN
from pytest_edgegate.stats.betting import BettingTest

ALPHA = 0.01
"""Chance that the verdict differs from that of the whole set, for each side."""
SEED = 0
"""Of the order in which samples are drawn."""
_FIRST, _SHARE, _MOST = 16, 8, 2_048
"""A chunk is as large as the eighth part of what was seen, between these."""
_MOST_BYTES = 64 << 20
"""And no larger than this, in bytes of its inputs; it has one sample at least."""
_PROBED = 16
"""Samples that a speed is read from, after as many that warm the model up."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Side:
    """One of the models: all that it answered before, or how it is opened to be asked."""

    known: Evidence | None
    open: Callable[[], Runner]
    source: str


@dataclass(frozen=True)
class Bet:
    """What a pass is about: the split, the metric, the budget, and when it may end early."""

    split: ArraySplit
    scoring: TopN
    budget: Fraction
    early_after: float
    """Seconds that the rest would have to take."""
    trusted: Callable[[Evidence], bool]
    """Whether the reference has proven, on what it has answered, to be worth comparing with."""
    pick: Callable[[Runner, tuple[Array, ...]], Array]
    """The output that the metric reads."""
    full: Callable[[Side, Runner], Evidence]
    """An ordinary pass with an opened model."""


def run(
    bet: Bet, reference: Side, artifact: Side, progress: Progress, clock: Clock = time.monotonic
) -> Paired:
    """Both models on the split: in full where that is quick, else until the bet is decided."""
    with ExitStack() as stack:
        sides = [_Asked(each, bet, stack) for each in (reference, artifact)]
        expected = sum(each.seconds_a_sample(clock) for each in sides) * bet.split.size
        if expected <= bet.early_after:
            seen = [each.in_full() for each in sides]
            return Paired(seen[0], seen[1])
        return _until_decided(bet, sides, progress, clock)


def clear(known: Sequence[Evidence | None], total: int) -> Paired | None:
    """The end before any pass, where one model is *known* to have given NaN or Inf."""
    if not any(each is not None and each.nonfinite for each in known):
        return None
    reference, artifact = (Evidence({}, 0, "", "") if each is None else each for each in known)
    return Paired(reference, artifact, None, total)


def _until_decided(bet: Bet, sides: list[_Asked], progress: Progress, clock: Clock) -> Paired:
    total = bet.split.size
    test = BettingTest(total, bet.budget, ALPHA)
    order = np.random.default_rng(SEED).permutation(total)
    for at, drawn in _chunks(order, _sample_bytes(bet.split)):
        start = clock()
        batch = bet.split.take(drawn)
        before, after = (each.answer(batch, drawn) for each in sides)
        test.add(before.astype(np.int8) - after.astype(np.int8))
        progress("evaluation samples", at + len(drawn), total)
        seen = at + len(drawn)
        rest = (clock() - start) / len(drawn) * (total - seen)
        broken = any(each.broken for each in sides)
        decided = test.decision is not None and rest > bet.early_after
        if seen < total and (broken or (decided and bet.trusted(sides[0].evidence(order[:seen])))):
            partial = [each.evidence(order[:seen]) for each in sides]
            return Paired(partial[0], partial[1], test.decision, total)
    whole = [each.evidence(None, order) for each in sides]
    return Paired(whole[0], whole[1])


def _sample_bytes(split: ArraySplit) -> int:
    return sum(each[:1].nbytes for each in split.inputs)


def _chunks(order: Array, sample_bytes: int) -> Iterator[tuple[int, Array]]:
    """(how many were drawn before, the samples that are drawn now)."""
    most = max(1, min(_MOST, _MOST_BYTES // max(sample_bytes, 1)))
    at = 0
    while at < len(order):
        size = min(max(_FIRST, at // _SHARE), most)
        yield at, order[at : at + size]
        at += size


class _Asked:
    """A model that is asked about some samples at a time."""

    def __init__(self, side: Side, bet: Bet, stack: ExitStack) -> None:
        self._side = side
        self._bet = bet
        self._collector = Collector()
        self._runner = stack.enter_context(side.open()) if side.known is None else None

    @property
    def broken(self) -> bool:
        """Whether NaN or Inf was met: the verdict is clear."""
        return self._collector.nonfinite > 0

    def seconds_a_sample(self, clock: Clock) -> float:
        if self._runner is None:
            return 0.0
        batch = next(iter(self._bet.split.batches(_PROBED)))
        self._infer(self._runner, batch)
        start = clock()
        self._infer(self._runner, batch)
        return (clock() - start) / len(batch)

    def in_full(self) -> Evidence:
        if self._side.known is not None:
            return self._side.known
        assert self._runner is not None  # opened, where nothing is known
        return self._bet.full(self._side, self._runner)

    def answer(self, batch: Batch, drawn: Array) -> Array:
        """Which of the samples it has right: bool of shape (n,)."""
        if self._side.known is not None:
            figures = {key: each[drawn] for key, each in self._side.known.arrays.items()}
            self._collector.add(batch, (), figures)
        else:
            assert self._runner is not None  # opened, where nothing is known
            outputs = self._infer(self._runner, batch)
            if batch.labels is None:
                raise ConfigurationError(
                    f"edge_data.{self._bet.split.name} has no labels, and "
                    f"{self._bet.scoring.name} compares with them",
                    "give a pair: EdgeData(..., evaluation=(x_test, y_test))",
                )
            chosen = self._bet.pick(self._runner, outputs)
            figures = self._bet.scoring.observe(chosen, batch.labels)
            self._collector.add(batch, outputs, figures)
        return np.asarray(figures["rank"] < self._bet.scoring.n)

    def evidence(self, positions: Array | None, order: Array | None = None) -> Evidence:
        """Of the samples at *positions*; or of all, put back from the *order* they came in."""
        if self._side.known is not None and order is not None:
            return self._side.known
        return self._collector.drawn(self._side.source, self._bet.split, positions, order)

    def _infer(self, runner: Runner, batch: Batch) -> tuple[Array, ...]:
        split = self._bet.split
        return runner.infer(arrange(batch.inputs, split.names, runner.inputs, split.name))
