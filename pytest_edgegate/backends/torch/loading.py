"""Loads a live module or a .pt2 archive as an exported program over positional tensors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.lookups import Lookup, beyond_table
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.tools import first_line, needed
from pytest_edgegate.backends.torch.archive import vetted
from pytest_edgegate.backends.torch.arguments import Arguments, of_forward, of_program
from pytest_edgegate.backends.torch.exporting import (
    exported,
    flat_module,
    not_exported,
)
from pytest_edgegate.backends.torch.lookups import failed_lookup
from pytest_edgegate.backends.torch.trainable import copied, rebuilt
from pytest_edgegate.backends.torch.training_identity import training_identity
from pytest_edgegate.backends.torch.undisturbed import undisturbed
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import (
    ConfigurationError,
    InferenceError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import Example, LoadedModel

_BATCH = 2
"""Samples in the example of an export: torch makes a batch of 1 a constant."""


def import_torch() -> ModuleType:
    """The torch module. Raises BackendUnavailableError where it is not installed."""
    with needed("torch", "a torch model", "torch"), held_native_output(), _waiting_asleep():
        import torch
    module: ModuleType = torch
    return module


@contextmanager
def _waiting_asleep() -> Iterator[None]:
    """Lets threads of OpenMP that have no work sleep, unless the user has said otherwise.

    They spin by default, which on cores that are shared takes several times the CPU of the work.
    OpenMP reads the variable once, when its library is loaded: an earlier import of torch stays.
    """
    name = "OMP_WAIT_POLICY"
    if name in os.environ:
        yield
        return
    os.environ[name] = "passive"
    try:
        yield
    finally:
        os.environ.pop(name, None)


def from_module(module: Any, example: Example) -> LoadedModel:
    """A live ``torch.nn.Module`` in evaluation mode; *example* shows what it takes.

    ``framework_model`` is a ``torch.export.ExportedProgram`` that takes positional tensors, the
    batch of any size where the module allows it, and gives a flat tuple; a module that torch can't
    export has none, and the reason in ``unexported``. The module, its modes and its buffers stay as
    they are. Raises ConfigurationError for a module that does not take the example.
    """
    torch = import_torch()
    arguments = of_forward(module, example)
    tensors = _tensors(torch, module, example, arguments)
    name = type(module).__name__
    wrapped = flat_module(torch, module, arguments)
    with held_native_output(), torch.no_grad(), undisturbed(torch, module) as changed:
        tensors, result = _tried(torch, wrapped, tensors, name)
        if _were_written(tensors):
            arguments = arguments.copying()
            wrapped = flat_module(torch, module, arguments)
        outputs = _output_names(torch, result, name, arguments.names)
        stateful = changed()
        try:
            program = exported(torch, *_on_cpu(torch, wrapped, tensors, arguments), name)
        except UnsupportedError as error:
            stateful = stateful or _has_buffers_of_its_own(module)
            function = ModuleFunction(torch, wrapped, stateful=stateful)
            return _unexported(function, tensors, arguments.names, outputs, error)
    function = ModuleFunction(torch, wrapped, stateful=stateful or _writes_buffers(program))
    trainable = partial(copied, torch, module, arguments, name)
    loaded = _loaded(program, function, arguments.names, outputs, trainable)
    return replace(loaded, training_identity=partial(training_identity, torch, wrapped, tensors))


def from_archive(path: Path) -> LoadedModel:
    """A ``.pt2`` archive, read without running code from it, with the dimensions that it frees.

    Raises UnsupportedError for one with code, ConfigurationError for one that torch can't read.
    """
    torch = import_torch()
    copy = vetted(path)
    try:
        program = read_program(torch, copy)
        with held_native_output():
            module = program.module()
    except Exception as error:  # torch may raise anything for an unreadable archive
        raise ConfigurationError(
            f"{path.name} can't be read as an exported program: {first_line(error)}",
            "save it again with torch.export.save(torch.export.export(model, (x,)), path)",
        ) from error
    arguments = of_program(torch, program, path.name)
    tensors, free = _example_of(torch, program, arguments)
    wrapped = flat_module(torch, module, arguments)
    with undisturbed(torch, module), held_native_output(), torch.no_grad():
        result = wrapped.call(tensors)
        if _were_written(tensors):
            arguments = arguments.copying()
            wrapped = flat_module(torch, module, arguments)
        outputs = _output_names(torch, result, path.name, arguments.names)
        try:
            positional = torch.export.export(wrapped, tensors, dynamic_shapes=(free,), strict=False)
        except Exception as error:  # torch raises many types
            raise not_exported(path.name, error) from error
    function = ModuleFunction(torch, wrapped, stateful=_writes_buffers(program))
    trainable = partial(rebuilt, torch, positional, path.name)
    return _loaded(positional, function, arguments.names, outputs, trainable)


def read_program(torch: Any, archive: Path | BytesIO) -> Any:
    """The exported program of an archive that may be trusted; it can be exported again."""
    import_module("torch.ao.quantization.fx._decomposed")  # registers what int8 programs call
    with held_native_output():
        program = torch.export.load(archive)
    # torch reads them as views, and does not export a view that is detached in its place
    for name, constant in program.constants.items():
        program.constants[name] = constant.clone()
    return program


def _on_cpu(
    torch: Any, wrapped: Any, tensors: tuple[Any, ...], arguments: Arguments
) -> tuple[Any, tuple[Any, ...]]:
    """The module on the CPU: a graph names its device, and CUDA's kernels limit the batch."""
    if all(each.device.type == "cpu" for each in tensors):
        return wrapped, tensors
    try:
        copied_module = deepcopy(wrapped.model).to("cpu")
    except Exception:  # noqa: BLE001 - of whatever kind: it is exported where it is
        return wrapped, tensors
    return flat_module(torch, copied_module, arguments), tuple(each.to("cpu") for each in tensors)


