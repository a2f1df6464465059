"""What torch finds out again for each export though it stays the same: tables of its operators.

They take up to two thirds of an export's time. Each export gets the same tables as without this.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

_KEPT = "_kept_by_tests"


def keep() -> None:
    """Has the tables kept in this process, as far as what makes them is imported in it."""
    for name, kept in (
        ("torch.onnx._internal.exporter._registration", _keep_translations),
        ("torch._export.utils", _keep_composites),
    ):
        module = sys.modules.get(name)
        if module is not None and not hasattr(module, _KEPT):
            setattr(module, _KEPT, True)
            kept(module)


def _keep_translations(registration: Any) -> None:
    """How operators are written in ONNX. Each export has a registry of its own to add to.

    A table has only the operators that were registered when it was made.
    """
    registry = registration.ONNXRegistry
    make = registry.from_torchlib

    @functools.cache
    def made(registered: tuple[int, ...], *opset: int, **named: int) -> Any:
        return make(*opset, **named)

    def from_torchlib(*opset: int, **named: int) -> Any:
        found, own = made(_registered(), *opset, **named), registry()
        vars(own).update(vars(found))
        own.functions = {target: list(each) for target, each in found.functions.items()}
        return own

    registry.from_torchlib = staticmethod(from_torchlib)


def _keep_composites(utils: Any) -> None:
    """Operators made of others, which enter ``torch.ops``: again only if some were registered."""
    enter, entered = utils._materialize_cpp_cia_ops, list[tuple[int, ...]]()

    def enter_new() -> None:
        if _registered() not in entered[-1:]:
            enter()
            entered.append(_registered())

    utils._materialize_cpp_cia_ops = enter_new


def _registered() -> tuple[int, ...]:
    """How many operators, kernels and libraries of them torch knows."""
    torch = sys.modules["torch"]
    known = torch.library._defs, torch.library._impls, torch.ops.loaded_libraries
    return tuple(map(len, known))
