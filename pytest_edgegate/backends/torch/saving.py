"""Trained modules as .pt2 files of the same bytes each time."""

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
    module: Any, inputs: Sequence[TensorInfo], path: Path, *,
    outputs: Sequence[str] = ("output",), sample: Sequence[Array] | None = None,
) -> None:  # fmt: skip
    """Exports *module*, on the CPU in evaluation mode, and writes it to *path*, a ``.pt2``.

    *module* takes positional tensors and gives a flat tuple; *inputs* and *outputs* are what its
    ends are called when the file is read. The batch is free where the module allows it, else 1.
    *sample*, an array of shape (1, ...) for each input, tells the sizes of other dimensions that
    *inputs* leave free: they become constant.
    Raises UnsupportedError for a module that torch can't export, or whose file would hold code.
    """
    torch = import_torch()
    tensors = tuple(
        torch.zeros(_shape(each, None if sample is None else sample[at]),
                    dtype=getattr(torch, each.dtype))
        for at, each in enumerate(inputs)
    )  # fmt: skip
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
            "replace the operators of its own that the model calls by torch's",
        ) from error
    path.write_bytes(content)


def _shape(tensor: TensorInfo, sample: Array | None) -> tuple[int, ...]:
    sizes = tensor.shape if sample is None else (tensor.shape[0], *sample.shape[1:])
    return tuple(_BATCH if size < 0 else size for size in sizes)
