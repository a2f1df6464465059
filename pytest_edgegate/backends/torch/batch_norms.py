"""Folds batch normalisation into the layer before it, before the training.

The deployed model has no batch normalisation: it is folded into the weights of the layer before.
A training that simulates the deployed arithmetic has to round the folded weights, so the folding
comes first, with the learnt statistics, which stay fixed (as Krishnamoorthi, 2018,
arXiv:1806.08342, section 3.2.2, recommends once ranges are known).
"""

from __future__ import annotations

from typing import Any

from pytest_edgegate.backends.torch.graph_edits import Edits
from pytest_edgegate.backends.torch.operators import WEIGHTED, name_of
from pytest_edgegate.core.errors import UnsupportedError

_DEPTHWISE = {3: "conv1d", 4: "conv2d", 5: "conv3d"}
"""By the rank of what is normalised: the layer that does nothing else."""


def fold_batch_norms(torch: Any, edits: Edits, name: str) -> None:
    """Takes every batch normalisation of the graph into the layer before it.

    Where there is none, or others read what it gives, it becomes a depthwise convolution of 1x1.
    Raises UnsupportedError for one without running statistics.
    """
    for node in list(edits.graph.nodes):
        if name_of(node) in ("batch_norm", "_native_batch_norm_legit_no_training"):
            _fold(torch, edits, node, name)


def _fold(torch: Any, edits: Edits, node: Any, name: str) -> None:
    before, scale, shift = node.args[0], *_scale_and_shift(torch, edits, node, name)
    if name_of(before) in WEIGHTED and len(before.users) == 1 and _has_weights(edits, before):
        _into_layer(torch, edits, before, scale, shift)
        made = before
    else:
        with edits.before(node):
            made = _alone(torch, edits, node, scale, shift)
    for user in list(node.users):
        if getattr(user.target, "__name__", "") == "getitem":
            user.replace_all_uses_with(made)
            edits.graph.erase_node(user)
    node.replace_all_uses_with(made)
    edits.graph.erase_node(node)


def _scale_and_shift(torch: Any, edits: Edits, node: Any, name: str) -> tuple[Any, Any]:
    """y = x scale + shift: gamma / sqrt(var + eps) and beta - mean scale, of shape (channels,)."""
    weight, bias, mean, variance = node.args[1:5]
    given: list[Any] = [
        None if each is None else edits.constant_of(each) for each in node.args[1:5]
    ]
    training = name_of(node) == "batch_norm" and bool(node.args[5])
    if mean is None or variance is None or training or given[2] is None or given[3] is None:
        raise UnsupportedError(
            f"{name} normalises by the statistics of the batch ({node.name}), which a deployed "
            "model does not have",
            "give its batch normalisation running statistics (track_running_stats=True)",
        )
    eps = node.args[7] if name_of(node) == "batch_norm" else node.args[6]
    root = torch.rsqrt(given[3].double() + eps)
    scale = root if weight is None else given[0].double() * root
    shift = -given[2].double() * scale
    return scale, shift if bias is None else shift + given[1].double()


def _has_weights(edits: Edits, layer: Any) -> bool:
    bias = layer.args[2] if len(layer.args) > 2 else None
    return edits.constant_of(layer.args[1]) is not None and (
        bias is None or edits.constant_of(bias) is not None
    )


def _into_layer(torch: Any, edits: Edits, layer: Any, scale: Any, shift: Any) -> None:
    weight = layer.args[1]
    bias = layer.args[2] if len(layer.args) > 2 else None
    plain = edits.constant_of(weight).double()
    weights = plain * scale.reshape(-1, *(1,) * (plain.ndim - 1))
    biases = shift if bias is None else edits.constant_of(bias).double() * scale + shift
    with edits.before(layer):
        new = edits.weights(layer, weights, weight), edits.weights(layer, biases, bias or weight)
    layer.args = (layer.args[0], *new, *layer.args[3:])


def _alone(torch: Any, edits: Edits, node: Any, scale: Any, shift: Any) -> Any:
    x, rank = node.args[0], node.args[0].meta["val"].ndim
    gamma = node.args[1]
    if rank not in _DEPTHWISE:
        weights, biases = edits.number(node, scale), edits.number(node, shift)
        scaled = edits.call(torch.ops.aten.mul.Tensor, x, weights)
        return edits.call(torch.ops.aten.add.Tensor, scaled, biases)
    kernel = scale.reshape(-1, *(1,) * (rank - 1))
    weights, biases = (edits.weights(node, each, gamma) for each in (kernel, shift))
    operator = getattr(torch.ops.aten, _DEPTHWISE[rank]).default
    ones = [1] * (rank - 2)
    return edits.call(operator, x, weights, biases, ones, [0] * (rank - 2), ones, len(scale))
