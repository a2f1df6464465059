"""The parts of a live module that only training uses, and that its digest leaves out."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Iterator
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.digests import ADDRESS, content, graph_lines


def training_identity(torch: Any, wrapped: Any, tensors: tuple[Any, ...]) -> str:
    """SHA-256, the same in every process: what is frozen and what is tied, the settings of layers
    (momentum, dropout), the code of classes that are not torch's, and the graph in training mode.

    *wrapped* is a module of ``flat_module``, *tensors* samples that it takes. It stays as it is.
    """
    made = hashlib.sha256()
    for lines in (
        _parameters(wrapped),
        _layers(wrapped),
        _sources(wrapped),
        _graph(torch, wrapped, tensors),
    ):
        for line in lines:
            made.update(ADDRESS.sub("", line).encode())
        made.update(b"\0")
    return made.hexdigest()


def _parameters(module: Any) -> Iterator[str]:
    """Frozen or not; a parameter that is there by two names is trained as one."""
    first: dict[int, str] = {}
    for name, each in module.named_parameters(remove_duplicate=False):
        yield f"{name} {each.requires_grad} {first.setdefault(id(each), name)}\n"


def _layers(module: Any) -> Iterator[str]:
    for name, part in module.named_modules():
        kind = type(part)
        yield f"{name} {kind.__module__}.{kind.__qualname__} {part.extra_repr()}\n"


def _sources(module: Any) -> Iterator[str]:
    """User-defined classes: training may call their backward or other methods."""
    classes = {
        base for part in module.modules() for base in type(part).__mro__ if not _is_known(base)
    }
    for kind in sorted(classes, key=lambda kind: (kind.__module__, kind.__qualname__)):
        try:
            yield inspect.getsource(kind)
        except (OSError, TypeError):  # made without a file: typed in, or by type()
            continue


def _is_known(kind: type) -> bool:
    """Whether a class is from Python or torch, whose version is in the key, or this project."""
    return kind.__module__.split(".")[0] in ("builtins", "typing", "torch", __name__.split(".")[0])


def _graph(torch: Any, wrapped: Any, tensors: tuple[Any, ...]) -> list[str]:
    """Closures and attributes count by what they are while learning; nothing for what torch can't
    copy or export so."""
    with held_native_output(), torch.random.fork_rng(devices=[]):
        try:
            learning = copy.deepcopy(wrapped)
            for part in learning.modules():  # exported ones refuse train()
                part.training = True
            with torch.enable_grad():
                program = torch.export.export(learning, tensors, strict=False)
        except Exception:  # noqa: BLE001 - of whatever kind: a training may still do without
            return []
    constants = sorted(program.constants.items())
    digests = (
        f"{name} {hashlib.sha256(content(value)).hexdigest()}\n" for name, value in constants
    )
    return [*graph_lines(program.graph_module), *digests]