class ModuleFunction:
    """``LoadedModel.function`` of a module: torch tensors to torch tensors.

    ``stateful``: a run leaves something in a buffer. It is put back after each call. Random numbers
    go on from one call to the next, as on a device, and those of the user do not.
    """

    def __init__(self, torch: Any, wrapped: Any, *, stateful: bool) -> None:
        self._torch = torch
        self._wrapped = wrapped
        self.stateful = stateful
        self._random: Any = None

    @property
    def device(self) -> Any:
        """The device of its weights."""
        weights = (*self._wrapped.model.parameters(), *self._wrapped.model.buffers())
        return next((each.device for each in weights), "cpu")

    def __call__(self, *tensors: Any) -> Sequence[Any]:
        with undisturbed(self._torch, self._wrapped.model, buffers=self.stateful):
            random = self._torch.random
            if self._random is not None:
                random.set_rng_state(self._random)
            made = list(self._wrapped(*tensors))
            self._random = random.get_rng_state()
            return made


def _writes_buffers(program: Any) -> bool:
    """Whether the graph writes to a buffer, as it may do for some values only.

    Exported graphs still write in place, so the signature does not show it yet. A write to what is
    only made from a buffer counts too: found too often, it costs time and nothing else.
    """
    buffers = program.graph_signature.inputs_to_buffers
    for node in program.graph.nodes:
        if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
            written = node
            while getattr(written, "op", "") == "call_function" and written.args:
                written = written.args[0]
            if getattr(written, "name", "") in buffers:
                return True
    return False


def _loaded(
    program: Any,
    function: ModuleFunction,
    names: tuple[str, ...],
    outputs: tuple[str, ...],
    trainable: Callable[[], Any],
) -> LoadedModel:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    inputs = tuple(
        TensorInfo(name, _shape(values[node]), str(values[node].dtype).removeprefix("torch."))
        for name, node in zip(names, program.graph_signature.user_inputs, strict=True)
    )
    fixed = {each.shape[0] for each in inputs if each.shape} - {-1}
    notes = (f"its batch can't be free: it is exported with {min(fixed)}",) if fixed else ()
    stateful = ("a buffer",) if function.stateful else ()
    return LoadedModel(function, inputs, outputs, program, notes, stateful, trainable=trainable)


