"""Whether a model answers the same samples alike: once more, in another batch, and alone.

A device runs single samples. A batch is only a faster way to the same answers, and is taken where
it has been shown to give them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import bare_name
from pytest_edgegate.data.lone_runner import LoneRunner, one_at_a_time
from pytest_edgegate.data.mixed_batches import Arrays, MixedBatches, mixed_batches
from pytest_edgegate.data.splits import Array, Split

_SAME = 1e-5
"""The same kernels on the same samples may differ by this share of an output's range."""
_BY_KERNELS = 1e-3
"""Other kernels, which a runtime may choose for a single sample, may differ by this share."""
_SPACINGS = 8
"""Or by as many of the smallest differences between float32 numbers of the output's size."""
_PASSES = 3
_PLACES = 4
"""The samples of a used batch that are run alone: so many calls are added to a pass."""


class Conduct(StrEnum):
    """How a model answers the same samples."""

    STEADY = "steady"
    RANDOM = "random"
    """The same batch has other answers each time."""
    BY_BATCH = "by batch"
    """A sample has other answers beside other samples."""
    BY_RANGE = "by range"
    """The same, where only the file's dynamic quantisation causes it."""
    BY_KERNELS = "by kernels"
    """A sample alone has other answers than in a batch, whatever the batch."""


@dataclass(frozen=True)
class Steadiness:
    """What was found, and of which output."""

    conduct: Conduct = Conduct.STEADY
    output: str = ""
    apart: float = 0.0
    """The largest difference between two answers, as a share of the output's range; infinite for
    NaN or Inf in one of them."""
    batch: int = 0
    """The number of samples in a batch."""

    @property
    def alone(self) -> bool:
        """Whether the model has to be measured one sample at a time."""
        return self.conduct not in (Conduct.STEADY, Conduct.RANDOM)

    @property
    def difference(self) -> str:
        """The difference in words, for messages."""
        where = f"the output {self.output!r}"
        if not math.isfinite(self.apart):
            return f"{where} is NaN or Inf in one of them only"
        return f"{where} differs by {_percent(self.apart)} of its range"

    @property
    def note(self) -> str:
        """Why the model is measured one sample at a time, where nothing is wrong with it."""
        said = "is measured one sample at a time, as a device runs it: "
        if self.conduct is Conduct.BY_RANGE:
            return f"{said}its dynamic quantisation takes the range of a whole batch"
        if self.conduct is Conduct.BY_KERNELS:
            return f"{said}between one sample alone and in a batch, {self.difference}"
        return ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{share:.0%}".replace("%", " %")


def examine(
    runner: Runner,
    split: Split,
    *,
    repeats: bool = True,
    by_range: Callable[[], bool] = lambda: False,
) -> Steadiness:
    """Runs some samples several times. Raises ConfigurationError if they do not fit the model.

    *repeats*: whether answers at random are looked for. *by_range*: whether the model quantises
    by the range of a batch; asked only if its answers depend on the batch.
    """
    drawn = mixed_batches(split, runner.inputs)
    several = drawn.size > 1 and not takes_one(runner)
    if not repeats and not several:
        return Steadiness()
    trial = _Trial(runner if drawn.size > 1 else one_at_a_time(runner), drawn)
    found = trial.at_random() if repeats else None
    if found is None and several and not is_alone(runner):
        found = trial.by_batch(by_range) or trial.by_kernels()
    return Steadiness() if found is None else found


def places(size: int) -> Array:
    """The places of a batch that are compared with single samples, the last one among them."""
    return np.unique(np.linspace(0, size - 1, _PLACES).astype(np.intp))


def examine_used(
    runner: Runner, batch: Arrays, made: Arrays, alone: Arrays, *, by_range: Callable[[], bool]
) -> Steadiness:
    """Whether a batch of the size that a pass uses is answered as single samples are.

    *made*: the answers to it; *alone*: those to its samples at ``places``, one by one. Only if
    these differ at all the batch is run once more, with other samples at all other places.
    """
    size = len(batch[0])
    chosen = places(size)
    every, own = np.arange(len(chosen)), tuple(each[chosen] for each in made)
    apart = partial(_apart, runner.outputs, size)
    if apart(Conduct.BY_KERNELS, own, alone, every, _same_or_a_step) is None:
        return Steadiness()
    spare = next((at for at in range(size) if at not in set(chosen.tolist())), None)
    if spare is not None:
        members = np.full(size, spare)
        members[chosen] = chosen
        again = runner.infer(tuple(each[members] for each in batch))
        found = apart(Conduct.BY_BATCH, made, again, chosen, _same_or_a_step)
        if found is not None:
            return replace(found, conduct=Conduct.BY_RANGE) if by_range() else found
    return apart(Conduct.BY_KERNELS, own, alone, every, _by_kernels) or Steadiness()


