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
    """How operators are written in ONNX. Each export has a registry of its own to add to."""
    registry = registration.ONNXRegistry
    made = functools.cache(registry.from_torchlib)

    def from_torchlib(*opset: int, **named: int) -> Any:
        found, own = made(*opset, **named), registry()
        vars(own).update(vars(found))
        own.functions = {target: list(each) for target, each in found.functions.items()}
        return own

    registry.from_torchlib = staticmethod(from_torchlib)


def _keep_composites(utils: Any) -> None:
    """Operators made of others, which enter ``torch.ops``: again only if some were registered."""
    torch = sys.modules["torch"]
    enter, entered = utils._materialize_cpp_cia_ops, list[tuple[int, ...]]()

    def enter_new() -> None:
        registered = torch.library._defs, torch.library._impls, torch.ops.loaded_libraries
        counts = tuple(map(len, registered))
        if counts not in entered[-1:]:
            enter()
            entered.append(counts)

    utils._materialize_cpp_cia_ops = enter_new
