"""Channels of outputs that vary in the model under test and are constant in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.feeding import arrange, bare_name
from pytest_edgegate.data.splits import Array, Batch, Split, drawn_batches
from pytest_edgegate.measures.channels import ChannelRanges
from pytest_edgegate.measures.evidence import Collector, Column, Evidence, check_figures
from pytest_edgegate.measures.like_channels import (
    UNLIKE,
    Group,
    off_key,
    rows_key,
    spell_channels,
    varies,
)
from pytest_edgegate.measures.matching import OutputsDifferError, matched, output_names

_AT_A_TIME = 8


@dataclass(frozen=True)
class DeadChannels:
    """The dead channels of one output, with ranges in the model under test."""

    output: str
    channels: Group
    range: tuple[float, float]
    """Of the dead channels."""
    others: tuple[float, float] | None
    """Of the other channels that vary in the file; None if there are none."""
    samples: int = 0
    """How many samples drawn at random it was seen on; 0 for those of a budget."""

    @property
    def overshadowed(self) -> bool:
        """Whether the others range so much wider that one scale for all of them is the cause."""
        if self.others is None:
            return False
        (low, high), (least, most) = self.range, self.others
        return most - least > UNLIKE * (high - low)

    def __str__(self) -> str:
        single = len(self.channels) == 1
        verbs = ("varies", "is") if single else ("vary", "are")
        low, high = self.range
        where = f", on {self.samples} random samples" if self.samples else ""
        return (
            f"{spell_channels(self.channels)} of output {self.output} {verbs[0]} in the model "
            f"under test ({low:.4g} to {high:.4g}) and {verbs[1]} constant in the file{where}"
        )


def dead_channels(
    model: Mapping[str, Array], file: Mapping[str, Array], least: Mapping[str, float]
) -> tuple[DeadChannels, ...]:
    """The dead channels of each output.

    *model* and *file*: the ranges of channels as in ``Evidence.channels``; outputs are matched as
    in comparisons. *least*: changes of a channel up to this one don't count, by the name of the
    model's output.
    """
    try:
        order = matched(list(model), list(file))
    except OutputsDifferError:
        return ()
    given = list(file.values())
    found = [
        _dead(name, ranges, given[at], least.get(name, 0.0))
        for at, (name, ranges) in zip(order, model.items(), strict=True)
        if ranges.shape == given[at].shape
    ]
    return tuple(each for each in found if each is not None)


def _dead(name: str, model: Array, file: Array, least: float) -> DeadChannels | None:
    low, high = model
    dead = varies(low, high) & (high - low > least) & (file[0] == file[1])
    if not dead.any():
        return None
    live = file[0] < file[1]
    others = (float(low[live].min()), float(high[live].max())) if live.any() else None
    ends = (float(low[dead].min()), float(high[dead].max()))
    return DeadChannels(name, tuple(map(int, np.flatnonzero(dead))), ends, others)


def channel_ranges(
    reference: Runner, other: Runner, split: Split, source: str, limit: int
) -> Evidence:
    """The ranges of channels of two models on samples drawn at random, as in a comparison.

    Those of the *other* are empty if its outputs are not the *reference*'s.

    ``rows_i``: the rows of channels of output i; ``off_1_i``: how far their sums are from 1.
    """
    names = output_names(reference)
    try:
        order = matched(names, output_names(other))
    except OutputsDifferError:
        order = []
    collector = Collector(names)
    counted = [ChannelRanges(reference.outputs) for _ in range(2)]
    for batch in _chunks(split, limit):
        own = reference.infer(arrange(batch.inputs, split.names, reference.inputs, split.name))
        counted[0].add(own)
        if order:
            theirs = other.infer(arrange(batch.inputs, split.names, other.inputs, split.name))
            counted[1].add([theirs[at] for at in order])
        collector.add(batch, own, _rows(own))
    model, file = (each.found for each in counted)
    return replace(collector.evidence(source), channels=model, other_channels=file)


def _chunks(split: Split, limit: int) -> Iterator[Batch]:
    """The drawn samples in small batches: outputs may be larger than inputs."""
    for batch in drawn_batches(split, limit):
        for start in range(0, len(batch), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            labels = None if batch.labels is None else batch.labels[part]
            yield Batch(tuple(each[part] for each in batch.inputs), labels)


def _rows(outputs: Sequence[Array]) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for at, output in enumerate(outputs):
        rows = output.reshape(len(output), -1, output.shape[-1] if output.ndim > 1 else 1)
        found[rows_key(at)] = np.full(len(output), rows.shape[1], np.int64)
        off = np.abs(rows.sum(axis=2, dtype=np.float64) - 1)
        found[off_key(at)] = off.max(axis=1, initial=0.0)
    return found


def check_ranges(evidence: Evidence) -> None:
    """Raises ValueError for evidence that ``channel_ranges`` cannot have produced."""
    if not evidence.outputs:
        raise ValueError("it names no outputs")
    figures: dict[str, Column] = {}
    for at in range(len(evidence.outputs)):
        figures |= {rows_key(at): Column("i", 0), off_key(at): Column()}
    check_figures(evidence, figures)


def output_steps(described: ModelDescription) -> tuple[float, ...]:
    """The step of each output of a file in real values, 0 where it has none.

    That of a float output is the step of what the operator that makes it dequantises.
    """
    return tuple(_step(each, described) for each in described.outputs)


def _step(output: TensorInfo, described: ModelDescription) -> float:
    if output.scales:
        return max(output.scales)
    makers = [
        each
        for each in described.operators
        if each.border
        and any(bare_name(one.name) == bare_name(output.name) for one in each.outputs)
    ]
    inputs = makers[-1].inputs if makers else ()
    scales: Sequence[float] = inputs[0].scales if inputs and inputs[0] is not None else ()
    return max(scales, default=0.0)
