"""From a live module or a .pt2 archive to one exported program over positional tensors."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.archive import refuse_pickles
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import Example, LoadedModel

_BATCH = 2
"""Samples in the example of an export: torch makes a batch of 1 a constant."""


def import_torch() -> ModuleType:
    """The torch module. Raises BackendUnavailableError where it is not installed."""
    try:
        with held_native_output():
            import torch
    except ImportError as error:
        raise BackendUnavailableError("torch", "a torch model", "torch") from error
    module: ModuleType = torch
    return module


def from_module(module: Any, example: Example) -> LoadedModel:
    """A live ``torch.nn.Module`` in evaluation mode; *example* tells what it takes.

    ``framework_model`` is a ``torch.export.ExportedProgram`` that takes positional tensors, the
    batch of any size where the module allows it, and gives a flat tuple. Raises UnsupportedError
    for a module that torch can't export.
    """
    torch = import_torch()
    names = _input_names(module, example)
    tensors = _tensors(torch, module, example, names)
    wrapped = _flat_module(torch, module, names if example.names is not None else None)
    with evaluating(module), held_native_output(), torch.no_grad():
        outputs = _named_outputs(torch, module, wrapped, tensors)
        program = _exported(torch, wrapped, tensors, type(module).__name__)
    return _loaded(torch, program, wrapped, tuple(names), outputs)


def from_archive(path: Path) -> LoadedModel:
    """A ``.pt2`` archive, read without running code from it. Raises ConfigurationError."""
    torch = import_torch()
    refuse_pickles(path, torch)
    try:
        with held_native_output():
            program = torch.export.load(path)
            module = program.module()
    except Exception as error:  # whatever torch raises for an archive that it can't read
        raise ConfigurationError(
            f"{path.name} can't be read as an exported program: {_first_line(error)}",
            "save it again with torch.export.save(torch.export.export(model, (x,)), path)",
        ) from error
    keywords = tuple(program.call_spec.in_spec.child(1).context or ())
    names = _user_inputs(program)
    wrapped = _flat_module(torch, module, keywords or None)
    tensors = _example_of(torch, program)
    with held_native_output(), torch.no_grad():
        outputs = _named_outputs(torch, module, wrapped, tensors)
        positional = _exported(torch, wrapped, tensors, path.name)
    return _loaded(torch, positional, wrapped, names, outputs)


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """The module and all its parts in evaluation mode, each put back as it was."""
    before = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in before:
            part.training = False
        yield
    finally:
        for part, training in before:
            part.training = training


def _loaded(
    torch: Any, program: Any, wrapped: Any, names: tuple[str, ...], outputs: tuple[str, ...]
) -> LoadedModel:
    def function(*tensors: Any) -> Sequence[Any]:
        with evaluating(wrapped.model):
            return list(wrapped(*tensors))

    shapes = [
        node.meta["val"] for node in program.graph.nodes if node.name in _user_inputs(program)
    ]
    inputs = tuple(
        TensorInfo(name, _shape(value), str(value.dtype).removeprefix("torch."))
        for name, value in zip(names, shapes, strict=True)
    )
    return LoadedModel(function, inputs, outputs, program)


def _flat_module(torch: Any, module: Any, keywords: Sequence[str] | None) -> Any:
    """The module over positional tensors, its outputs flat whatever they were built in."""

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = module

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            if keywords is None:
                result = self.model(*tensors)
            else:
                result = self.model(**dict(zip(keywords, tensors, strict=True)))
            return tuple(torch.utils._pytree.tree_leaves(result))

    flat = Flat()
    flat.training = False
    return flat


def _exported(torch: Any, wrapped: Any, tensors: tuple[Any, ...], name: str) -> Any:
    """With a free batch where that can be, else with a batch of 1."""
    free = tuple({0: torch.export.Dim("batch", min=1)} for _ in tensors)
    single = tuple(tensor[:1] for tensor in tensors)
    try:
        try:
            return torch.export.export(wrapped, tensors, dynamic_shapes=(free,), strict=False)
        except Exception:  # noqa: BLE001 - torch raises many kinds; a fixed batch may still do
            return torch.export.export(wrapped, single, strict=False)
    except Exception as error:  # torch raises many kinds of its own
        raise UnsupportedError(
            f"torch can't export {name}: {_first_line(error)}",
            "make its forward traceable (no branch on the values of a tensor, no numpy inside), "
            "as torch.export.export(model, (x,)) wants it; all of it is at --tb=long",
        ) from error


def _input_names(module: Any, example: Example) -> list[str]:
    """The parameters of forward that the data is for: all of its keys, or the first ones."""
    parameters = [
        each
        for each in inspect.signature(module.forward).parameters.values()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.POSITIONAL_ONLY, each.KEYWORD_ONLY)
    ]
    known = [each.name for each in parameters]
    if example.names is not None and len(example.names) > 1:
        missing = [name for name in example.names if known and name not in known]
        if missing:
            raise ConfigurationError(
                f"edge_data gives an input {missing[0]!r}, which {type(module).__name__}.forward "
                f"does not take: its parameters are {', '.join(known)}",
                "name the inputs of edge_data as forward does",
            )
        return [name for name in known if name in example.names] or list(example.names)
    count = len(example.arrays)
    return known[:count] if len(known) >= count else [f"input_{at}" for at in range(count)]


def _tensors(torch: Any, module: Any, example: Example, names: Sequence[str]) -> tuple[Any, ...]:
    """The example, twice over, in the order of forward and the float dtype of the weights."""
    floating = next(
        (each for each in module.parameters() if each.is_floating_point()), torch.zeros(1)
    )
    arrays = dict(zip(example.names or names, example.arrays, strict=True))
    if len(example.arrays) == 1:
        arrays = {names[0]: example.arrays[0]}
    found = []
    for name in names:
        tensor = torch.from_numpy(arrays[name].copy()).repeat_interleave(_BATCH, 0)
        dtype = floating.dtype if tensor.is_floating_point() else tensor.dtype
        found.append(tensor.to(device=floating.device, dtype=dtype))
    return tuple(found)


def _example_of(torch: Any, program: Any) -> tuple[Any, ...]:
    """Tensors of the shapes that an exported program takes."""
    found = []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in _user_inputs(program):
            value = node.meta["val"]
            shape = [
                size if isinstance(size, int) else (_BATCH if at == 0 else size.node.hint)
                for at, size in enumerate(value.shape)
            ]
            found.append(torch.zeros(shape, dtype=value.dtype))
    return tuple(found)


def _user_inputs(program: Any) -> tuple[str, ...]:
    return tuple(program.graph_signature.user_inputs)


def _named_outputs(
    torch: Any, module: Any, wrapped: Any, tensors: tuple[Any, ...]
) -> tuple[str, ...]:
    """The keys of a dict, the fields of a named tuple, else ``output`` or ``output_0`` and on."""
    try:
        result = _call(wrapped, tensors)
    except Exception as error:  # whatever the module's own layers raise
        shapes = ", ".join(str(tuple(each.shape[1:])) for each in tensors)
        raise ConfigurationError(
            f"{type(module).__name__} can't take the samples of edge_data (shape {shapes}): "
            f"{_first_line(error)}",
            "give edge_data's x in the shape and dtype that the module's forward takes",
        ) from error
    leaves, spec = torch.utils._pytree.tree_flatten_with_path(result)
    del spec
    for _, leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            raise UnsupportedError(
                f"{type(module).__name__} gives a {type(leaf).__name__} among its outputs",
                "let forward return tensors only",
            )
    names = [_path_name(torch, path) for path, _ in leaves]
    if len(names) == 1 and not names[0]:
        return ("output",)
    return tuple(name or f"output_{at}" for at, name in enumerate(names))


def _call(wrapped: Any, tensors: tuple[Any, ...]) -> Any:
    """The module's own result, before it is made flat."""
    kept: list[Any] = []

    def keep(_: Any, __: Any, result: Any) -> None:
        kept.append(result)

    handle = wrapped.model.register_forward_hook(keep)
    try:
        wrapped(*tensors)
    finally:
        handle.remove()
    return kept[-1]


def _path_name(torch: Any, path: Sequence[Any]) -> str:
    keys = [getattr(each, "key", getattr(each, "name", None)) for each in path]
    return "_".join(str(key) for key in keys if isinstance(key, str))


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else -1 for size in value.shape)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else '(no message)'}"
