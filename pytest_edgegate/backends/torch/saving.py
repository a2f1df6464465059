"""Saves trained modules as .pt2 files with reproducible bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.archive import vetted
from pytest_edgegate.backends.torch.exporting import exported, named_module
from pytest_edgegate.backends.torch.loading import import_torch
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.data.splits import Array

_BATCH = 2
"""Samples in the example of an export: torch makes a batch of 1 a constant."""


def save_program(
    module: Any,
    inputs: Sequence[TensorInfo],
    path: Path,
    *,
    outputs: Sequence[str] = ("output",),
    sample: Sequence[Array] | None = None,
) -> None:
    """Exports *module*, on the CPU in evaluation mode, and writes it to *path*, a ``.pt2``.

    *module* takes positional tensors and gives a flat tuple; *inputs* and *outputs* are what
    these are called when the file is read. The batch is free where the module allows it, else 1.
    Where other dimensions of *inputs* are free too, they become those of *sample*, an array of
    shape (n, ...) for each input.
    Raises UnsupportedError for a module that torch can't export, or whose file would hold code.
    """
    torch = import_torch()
    tensors = tuple(
        torch.zeros(shape, dtype=getattr(torch, each.dtype))
        for shape, each in zip(_shapes(inputs, sample), inputs, strict=True)
    )
    with held_native_output():
        named = named_module(torch, module, [each.name for each in inputs], outputs)
        save(exported(torch, named, tensors, path.stem), path)


def save(program: Any, path: Path) -> None:
    """Writes an exported program as this project reads it: without code, notes and dates.

    Raises UnsupportedError for one that could not be read back.
    """
    torch = import_torch()
    with held_native_output():
        torch.export.save(program, path)
    try:
        content = vetted(path).getvalue()
    except UnsupportedError as error:
        path.unlink()
        raise UnsupportedError(
            f"{path.stem} can't be kept as a file between two steps: {error.message}",
            "replace the model's custom operators by torch's",
        ) from error
    path.write_bytes(content)


def needs_sample(inputs: Sequence[TensorInfo]) -> bool:
    """Whether other dimensions than the batch are free."""
    return any(size < 0 for each in inputs for size in each.shape[1:])


def _shapes(inputs: Sequence[TensorInfo], sample: Sequence[Array] | None) -> list[tuple[int, ...]]:
    shapes = [each.shape for each in (inputs if sample is None else sample)]
    return [
        (_BATCH if each.shape[0] < 0 else each.shape[0], *shape[1:])
        for each, shape in zip(inputs, shapes, strict=True)
    ]
