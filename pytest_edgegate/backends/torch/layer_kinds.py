"""Maps the operators of an exported program to layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

Bound = dict[str, Any]
"""The arguments of an operator by name; tensors are nodes of the graph."""
Build = Callable[[Any, Bound], Any]
"""``build(torch.nn, bound)`` gives a layer in evaluation mode with no memory, or None."""


def builders(torch: Any) -> Mapping[Any, Build]:
    """The operators that layers call, and those that torch takes layers apart into."""
    aten = torch.ops.aten
    return {
        **{
            operator: partial(_convolution, dimensions)
            for dimensions, packet in enumerate((aten.conv1d, aten.conv2d, aten.conv3d), 1)
            for operator in (packet.default, packet.padding)
        },
        aten.conv_transpose1d.default: partial(_transposed, 1),
        aten.conv_transpose2d.input: partial(_transposed, 2),
        aten.conv_transpose3d.input: partial(_transposed, 3),
        aten.convolution.default: _any_convolution,
        aten.linear.default: _linear,
        aten.batch_norm.default: _batch_norm,
        aten._native_batch_norm_legit_no_training.default: _batch_norm,
        aten.layer_norm.default: _layer_norm,
        aten.group_norm.default: _group_norm,
        aten.embedding.default: _embedding,
        aten.prelu.default: _prelu,
        aten.dropout.default: lambda nn, bound: nn.Dropout(bound["p"]),
        aten.feature_dropout.default: _feature_dropout,
        aten.alpha_dropout.default: lambda nn, bound: nn.AlphaDropout(bound["p"]),
    }


def _convolution(dimensions: int, nn: Any, bound: Bound) -> Any:
    outputs, inputs, *kernel = _shape(bound["weight"])
    groups = bound["groups"]
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
    padding = bound["padding"]
    return kind(
        inputs * groups,
        outputs,
        tuple(kernel),
        _each(bound["stride"], dimensions),
        padding if isinstance(padding, str) else _each(padding, dimensions),
        _each(bound["dilation"], dimensions),
        groups,
        bound["bias"] is not None,
        device="meta",
    )


def _transposed(dimensions: int, nn: Any, bound: Bound) -> Any:
    inputs, outputs, *kernel = _shape(bound["weight"])
    groups = bound["groups"]
    kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dimensions - 1]
    return kind(
        inputs,
        outputs * groups,
        tuple(kernel),
        *(_each(bound[name], dimensions) for name in ("stride", "padding", "output_padding")),
        groups,
        bound["bias"] is not None,
        _each(bound["dilation"], dimensions),
        device="meta",
    )


def _any_convolution(nn: Any, bound: Bound) -> Any:
    """The one operator that the core set of ATen has for all of them."""
    dimensions = len(_shape(bound["weight"])) - 2
    if not 1 <= dimensions <= 3:
        return None
    return (_transposed if bound["transposed"] else _convolution)(dimensions, nn, bound)


def _linear(nn: Any, bound: Bound) -> Any:
    shape = _shape(bound["weight"])
    if len(shape) != 2:
        return None
    return nn.Linear(shape[1], shape[0], bound["bias"] is not None, device="meta")


def _batch_norm(nn: Any, bound: Bound) -> Any:
    """A layer without running statistics uses those of the batch, as exported.

    No momentum, which means the mean over all batches, is exported as one of 0.
    """
    if bound["running_mean"] is None:
        return None
    dimensions = len(bound["input"].meta["val"].shape)
    kind = {4: nn.BatchNorm2d, 5: nn.BatchNorm3d}.get(dimensions, nn.BatchNorm1d)
    (features,) = _shape(bound["running_mean"])
    return kind(
        features,
        bound["eps"],
        bound["momentum"] or None,
        bound["weight"] is not None,
        device="meta",
    )


def _layer_norm(nn: Any, bound: Bound) -> Any:
    affine = bound["weight"] is not None
    return nn.LayerNorm(
        list(bound["normalized_shape"]),
        bound["eps"],
        affine,
        bound["bias"] is not None,
        device="meta",
    )


def _group_norm(nn: Any, bound: Bound) -> Any:
    if (bound["weight"] is None) != (bound["bias"] is None):
        return None
    channels = bound["input"].meta["val"].shape[1]
    return nn.GroupNorm(
        bound["num_groups"], channels, bound["eps"], bound["weight"] is not None, device="meta"
    )


def _embedding(nn: Any, bound: Bound) -> Any:
    count, width = _shape(bound["weight"])
    padding = bound["padding_idx"]
    return nn.Embedding(
        count,
        width,
        padding if padding >= 0 else None,
        scale_grad_by_freq=bound["scale_grad_by_freq"],
        sparse=bound["sparse"],
        device="meta",
    )


def _prelu(nn: Any, bound: Bound) -> Any:
    shape = _shape(bound["weight"])
    return nn.PReLU(shape[0], device="meta") if len(shape) == 1 else None


def _feature_dropout(nn: Any, bound: Bound) -> Any:
    """Dropout of whole channels; the layer class follows from the dimensions of the input."""
    dimensions = len(bound["input"].meta["val"].shape)
    kind = {3: nn.Dropout1d, 4: nn.Dropout2d, 5: nn.Dropout3d}.get(dimensions)
    return None if kind is None else kind(bound["p"])


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in node.meta["val"].shape)


def _each(values: Any, dimensions: int) -> tuple[int, ...]:
    """One number for each dimension: operators take one for all too."""
    given = tuple(values) if isinstance(values, list | tuple) else (values,)
    return given * dimensions if len(given) == 1 else given
