"""Removes filters from a torch module, and verifies each removal.

Torch-Pruning treats unknown operations as elementwise, and a forward may contain hard-coded sizes.
So every removal is tried on a copy: it is accepted only if the outputs equal those of the whole
module with the removed channels set to 0 where layers read them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_edgegate.backends.tools import first_line
from pytest_edgegate.backends.torch.dependencies import Dependencies, Group
from pytest_edgegate.backends.torch.exporting import readable_path
from pytest_edgegate.backends.torch.filters import least
from pytest_edgegate.backends.torch.masking import masked, without_statistics
from pytest_edgegate.core.recipe import Prune

OUTPUT = "its filters are the outputs of the model"
_CLOSE = 1e-4
"""Largest difference between removed and masked, beside the largest output: floats are added up
in another order."""


@dataclass(frozen=True)
class Pick:
    """Filters of one layer that are to go."""

    group: Group
    filters: tuple[int, ...]


@dataclass
class Pruned:
    """A module without the filters, and why layers are as they were, by their path."""

    module: Any
    removed: list[Pick] = field(default_factory=list)
    locked: dict[str, str] = field(default_factory=dict)


def prune(torch: Any, module: Any, tensors: tuple[Any, ...], step: Prune, seed: int) -> Pruned:
    """Removes filters by *step* from a copy of *module*, which is in evaluation mode on the CPU.

    *tensors* are a few samples for its inputs. What is frozen stays so.
    """
    graph = Dependencies(module, tensors)
    result = Pruned(module)
    picks = list(_picked(module, graph, step, seed, result.locked))
    trial = _Trial(torch, module, tensors)
    made = trial.without(picks)
    if made.reason is None:
        result.module, result.removed = made.module, picks
        return result
    for pick in picks:
        made = trial.without([*result.removed, pick])
        if made.reason is None:
            result.module, result.removed = made.module, [*result.removed, pick]
        else:
            result.locked.update(dict.fromkeys(pick.group.makers, made.reason))
    return result


def _picked(
    module: Any, graph: Dependencies, step: Prune, seed: int, locked: dict[str, str]
) -> Iterator[Pick]:
    """The filters of each group that may go; why the others may not is put into *locked*."""
    random = np.random.default_rng(seed)
    shared = _shared(module)
    locked.update(dict.fromkeys(graph.unfollowed(), "no output comes from calling it"))
    for group in graph.groups():
        filters = least(group, step, random)
        reason = _reason(group, step, filters, shared)
        if reason is None:
            yield Pick(group, filters)
        else:
            locked.update(dict.fromkeys(group.makers, reason))


def _reason(group: Group, step: Prune, filters: tuple[int, ...], shared: set[str]) -> str | None:
    """The reason if a group can't be removed, else None."""
    tied = [each.path for each in group.members if each.path in shared]
    if group.is_output:
        return OUTPUT
    if tied:
        return f"{readable_path(tied[0])} has a parameter in common with another layer"
    return None if filters else f"{step} leaves all of its {group.channels} filters"


def _shared(module: Any) -> set[str]:
    """The layers with a parameter that another layer has too: one could not lose it alone."""
    owners: dict[int, set[str]] = {}
    for path, layer in module.named_modules():
        for parameter in layer.parameters(recurse=False):
            owners.setdefault(id(parameter), set()).add(path)
    return {path for paths in owners.values() if len(paths) > 1 for path in paths}


@dataclass(frozen=True)
class _Made:
    module: Any
    reason: str | None = None


class _Trial:
    """Copies of a module without filters, compared with the module with them masked."""

    def __init__(self, torch: Any, module: Any, tensors: tuple[Any, ...]) -> None:
        self._torch = torch
        self._module = module
        self._tensors = tensors

    def without(self, picks: list[Pick]) -> _Made:
        """The copy, or why there is none."""
        try:
            made = self._removed(picks)
            outputs = self._outputs(made, picks)
        except Exception as error:  # noqa: BLE001 - layers of other sizes may raise anything
            return _Made(None, f"without them the forward breaks ({first_line(error)})")
        with masked(self._torch, self._module, self._read(picks)):
            wanted = self._outputs(self._module, picks)
        return _Made(made, self._difference(outputs, wanted))

    def _removed(self, picks: list[Pick]) -> Any:
        made = copy.deepcopy(self._module)
        graph = Dependencies(made, self._tensors)
        for pick in picks:
            graph.remove(pick.group.root, pick.filters)
        trained = {name: each.requires_grad for name, each in self._module.named_parameters()}
        for name, parameter in made.named_parameters():
            parameter.requires_grad_(trained[name])
        return made

    def _outputs(self, module: Any, picks: list[Pick]) -> list[Any]:
        through = {each.path for pick in picks for each in pick.group.members}
        with self._torch.no_grad(), without_statistics(self._torch, module, through):
            fresh = (each.clone() for each in self._tensors)  # a forward may write to them
            return list(self._torch.utils._pytree.tree_leaves(module(*fresh)))

    def _read(self, picks: list[Pick]) -> dict[str, set[int]]:
        """By the path of each layer that reads removed channels, which of its inputs they are."""
        read: dict[str, set[int]] = {}
        for pick in picks:
            for member in pick.group.members:
                if member.reads:
                    read.setdefault(member.path, set()).update(member.of(pick.filters))
        return read

    def _difference(self, outputs: list[Any], wanted: list[Any]) -> str | None:
        if [each.shape for each in outputs] != [each.shape for each in wanted]:
            return OUTPUT
        for one, other in zip(outputs, wanted, strict=True):
            largest = float(other.abs().max()) if other.numel() else 0.0
            if not bool(((one - other).abs() <= _CLOSE * largest).all()):
                return "what follows it depends on its channels by more than layers"
        return None
