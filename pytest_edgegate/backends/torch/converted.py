"""Converts a trained, fake-quantised module to an integer program."""

from __future__ import annotations

from typing import Any

from pytest_edgegate.backends.torch.fake_quantised import import_pt2e
from pytest_edgegate.backends.torch.operators import (
    TRANSPARENT,
    WEIGHTED,
    Bounds,
    clamp_bounds,
    name_of,
)

_LARGEST = 2.0**30
"""The largest bias in multiples of its scale: half of the 32-bit range; sums need the rest."""


def converted(torch: Any, module: Any) -> Any:
    """The module with int8 weights, and a pair of conversions around each tensor that is kept.

    Biases are multiples of the product of the scales of inputs and weights, as deployed ones are.
    A clamp whose limits are those of the integers that it is stored in is no operator any more.
    """
    made = import_pt2e().quantize_pt2e.convert_pt2e(module)
    for node in list(made.graph.nodes):
        if name_of(node) in TRANSPARENT or _says_nothing(node):
            node.replace_all_uses_with(node.args[0])
            made.graph.erase_node(node)
    for node in list(made.graph.nodes):
        if name_of(node) in WEIGHTED:
            _round_bias(torch, made, node)
    made.graph.eliminate_dead_code()
    made.graph.lint()
    made.recompile()
    return made


def output_steps(module: Any) -> list[float | None]:
    """The scale of each output of an integer program; None where it has none."""
    (outputs,) = (node for node in module.graph.nodes if node.op == "output")
    return [_step_of(each) for each in outputs.all_input_nodes]


def _step_of(node: Any) -> float | None:
    kind = "quantized_decomposed.dequantize_per_tensor"
    return float(node.args[1]) if name_of(node) == kind else None


def _says_nothing(node: Any) -> bool:
    bounds = clamp_bounds(node)
    return bounds is not None and all(_ends_at(each, bounds) for each in node.users)


def _ends_at(node: Any, bounds: Bounds) -> bool:
    """Whether all beyond the bounds becomes the integer that the bound itself becomes."""
    if name_of(node) != "quantized_decomposed.quantize_per_tensor":
        return False
    scale, zero_point, least, greatest = node.args[1:5]
    low, high = (bound / scale + zero_point for bound in bounds)
    return bool(low < least + 0.5 and high > greatest - 0.5)


def _round_bias(torch: Any, module: Any, layer: Any) -> None:
    bias = layer.args[2] if len(layer.args) > 2 else None
    if bias is None or layer.args[1].op != "call_function":
        return
    scale_of_inputs = layer.args[0].args[1]
    values = _tensor(module, bias).detach().double()
    _widen(torch, module, layer.args[1], values / scale_of_inputs)
    scales = scale_of_inputs * _scales(torch, module, layer.args[1]).double()
    name = f"{bias.target.replace('.', '_')}_of_{layer.name}"
    module.register_buffer(name, (torch.round(values / scales) * scales).float())
    with module.graph.inserting_before(layer):
        layer.args = (*layer.args[:2], module.graph.get_attr(name), *layer.args[3:])


def _widen(torch: Any, module: Any, weights: Any, bias: Any) -> None:
    """Gives channels whose bias would go beyond 32 bits a larger scale.

    *bias* is in units of the inputs' scale. Such channels have weights of next to nothing.
    """
    scales = _scales(torch, module, weights)
    least = (bias.abs() / _LARGEST).float()
    if len(scales) == 1 or not bool((least > scales).any()):
        return
    wider = torch.maximum(scales, least)
    stored, axis = _tensor(module, weights.args[0]), weights.args[3]
    shape = [1] * stored.ndim
    shape[axis] = -1
    stored.copy_(torch.round(stored * (scales / wider).reshape(shape)).to(stored.dtype))
    _tensor(module, weights.args[1]).copy_(wider)


def _scales(torch: Any, module: Any, weights: Any) -> Any:
    """The scales of a dequantisation: one, or one a channel."""
    scale = weights.args[1]
    return torch.tensor([scale]) if isinstance(scale, float) else _tensor(module, scale)


def _tensor(module: Any, node: Any) -> Any:
    found = module
    for part in node.target.split("."):
        found = getattr(found, part)
    return found
