"""Masks channels of a torch module, as the reference for verifying their removal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def masked(torch: Any, module: Any, read: Mapping[str, Collection[int]]) -> Iterator[None]:
    """Channels are 0 where a convolution or a dense layer reads them: *read* has them by its path.

    After that it is as if they were not there, whatever they hold.
    """

    def hook(layer: Any) -> Callable[..., Any]:
        axis = -1 if isinstance(layer, torch.nn.Linear) else 1
        return partial(_emptied, axis, torch.tensor(sorted(read[paths[layer]])))

    paths = {module.get_submodule(path): path for path in read}
    with _removing([layer.register_forward_pre_hook(hook(layer)) for layer in paths]):
        yield


def _emptied(axis: int, channels: Any, layer: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return (arguments[0].index_fill(axis, channels, 0), *arguments[1:])


@contextmanager
def without_statistics(torch: Any, module: Any, paths: Collection[str]) -> Iterator[None]:
    """The layers at *paths* that normalise over channels only scale and shift them.

    Their mean over fewer channels is another one. That is what pruning such a layer means, and no
    sign of channels that were mistaken for others.
    """
    kinds = (torch.nn.LayerNorm, torch.nn.GroupNorm)
    layers = [module.get_submodule(path) for path in paths]
    with _removing(
        [each.register_forward_hook(_scaled) for each in layers if isinstance(each, kinds)]
    ):
        yield


def _scaled(layer: Any, arguments: tuple[Any, ...], output: Any) -> Any:
    values = arguments[0]
    grouped = hasattr(layer, "num_groups")
    shape = (1, -1, *[1] * (values.ndim - 2)) if grouped else tuple(layer.normalized_shape)
    if layer.weight is not None:
        values = values * layer.weight.reshape(shape)
    return values if layer.bias is None else values + layer.bias.reshape(shape)


@contextmanager
def _removing(hooks: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
