"""Channels of outputs that vary in the model under test and are constant in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_edgegate.core.description import ModelDescription, TensorInfo
from pytest_edgegate.data.feeding import bare_name
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.like_channels import UNLIKE, Group, spell_channels, varies
from pytest_edgegate.measures.matching import OutputsDifferError, matched


@dataclass(frozen=True)
class DeadChannels:
    """The dead channels of one output, with ranges in the model under test."""

    output: str
    channels: Group
    range: tuple[float, float]
    """Of the dead channels."""
    others: tuple[float, float] | None
    """Of the other channels that vary in the file; None if there are none."""

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
        return (
            f"{spell_channels(self.channels)} of output {self.output} {verbs[0]} in the model "
            f"under test ({low:.4g} to {high:.4g}) and {verbs[1]} constant in the file"
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
