"""A Keras model with filters removed, and the account of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_edgegate.backends.keras.copying import same_random_numbers
from pytest_edgegate.backends.keras.pruning.channels import Bonds, Channels
from pytest_edgegate.backends.keras.pruning.choosing import Cutback, Mask, choose
from pytest_edgegate.backends.keras.pruning.slicing import without
from pytest_edgegate.backends.keras.pruning.tracing import Found, Trace, trace
from pytest_edgegate.backends.native_output import held_native_output


@dataclass(frozen=True)
class Pruned:
    """``filters``: (before, after) of each layer that lost some. ``kept``: why others lost none.

    Layers are named by their path: a layer ``a`` of a model ``b`` inside the model is ``b/a``.
    """

    model: Any
    filters: Mapping[str, tuple[int, int]]
    kept: Mapping[str, str]


def prune(model: Any, cutback: Cutback) -> Pruned:
    """Removes filters of a Functional or Sequential model of Keras 3, which stays as it is.

    With an amount of 0 the result is a copy, equal to the bit.
    """
    found = trace(model)
    bonds = found.ledger.bonds()
    stays = choose(found, bonds, cutback)
    with held_native_output(), same_random_numbers():
        made = without(model, found, stays)
    return Pruned(made, *_account(found, bonds, stays, cutback))


def _account(
    found: Trace, bonds: Bonds, stays: Mask, cutback: Cutback
) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    filters, kept = {}, {}
    for each in filter(_has_filters, found.layers.values()):
        before, after = len(each.made), int(stays[each.made].sum())
        if after < before:
            filters[each.path] = (before, after)
        else:
            kept[each.path] = bonds.why_kept(each.made) or _too_few(bonds, each.made, cutback)
    return filters, kept


def _has_filters(found: Found) -> bool:
    """Whether it makes channels by filters; or may, to judge by its weights, and isn't covered."""
    if found.cut.weights:
        return found.cut.filters is not None
    return any(len(weight.shape) > 1 for weight in getattr(found.layer, "weights", ()))


def _too_few(bonds: Bonds, made: Channels, cutback: Cutback) -> str:
    count = len(np.unique(bonds.of(made)))
    multiple = f" to a multiple of {cutback.round_to}" if cutback.round_to > 1 else ""
    return f"taking {cutback.amount:g} of {count} filters{multiple} takes none"
