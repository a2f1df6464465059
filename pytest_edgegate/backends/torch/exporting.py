"""torch.export over positional tensors, the batch free where a module allows it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from pytest_edgegate.backends.tools import first_line
from pytest_edgegate.backends.torch.arguments import Arguments
from pytest_edgegate.core.errors import UnsupportedError


def flat_module(torch: Any, module: Any, arguments: Arguments) -> Any:
    """The module over positional tensors, its outputs flat whatever they were built in."""

    class Flat(torch.nn.Module):  # type: ignore[misc]
        wraps = True

        def __init__(self) -> None:
            super().__init__()
            self.model = module

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            return tuple(torch.utils._pytree.tree_leaves(self.call(tensors)))

        def call(self, tensors: tuple[Any, ...]) -> Any:
            """The module's own result, before it is made flat."""
            positional, keywords = arguments.of(tensors)
            return self.model(*positional, **keywords)

    flat = Flat()
    flat.training = False
    return flat


def named_module(torch: Any, flat: Any, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    """The module *flat* of positional tensors, exported under these names."""

    class Named(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            # by one level only, so that names of layers do not grow from step to step
            self.model = flat.model if getattr(flat, "wraps", False) else flat

        def forward(self, *tensors: Any) -> Any:
            made = flat(*tensors)
            return made if tuple(outputs) == ("output",) else dict(zip(outputs, made, strict=True))

    placed = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [inspect.Parameter(name, placed) for name in ("self", *inputs)]
    Named.forward.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
    made = Named()
    made.training = False
    return made


def exported(torch: Any, wrapped: Any, tensors: tuple[Any, ...], name: str) -> Any:
    """With a free batch where that can be, else with a batch of 1. Raises UnsupportedError.

    *wrapped* is a module of ``flat_module`` or ``named_module``.
    """
    single = tuple(tensor[:1] for tensor in tensors)
    free: tuple[Any, ...] = tuple({0: torch.export.Dim("batch", min=1)} for _ in tensors)
    parameters = inspect.signature(wrapped.forward).parameters.values()
    if any(each.kind == each.VAR_POSITIONAL for each in parameters):
        free = (free,)  # the shapes of *tensors are those of one parameter
    try:
        if all(len(tensor) == 1 for tensor in tensors):
            return torch.export.export(wrapped, single, strict=False)
        try:
            return torch.export.export(wrapped, tensors, dynamic_shapes=free, strict=False)
        except Exception:  # noqa: BLE001 - torch raises many kinds; a fixed batch may still do
            return torch.export.export(wrapped, single, strict=False)
    except Exception as error:  # torch raises many types
        raise not_exported(name, error) from error


def readable_path(path: str) -> str:
    """The user's path of a layer, without the prefix of ``flat_module``."""
    return path.removeprefix("model.")


def not_exported(name: str, error: Exception) -> UnsupportedError:
    return UnsupportedError(
        f"torch can't export {name}: {first_line(error)}",
        "make its forward traceable (no branch on the values of a tensor, no numpy inside), "
        "as torch.export.export(model, (x,)) wants it; all of it is at --tb=long",
    )
