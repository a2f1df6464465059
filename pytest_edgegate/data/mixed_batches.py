"""Batches that share some of their samples, to see whether a model's answers depend on the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, ArraySplit, Batch, Split

Arrays = tuple[Array, ...]

_TESTED = 8
"""The number of samples that are put into several batches."""
_TESTED_LARGE = 4
"""The same of samples so large that a batch of the others would have more than _MOST_BYTES. All
of them run about eight times, which is a large part of a pass over a hundred pictures."""
_MOST = 32
"""The largest number of samples in such a batch."""
_MOST_BYTES = 2_500_000
"""The largest size of its inputs, if that is more than the tested samples."""
_SHARE = 64
"""Of a large set, a batch has one sample in as many."""
_EXTREME = 4
"""The most tested samples that are taken for their values."""
_SEED = 0


@dataclass(frozen=True)
class MixedBatches:
    """Batches of one size: an array of shape (size, ...) for each input, in the model's order.

    If ``size`` is 1, ``first`` has some more samples, to be fed one at a time.
    """

    size: int
    first: Arrays
    tested: Array
    """The places of the tested samples in ``first``."""
    others: tuple[tuple[Arrays, Array], ...]
    """Further batches, each with the places at which it has the samples of ``first``. One lacks
    the samples with the extreme values, another has no tested samples but these."""
    same_set: tuple[tuple[Arrays, Array], tuple[Arrays, Array]]
    """Two batches of the same samples, which differ in how often they have some of them, and the
    places of those that they share."""


def mixed_batches(split: Split, inputs: Sequence[TensorInfo]) -> MixedBatches:
    """Samples of the split, drawn at random from arrays, and the first ones of a stream.

    The batch is as large as that of a pass, and smaller where that would cost more than a small
    part of the pass. Among the samples are those with the largest and the smallest value of each
    input. Raises ConfigurationError if they do not fit the *inputs*.
    """
    size, taken = _of_arrays(split) if isinstance(split, ArraySplit) else _of_stream(split)
    arrays = arrange(taken.inputs, split.names, inputs, split.name, taken.number)
    return _batches(arrays, size, _extremes(arrays, size))


def _size(batch: Batch, total: int | None) -> int:
    """The number of samples of a batch, *batch* being one of the pass."""
    sample = sum(each[:1].nbytes for each in batch.inputs)
    fitting = [_MOST, _MOST_BYTES // max(sample, 1)]
    if total is not None:
        fitting.append(total // _SHARE)
    return min(len(batch), max(_tested(batch.inputs), min(fitting)))


def _tested(arrays: Arrays) -> int:
    sample = sum(each[:1].nbytes for each in arrays)
    return _TESTED if _TESTED * sample <= _MOST_BYTES else _TESTED_LARGE


def _of_arrays(split: ArraySplit) -> tuple[int, Batch]:
    size = _size(next(split.batches()), split.size)
    most = min(2 * size if size > 1 else _tested(split.inputs), split.size)
    drawn = np.random.default_rng(_SEED).choice(split.size, most, replace=False)
    chosen = [*_extremes(split.inputs, size), *drawn.tolist()]
    places = np.array(list(dict.fromkeys(chosen))[:most])
    return size, replace(split.take(places), drawn=places)


def _of_stream(split: Split) -> tuple[int, Batch]:
    """As many samples as two batches have, and enough to ask a model again."""
    parts: list[Batch] = []
    size = wanted = 0
    for batch in _same_shapes(split.batches()):
        size = size or _size(batch, None)
        wanted = max(2 * size, _tested(batch.inputs))
        parts.append(batch.first(wanted))
        if sum(map(len, parts)) >= wanted:
            break
    columns = zip(*(each.inputs for each in parts), strict=True)
    taken = tuple(np.concatenate(each)[:wanted] for each in columns)
    return size, Batch(taken, None, start=0)


def _same_shapes(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches up to the first whose samples have other shapes."""
    shapes = None
    for batch in batches:
        found = [each.shape[1:] for each in batch.inputs]
        shapes = shapes or found
        if found != shapes:
            return
        yield batch


def _extremes(arrays: Arrays, size: int) -> list[int]:
    """The positions of the samples with the largest and the smallest value of each input."""
    found: list[int] = []
    for array in arrays:
        rows = array.reshape(len(array), -1)
        if rows.shape[1]:
            found += [int(rows.max(axis=1).argmax()), int(rows.min(axis=1).argmin())]
    return list(dict.fromkeys(found))[: min(_EXTREME, size // 2)]


def _batches(arrays: Arrays, size: int, extremes: list[int]) -> MixedBatches:
    count = len(arrays[0])
    if size == 1:
        alone = (_taken(arrays, [0]), np.arange(1))
        return MixedBatches(1, arrays, np.arange(count), (), (alone, alone))
    rest = [at for at in range(count) if at not in set(extremes)]
    members, usual = _alternating(extremes, rest[: size - len(extremes)])
    pool = rest[size - len(extremes) :]
    tested = np.arange(min(_tested(arrays), size))
    kept = np.array([at for at in tested if usual[at]], np.intp)
    extreme = np.array([at for at in tested if not usual[at]], np.intp)
    batches = []
    for number, places in enumerate((kept, extreme)):
        spare = [*pool, *(members[at] for at in places)]
        if len(places):
            batches.append((_replaced(members, places, spare[number % len(spare)]), places))
    others = tuple((_taken(arrays, each), places) for each, places in batches)
    shared = max(2, size // 2)
    few, places = members[:shared], np.arange(shared)
    one, other = (
        (_taken(arrays, [*few, *[each] * (size - shared)]), places) for each in (few[0], few[-1])
    )
    return MixedBatches(size, _taken(arrays, members), tested, others, (one, other))


def _alternating(extremes: list[int], rest: list[int]) -> tuple[list[int], list[bool]]:
    """Both in turns, so that each batch of a model whose batch is fixed has some of both."""
    members: list[int] = []
    usual: list[bool] = []
    for at in range(max(len(extremes), len(rest))):
        for given, is_usual in ((extremes, False), (rest, True)):
            if at < len(given):
                members.append(given[at])
                usual.append(is_usual)
    return members, usual


def _replaced(members: list[int], places: Array, other: int) -> list[int]:
    """The members at these *places*, and at all others the same one.

    Nothing changes the mean, the variance and the range of a batch more.
    """
    kept = set(places.tolist())
    return [each if at in kept else other for at, each in enumerate(members)]


def _taken(arrays: Arrays, members: list[int]) -> Arrays:
    return tuple(each[np.array(members, np.intp)] for each in arrays)
