"""Dependencies between the channels of a torch module, by Torch-Pruning's DepGraph.

Fang, Ma, Song, Mi and Wang (2023), DepGraph: Towards Any Structural Pruning, arXiv:2301.12900.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import lcm
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import needed


@dataclass(frozen=True)
class Member:
    """A layer that a group of channels goes through."""

    path: str
    layer: Any
    indices: tuple[int, ...]
    """Positions of the channels in the layer: among its outputs, or its inputs if it reads them."""
    roots: tuple[int, ...]
    """The filter of the group's root that each of them belongs to."""
    makes_filters: bool
    """Whether they are its own filters: in a convolution or a dense layer, not a depthwise one."""
    reads: bool
    """Whether such a layer takes them in."""

    def of(self, filters: Collection[int]) -> list[int]:
        """The channels of the layer that belong to *filters* of the root."""
        wanted = set(filters)
        pairs = zip(self.indices, self.roots, strict=True)
        return [index for index, root in pairs if root in wanted]


@dataclass(frozen=True)
class Group:
    """The channels of one layer, the root, with all layers that have to lose the same ones."""

    root: str
    channels: int
    members: tuple[Member, ...]
    is_output: bool
    """Whether they are channels of the model's outputs."""

    @property
    def makers(self) -> list[str]:
        """The paths of the layers whose filters they are."""
        return [each.path for each in self.members if each.makes_filters]

    @property
    def blocks(self) -> int:
        """Into how many equal blocks the channels fall: by grouped layers that they go through."""
        return lcm(1, *(_blocks(each) for each in self.members))


def import_torch_pruning() -> ModuleType:
    """Raises BackendUnavailableError where it is not installed."""
    with needed("torch-pruning", "Prune of a torch model", "torch"):
        import torch_pruning
    module: ModuleType = torch_pruning
    return module


class Dependencies:
    """The graph of a module, which it traces with *tensors* and changes in its place."""

    def __init__(self, module: Any, tensors: tuple[Any, ...]) -> None:
        self._module = module
        self._paths = {layer: path for path, layer in module.named_modules()}
        with _all_with_gradients(module), held_native_output():  # the tracer follows gradients
            self._graph = import_torch_pruning().DependencyGraph()
            self._graph.build_dependency(module, tensors, verbose=False)

    def groups(self) -> list[Group]:
        """One for each convolution or dense layer that makes filters, the small layers first.

        So a layer that is added to the concatenation of others loses what each of them loses. A
        layer that another's group has filters of is no root.
        """
        roots = [layer for layer in self._graph.module2node if _makes_filters(layer)]
        found: list[Group] = []
        seen: set[str] = set()
        for layer in sorted(roots, key=filters_of):
            if self._paths[layer] in seen:
                continue
            group = self.group(self._paths[layer], tuple(range(filters_of(layer))))
            seen.update(group.makers)
            found.append(group)
        order = list(self._paths.values())
        return sorted(found, key=lambda group: order.index(group.root))

    def group(self, root: str, filters: tuple[int, ...]) -> Group:
        """The group of some filters of a root."""
        found = self._found(root, filters)
        items = [found[at] for at in range(len(found))]
        members = tuple(
            self._member(item) for item in items if item.dep.target.module in self._paths
        )
        is_output = any(not each.dep.target.outputs and not self._reads(each.dep) for each in items)
        return Group(root, filters_of(self._layer(root)), members, is_output)

    def remove(self, root: str, filters: tuple[int, ...]) -> None:
        """Takes filters of a root away, with all that goes with them."""
        self._found(root, filters).prune()

    def unfollowed(self) -> list[str]:
        """Convolutions and dense layers that no output is reached from by gradients."""
        traced = self._graph.module2node
        return [
            path
            for layer, path in self._paths.items()
            if _makes_filters(layer) and layer not in traced
        ]

    def _found(self, root: str, filters: tuple[int, ...]) -> Any:
        layer = self._layer(root)
        pruner = self._graph.get_pruner_of_module(layer)
        return self._graph.get_pruning_group(layer, pruner.prune_out_channels, list(filters))

    def _layer(self, path: str) -> Any:
        return self._module.get_submodule(path)

    def _member(self, item: Any) -> Member:
        layer, reads = item.dep.target.module, self._reads(item.dep)
        return Member(
            self._paths[layer],
            layer,
            tuple(item.idxs),
            tuple(item.root_idxs),
            _makes_filters(layer) and not reads,
            reads,
        )

    def _reads(self, dependency: Any) -> bool:
        layer = dependency.target.module
        return _makes_filters(layer) and self._graph.is_in_channel_pruning_fn(dependency.handler)


@contextmanager
def _all_with_gradients(module: Any) -> Iterator[None]:
    """Frozen parameters too: what none reaches is not traced."""
    frozen = [each for each in module.parameters() if not each.requires_grad]
    try:
        for each in frozen:
            each.requires_grad_(True)
        yield
    finally:
        for each in frozen:
            each.requires_grad_(False)


def filters_of(layer: Any) -> int:
    """The number of filters of a convolution, or of outputs of a dense layer."""
    return int(getattr(layer, "out_channels", 0) or layer.out_features)


def is_depthwise(layer: Any) -> bool:
    return getattr(layer, "groups", 1) == getattr(layer, "out_channels", 0) > 1


def is_layer(layer: Any) -> bool:
    """Whether it is a convolution or a dense layer."""
    from torch import nn

    return isinstance(layer, nn.modules.conv._ConvNd | nn.Linear)


def _makes_filters(layer: Any) -> bool:
    return is_layer(layer) and not is_depthwise(layer)


def _blocks(member: Member) -> int:
    if is_depthwise(member.layer):
        return 1
    return int(getattr(member.layer, "groups", getattr(member.layer, "num_groups", 1)))
