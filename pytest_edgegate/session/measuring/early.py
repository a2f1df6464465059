"""A paired pass over the evaluation data that stops once the verdict on the whole set is known.

Reference and artifact process the same samples in one random order; a betting test
(``stats.betting``) decides on the accuracy drop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.core.progress import Progress
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, ArraySplit, Batch
from pytest_edgegate.measures.evidence import Collector, Evidence, Paired
from pytest_edgegate.measures.fed_inputs import NOT_QUANTISED, Held
from pytest_edgegate.measures.metrics import TopN
from pytest_edgegate.stats.betting import BettingTest

ALPHA = 0.01
"""The probability, in each direction, that the verdict differs from that on the whole set."""
SEED = 0
"""The seed of the random order of the samples."""
_FIRST, _SHARE, _MOST = 16, 8, 2_048
"""A chunk is an eighth of the samples seen so far, within these bounds."""
_MOST_BYTES = 64 << 20
"""The largest size of a chunk in bytes of its inputs; it has at least one sample."""
_PROBED = 16
"""The number of samples for estimating the speed, after as many to warm the model up."""

Now = Callable[[], float]


@dataclass(frozen=True)
class ComparedModel:
    """One of the two models: its earlier results, or a function that opens it."""

    known: Evidence | None
    open: Callable[[], AbstractContextManager[Runner]]
    source: str
    held: Callable[[], Held]
    """The quantised inputs of its file."""


@dataclass(frozen=True)
class Bet:
    """The parameters of a pass: the split, the metric, the budget, and when it may end early."""

    split: ArraySplit
    scoring: TopN
    budget: Fraction
    early_after: float
    """The pass may end early only if the rest would take longer than this, in seconds."""
    trusted: Callable[[Evidence], bool]
    """Whether the reference, by its results so far, is good enough to compare with."""
    pick: Callable[[Runner, tuple[Array, ...]], Array]
    """Selects the output that the metric scores."""
    full: Callable[[ComparedModel, Runner], Evidence]
    """Runs a full pass with an opened model."""


def run(
    bet: Bet,
    reference: ComparedModel,
    artifact: ComparedModel,
    progress: Progress,
    clock: Now = time.monotonic,
) -> Paired:
    """Runs both models on the split: in full if that is quick, else until the test decides."""
    with ExitStack() as stack:
        sides = [_Asked(each, bet, stack) for each in (reference, artifact)]
        expected = sum(each.seconds_a_sample(clock) for each in sides) * bet.split.size
        if expected <= bet.early_after:
            seen = [each.in_full() for each in sides]
            return Paired(seen[0], seen[1])
        return _until_decided(bet, sides, progress, clock)


def clear(known: Sequence[Evidence | None], total: int) -> Paired | None:
    """The result without any pass, if a *known* result has NaN or Inf."""
    if not any(each is not None and each.nonfinite for each in known):
        return None
    reference, artifact = (Evidence({}, 0, "", "") if each is None else each for each in known)
    return Paired(reference, artifact, None, total)


def until_trusted(
    bet: Bet, reference: ComparedModel, progress: Progress, clock: Now = time.monotonic
) -> Evidence | None:
    """Runs the reference on as many samples as it takes to trust it.

    Returns its results on all of them, in full where that is quick; None where a part was enough
    (or gave NaN or Inf, which decides the verdict).
    """
    with ExitStack() as stack:
        side = _Asked(reference, bet, stack)
        if side.seconds_a_sample(clock) * bet.split.size <= bet.early_after:
            return side.in_full()
        total = bet.split.size
        order = np.random.default_rng(SEED).permutation(total)
        for at, drawn in _chunks(order, _sample_bytes(bet.split)):
            side.answer(bet.split.take(drawn), drawn)
            seen = at + len(drawn)
            progress("evaluation samples of the model under test", seen, total)
            if seen < total and (side.broken or bet.trusted(side.evidence(order[:seen]))):
                return None
        return side.evidence(None, order)


def _until_decided(bet: Bet, sides: list[_Asked], progress: Progress, clock: Now) -> Paired:
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
    """Yields (number of samples drawn before, positions of the samples drawn now)."""
    most = max(1, min(_MOST, _MOST_BYTES // max(sample_bytes, 1)))
    at = 0
    while at < len(order):
        size = min(max(_FIRST, at // _SHARE), most)
        yield at, order[at : at + size]
        at += size


class _Asked:
    """A model that is run on some samples at a time."""

    def __init__(self, side: ComparedModel, bet: Bet, stack: ExitStack) -> None:
        self._side = side
        self._bet = bet
        self._runner = stack.enter_context(side.open()) if side.known is None else None
        held = NOT_QUANTISED if self._runner is None else side.held()
        self._collector = Collector(model=self._runner, held=held)

    @property
    def broken(self) -> bool:
        """Whether NaN or Inf occurred, which decides the verdict."""
        return self._collector.nonfinite > 0

    def seconds_a_sample(self, clock: Now) -> float:
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
        """Marks the samples that it classifies correctly: bool of shape (n,)."""
        if self._side.known is not None:
            figures = {key: each[drawn] for key, each in self._side.known.arrays.items()}
            self._collector.add(batch, (), figures)
        else:
            assert self._runner is not None  # opened, where nothing is known
            inputs = self._arranged(self._runner, batch)
            outputs = self._runner.infer(inputs)
            if batch.labels is None:
                raise ConfigurationError(
                    f"edge_data.{self._bet.split.name} has no labels, and "
                    f"{self._bet.scoring.name} compares with them",
                    "give a pair: EdgeData(..., evaluation=(x_test, y_test))",
                )
            chosen = self._bet.pick(self._runner, outputs)
            figures = self._bet.scoring.observe(chosen, batch.labels)
            self._collector.add(batch, outputs, figures, inputs)
        return np.asarray(figures["rank"] < self._bet.scoring.n)

    def evidence(self, positions: Array | None, order: Array | None = None) -> Evidence:
        """Results for the samples at *positions*; or for all, restored from their *order*."""
        if self._side.known is not None and order is not None:
            return self._side.known
        made = self._collector.drawn(self._side.source, self._bet.split, positions, order)
        known = self._side.known
        if known is None:
            return made
        return replace(made, inputs=known.inputs, channels=known.channels)

    def _infer(self, runner: Runner, batch: Batch) -> tuple[Array, ...]:
        return runner.infer(self._arranged(runner, batch))

    def _arranged(self, runner: Runner, batch: Batch) -> tuple[Array, ...]:
        split = self._bet.split
        return arrange(batch.inputs, split.names, runner.inputs, split.name)
