"""Fake-quantised modules for training: their tensors are rounded as in the deployed model."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import needed
from pytest_edgegate.backends.torch.operators import TRANSPARENT, name_of
from pytest_edgegate.backends.torch.quantizer import quantizer
from pytest_edgegate.backends.torch.training import Modes


def import_pt2e() -> ModuleType:
    """torchao's quantisation of exported graphs. Raises BackendUnavailableError without it."""
    with (
        needed("torchao", "quantisation-aware training of a torch model", "torch"),
        held_native_output(),
    ):
        from torchao.quantization import pt2e
        from torchao.quantization.pt2e import quantize_pt2e  # noqa: F401 - loaded with it
    module: ModuleType = pt2e
    return module


def prepared(module: Any, *, symmetric: bool) -> Any:
    """The module of a simplified exported program, with each stored tensor rounded to int8."""
    made = import_pt2e().quantize_pt2e.prepare_qat_pt2e(module, quantizer(symmetric=symmetric))
    evaluate(made)
    return made


def calibrate(torch: Any, module: Any, tensors: tuple[Any, ...]) -> None:
    """Chooses the first ranges by running *tensors* in float."""
    for each in _roundings(module):
        each.enable_observer()
        each.disable_fake_quant()
    with torch.no_grad():
        module(*tensors)
    for each in _roundings(module):
        each.enable_fake_quant()
    evaluate(module)


def settle(torch: Any, module: Any, tensors: tuple[Any, ...]) -> None:
    """Updates the scales to the final weights, and stops all observers."""
    evaluate(module)
    for each in _roundings(module):
        if each.qscheme in (torch.per_channel_symmetric, torch.per_tensor_symmetric):
            each.enable_observer(bool(_is_of_weights(each)))
    with torch.no_grad():
        module(*tensors)
    evaluate(module)


def learn(module: Any) -> None:
    """Switches to training: ranges follow the data, dropout is active."""
    _switch(module, learning=True)


def evaluate(module: Any) -> None:
    """Switches to evaluation: ranges are fixed, dropout is inactive."""
    _switch(module, learning=False)


MODES = Modes(learn, evaluate)


def _switch(module: Any, *, learning: bool) -> None:
    """Exported modules refuse ``train()`` and ``eval()``: dropout is an argument in their graph."""
    for part in module.modules():
        part.training = learning
    for each in _roundings(module):
        each.enable_observer(learning)
    for node in module.graph.nodes:
        if name_of(node) in TRANSPARENT:
            node.args = (*node.args[:2], learning)
    module.recompile()


def _roundings(module: Any) -> Iterator[Any]:
    for part in module.modules():
        if hasattr(part, "enable_fake_quant"):
            yield part


def _is_of_weights(rounding: Any) -> bool:
    return bool(rounding.activation_post_process.averaging_constant == 1.0)
