"""Selects the filters of a layer to remove: their number, and the least important ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any

import numpy as np

from pytest_edgegate.backends.torch.dependencies import Group, Member
from pytest_edgegate.core.recipe import Prune
from pytest_edgegate.data.splits import Array

Norm = Callable[[Array], Array]
"""From the weights of n filters, of shape (n, weights), to n numbers."""

_NORMS: Mapping[str, Norm] = {
    "l1": lambda weights: np.abs(weights).sum(1),
    "l2": lambda weights: np.sqrt(np.square(weights).sum(1)),
}


def least(group: Group, step: Prune, random: np.random.Generator) -> tuple[int, ...]:
    """The filters of the group's root that *step* removes, in order; () where it keeps all.

    Where a grouped convolution reads the channels, each of its blocks loses the same ones.
    """
    size = group.channels // group.blocks
    scores = _scores(group, step.importance, random).reshape(group.blocks, size).sum(0)
    count = removed_of(group.channels, step, group.blocks) // group.blocks
    chosen = np.sort(np.argsort(scores, kind="stable")[:count])
    return tuple(int(block * size + each) for block in range(group.blocks) for each in chosen)


def removed_of(channels: int, step: Prune, blocks: int = 1) -> int:
    """The number of *channels* filters to remove: ``floor(amount * channels)``.

    Fewer, where what stays would be no multiple of ``round_to``, or not the same in all *blocks*.
    """
    unit = lcm(step.round_to, blocks)
    least_kept = channels - floor(Fraction(repr(step.amount)) * channels)
    return max(0, channels - ceil(Fraction(least_kept, unit)) * unit)


def _scores(group: Group, importance: str, random: np.random.Generator) -> Array:
    """The norm of the weights of each filter of the root.

    Layers whose outputs are added up share their channels, and each has the same say: their norms
    are divided by their mean in the layer, and added.
    """
    if importance not in _NORMS:
        return random.random(group.channels)
    scores = np.zeros(group.channels)
    makers = [each for each in group.members if each.makes_filters]
    for member in makers:
        norms = _NORMS[importance](filter_weights(member))
        norms = norms / max(float(norms.mean()), 1e-30) if len(makers) > 1 else norms
        np.add.at(scores, list(member.roots), norms[list(member.indices)])
    return scores


def filter_weights(member: Member) -> Array:
    """The weights of each filter of the layer: (filters, weights of one), float64."""
    layer: Any = member.layer
    weight = layer.weight.detach().double().numpy()
    if getattr(layer, "transposed", False):  # (inputs, outputs of a block, ...)
        blocks = weight.reshape(layer.groups, -1, *weight.shape[1:])
        weight = np.concatenate([block.swapaxes(0, 1) for block in blocks])
    flat: Array = weight.reshape(len(weight), -1)
    return flat