def answers_otherwise(runner: Runner, one: Arrays, other: Arrays, rows: Array) -> Steadiness:
    """Whether a model has answered the same single samples otherwise a second time."""
    return _apart(runner.outputs, 1, Conduct.RANDOM, one, other, rows, _same) or Steadiness()


def takes_one(runner: Runner) -> bool:
    """Whether the batch of every input is 1."""
    return all(each.shape[:1] == (1,) for each in runner.inputs)


def is_alone(runner: Runner) -> bool:
    """Whether a first batch has shown that it takes one sample at a time only."""
    return isinstance(runner, LoneRunner) and runner.alone


class _Trial:
    """A model and the batches for it. The first of them was answered when it was made."""

    def __init__(self, runner: Runner, drawn: MixedBatches) -> None:
        self._runner = runner
        self._drawn = drawn
        self._own = runner.infer(drawn.first)

    def at_random(self) -> Steadiness | None:
        rows = np.arange(len(self._drawn.first[0]))
        for _ in range(_PASSES - 1):
            again = self._runner.infer(self._drawn.first)
            found = self._apart(Conduct.RANDOM, self._own, again, rows, _same)
            if found is not None:
                return found
        return None

    def by_batch(self, by_range: Callable[[], bool]) -> Steadiness | None:
        for arrays, kept in self._drawn.others:
            found = self._apart(
                Conduct.BY_BATCH, self._own, self._runner.infer(arrays), kept, _same_or_a_step
            )
            if found is not None:
                only = by_range() and not self._by_multiplicity()
                return replace(found, conduct=Conduct.BY_RANGE) if only else found
        return None

    def by_kernels(self) -> Steadiness | None:
        rows = self._drawn.tested
        alone = one_at_a_time(self._runner).infer(tuple(each[rows] for each in self._drawn.first))
        own = tuple(each[rows] for each in self._own)
        return self._apart(Conduct.BY_KERNELS, own, alone, np.arange(len(rows)), _by_kernels)

    def _by_multiplicity(self) -> bool:
        """Whether it matters how often a sample is in a batch. The range of any tensor is the
        same for the same set of samples; a mean, a sum or a softmax over a batch is not."""
        (one, kept), (other, _) = self._drawn.same_set
        first, second = self._runner.infer(one), self._runner.infer(other)
        return self._apart(Conduct.BY_BATCH, first, second, kept, _same_or_a_step) is not None

    def _apart(
        self, conduct: Conduct, one: Arrays, other: Arrays, rows: Array, allowed: _Allowed
    ) -> Steadiness | None:
        outputs, size = self._runner.outputs, self._drawn.size
        return _apart(outputs, size, conduct, one, other, rows, allowed)


def _apart(
    outputs: Sequence[TensorInfo],
    count: int,
    conduct: Conduct,
    one: Arrays,
    other: Arrays,
    rows: Array,
    allowed: _Allowed,
) -> Steadiness | None:
    """The output that differs most, of those that differ by more than is *allowed*.

    *count*: the number of samples in a batch.
    """
    worst: Steadiness | None = None
    for info, a, b in zip(outputs, one, other, strict=True):
        first, second = (each[rows].astype(np.float64) for each in (a, b))
        width, size = _extent(a, b)
        largest = _largest(first, second)
        floor = _SPACINGS * float(np.spacing(np.float32(min(size, 1e38))))
        if largest <= max(allowed(info, width), floor):
            continue
        share = largest / width if width else math.inf
        if worst is None or share > worst.apart:
            worst = Steadiness(conduct, bare_name(info.name), share, count)
    return worst


_Allowed = Callable[[TensorInfo, float], float]
"""The largest difference allowed in an output with a range of this width."""


def _same(info: TensorInfo, width: float) -> float:
    return _SAME * width


def _same_or_a_step(info: TensorInfo, width: float) -> float:
    """Integers that stand for themselves, such as the number of a class, have no rounding."""
    return max(_SAME * width, _step(info))


def _by_kernels(info: TensorInfo, width: float) -> float:
    return max(_BY_KERNELS * width, _step(info))


def _step(info: TensorInfo) -> float:
    """The scale of a quantised output, with room for the rounding of its real values."""
    return max(info.scales) * 1.001 if info.scales and _is_integer(info) else 0.0


def _is_integer(info: TensorInfo) -> bool:
    return info.dtype.startswith(("int", "uint"))


def _extent(*arrays: Array) -> tuple[float, float]:
    """The width of the range of finite values, and the largest of their sizes."""
    ends: list[float] = []
    for each in arrays:
        finite = each[np.isfinite(each)]
        if finite.size:
            ends += [float(finite.min()), float(finite.max())]
    return (max(ends) - min(ends), max(map(abs, ends))) if ends else (0.0, 0.0)


def _largest(one: Array, other: Array) -> float:
    """The largest difference; the same NaN and the same infinity are equal."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(one - other))
    apart = np.where(np.isnan(apart), np.inf, apart)
    return float(apart.max(initial=0.0))