def _unexported(
    function: ModuleFunction,
    tensors: tuple[Any, ...],
    names: tuple[str, ...],
    outputs: tuple[str, ...],
    error: UnsupportedError,
) -> LoadedModel:
    """A module that can be run, one sample at a time: it may branch on the values of a batch."""
    inputs = tuple(
        TensorInfo(name, (1, *tensor.shape[1:]), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in zip(names, tensors, strict=True)
    )
    stateful = ("a buffer",) if function.stateful else ()
    return LoadedModel(function, inputs, outputs, stateful=stateful, unexported=error)


def _has_buffers_of_its_own(module: Any) -> bool:
    """Whether a part that is not torch's has a buffer, which it may write to for some samples."""
    return any(
        part._buffers and not type(part).__module__.startswith("torch.")
        for part in module.modules()
    )


def _tensors(torch: Any, module: Any, example: Example, arguments: Arguments) -> tuple[Any, ...]:
    """The example, twice over, in the order of forward and the float dtype of the weights."""
    weights = (*module.parameters(), *module.buffers())
    floating = next(
        (each for each in weights if each.is_floating_point()), torch.zeros(1, dtype=torch.float32)
    )
    arrays = dict(zip(example.names or arguments.names, example.arrays, strict=True))
    if len(example.arrays) == 1:
        arrays = {arguments.names[0]: example.arrays[0]}
    found = []
    for name in arguments.names:
        tensor = torch.from_numpy(arrays[name].copy()).repeat_interleave(_BATCH, 0)
        dtype = floating.dtype if tensor.is_floating_point() else tensor.dtype
        found.append(tensor.to(device=floating.device, dtype=dtype))
    return tuple(found)


def _example_of(
    torch: Any, program: Any, arguments: Arguments
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Tensors of the shapes that an exported program takes, and for each its free dimensions."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    tensors, free = [], []
    for name in arguments.names:
        value = values[name]
        shape = [
            size if isinstance(size, int) else size.node.hint or _BATCH for size in value.shape
        ]
        tensors.append(torch.zeros(shape, dtype=value.dtype))
        free.append(
            {
                at: torch.export.Dim.AUTO
                for at, size in enumerate(value.shape)
                if not isinstance(size, int)
            }
        )
    return tuple(tensors), tuple(free)


def _tried(
    torch: Any, wrapped: Any, tensors: tuple[Any, ...], name: str
) -> tuple[tuple[Any, ...], Any]:
    """The example of as many samples as the module takes at once, and what it gives for it."""
    single = tuple(tensor[:1] for tensor in tensors)
    try:
        result = wrapped.call(tensors)
        if not _per_sample(torch, result, _BATCH):
            tensors, result = single, wrapped.call(single)
    except Exception:  # noqa: BLE001 - of whatever kind: it may take one sample at a time
        try:
            tensors, result = single, wrapped.call(single)
        except Exception as error:  # the module's layers may raise anything
            looked_up = partial(failed_lookup, torch, partial(wrapped.call, single))
            beyond = _beyond_table(error, name, tensors, looked_up)
            if beyond is not None:
                raise ConfigurationError(beyond.message, beyond.remedy) from error
            shapes = ", ".join(str(tuple(each.shape[1:])) for each in tensors)
            raise ConfigurationError(
                f"{name} can't take the samples of edge_data (shape {shapes}): {first_line(error)}",
                "give edge_data's x in the shape and dtype that the module's forward takes",
            ) from error
    return tensors, result


def _beyond_table(
    error: Exception, name: str, tensors: tuple[Any, ...], find: Callable[[], Lookup]
) -> InferenceError | None:
    given = [each.cpu().numpy() for each in tensors]
    inputs = [
        TensorInfo(f"input {at}", each.shape, str(each.dtype)) for at, each in enumerate(given)
    ]
    return beyond_table(error, name, inputs, given, find)


def _were_written(tensors: Sequence[Any]) -> bool:
    """Whether a call has written to tensors that were made for it: torch counts the writes."""
    return any(each._version > 0 for each in tensors)


def _per_sample(torch: Any, result: Any, count: int) -> bool:
    leaves = torch.utils._pytree.tree_leaves(result)
    return all(
        not isinstance(leaf, torch.Tensor) or (leaf.ndim > 0 and len(leaf) == count)
        for leaf in leaves
    )


def _output_names(torch: Any, result: Any, model: str, inputs: Sequence[str]) -> tuple[str, ...]:
    """The keys of a dict, the fields of a named tuple, else ``output`` or ``output_0`` and on.

    None is the name of an input, as ONNX wants it. Raises UnsupportedError for what is no tensor.
    """
    leaves, _ = torch.utils._pytree.tree_flatten_with_path(result)
    for _, leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            raise UnsupportedError(
                f"{model} gives a {type(leaf).__name__} among its outputs",
                "let forward return tensors only",
            )
    names = [_path_name(path) for path, _ in leaves]
    if len(names) == 1 and not names[0]:
        return ("output",)
    found = (name or f"output_{at}" for at, name in enumerate(names))
    return tuple(f"{name}_out" if name in inputs else name for name in found)


def _path_name(path: Sequence[Any]) -> str:
    """``boxes`` for a key, ``boxes_0`` inside it, nothing where no part has a name."""
    keys = [getattr(each, "key", getattr(each, "name", getattr(each, "idx", ""))) for each in path]
    return "_".join(map(str, keys)) if any(isinstance(key, str) for key in keys) else ""


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else -1 for size in value.shape)
