"""Counts the parameters and multiply-accumulates of a torch module."""

from __future__ import annotations

from math import prod
from typing import Any


def parameters(module: Any) -> int:
    """The elements of all its parameters, those that layers share once."""
    return sum(each.numel() for each in module.parameters())


def macs(torch: Any, module: Any, tensors: tuple[Any, ...]) -> int:
    """Multiply-accumulates of its convolutions and dense layers for one sample.

    *tensors* are one sample, for each input of shape (1, ...). A convolution has the elements of
    its output times those of one filter, a transposed one the elements of its input times those
    that one of them reaches, a dense layer its outputs times its inputs.
    """
    counted = 0

    def count(layer: Any, arguments: tuple[Any, ...], output: Any) -> None:
        nonlocal counted
        counted += _of_call(torch.nn, layer, arguments[0], output)

    kinds = (torch.nn.modules.conv._ConvNd, torch.nn.Linear)
    hooks = [
        layer.register_forward_hook(count) for layer in module.modules() if isinstance(layer, kinds)
    ]
    try:
        with torch.no_grad():
            module(*tensors)
    finally:
        for hook in hooks:
            hook.remove()
    return counted


def _of_call(nn: Any, layer: Any, given: Any, output: Any) -> int:
    if isinstance(layer, nn.Linear):
        return int(output.numel() * layer.in_features)
    kernel = prod(layer.kernel_size)
    if layer.transposed:
        return int(given.numel() * (layer.out_channels // layer.groups) * kernel)
    return int(output.numel() * (layer.in_channels // layer.groups) * kernel)
