"""Selects filters to remove: the same share of every layer, those with the least importance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_edgegate.backends.keras.pruning.channels import Bonds
from pytest_edgegate.backends.keras.pruning.tracing import Trace

Mask = NDArray[np.bool_]
"""For each unit, whether it stays: (units,) bool."""
Scores = NDArray[np.float64]

_NORMS: Mapping[str, Callable[[Scores], Scores]] = {"l1": np.abs, "l2": np.square}
"""The term summed over a filter's weights. A sum of squares ranks filters like its root."""


@dataclass(frozen=True)
class Cutback:
    """The filters to remove: ``floor(amount * n)`` of n filters, 0 <= amount < 1.

    Fewer are removed to keep a multiple of ``round_to``. ``seed`` is for random importance.
    """

    amount: float
    importance: str = "l1"
    round_to: int = 1
    seed: int = 0

    def remaining(self, count: int) -> int:
        """The number of *count* filters that stay; all if no multiple of ``round_to`` fits."""
        least = count - floor(Fraction(repr(self.amount)) * count)
        return min(count, -(-least // self.round_to) * self.round_to)


def choose(trace: Trace, bonds: Bonds, cutback: Cutback) -> Mask:
    """Removes the least important units of every group made by the same layers."""
    scores = importance(trace, bonds, cutback)
    stays = np.ones(len(trace.ledger), bool)
    for group in bonds.groups:
        gone = len(group) - cutback.remaining(len(group))
        stays[group[np.argsort(scores[group], kind="stable")[:gone]]] = False
    chosen: Mask = stays[bonds.root]
    return chosen


def importance(trace: Trace, bonds: Bonds, cutback: Cutback) -> Scores:
    """A score for each root, (units,) float64: the norm of all filters that live or die with it.

    ``l1``: the sum of the absolute values of their weights (Li et al., 2017, arXiv:1608.08710);
    ``l2``: of their squares; ``random``: drawn.
    """
    scores = np.zeros(len(trace.ledger))
    if cutback.importance == "random":
        return np.random.default_rng(cutback.seed).random(len(scores))
    for layer, name, axis, channels in trace.filters():
        kernel = np.moveaxis(_weight(layer, name).astype(np.float64), axis, 0)
        sums = _NORMS[cutback.importance](kernel).reshape(len(kernel), -1).sum(1)
        np.add.at(scores, bonds.of(channels), sums)
    return scores


def _weight(layer: Any, name: str) -> NDArray[Any]:
    return next(np.asarray(each) for each in layer.weights if each.name == name)
