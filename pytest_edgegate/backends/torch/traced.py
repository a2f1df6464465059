"""The exported program of a live module, which the session saves for another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.archive import refuse_code
from pytest_edgegate.backends.torch.loading import import_torch, read_program
from pytest_edgegate.backends.written_graphs import (
    WrittenGraph,
    WrittenGraphReader,
    read_signature,
    with_signature,
    write_signature,
)
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel

PROGRAM = "program.pt2"
_TORCHS_OWN = frozenset({"aten", "prims", "quantized_decomposed"})
"""The namespaces of the operators that every process has: the user's imports bring others."""


def write_program(loaded: LoadedModel, name: str, folder: Path) -> None:
    """Writes the exported program of a live module into *folder*.

    It keeps the layers of its operators, which messages name and a vetted ``.pt2`` has lost. Raises
    UnsupportedError for a program that another process can't read, or what torch raises.
    """
    torch = import_torch()
    _refuse_others_operators(torch, loaded.framework_model, name)
    with held_native_output():
        torch.export.save(loaded.framework_model, folder / PROGRAM)
    refuse_code(folder / PROGRAM)
    write_signature(folder, loaded, name=name)


def _refuse_others_operators(torch: Any, program: Any, name: str) -> None:
    operators = {
        node.target
        for part in program.graph_module.modules()  # the graphs of branches and loops too
        for node in getattr(getattr(part, "graph", None), "nodes", ())
        if isinstance(node.target, torch._ops.OpOverload)
    }
    others = sorted(str(each) for each in operators if each.namespace not in _TORCHS_OWN)
    if others:
        raise UnsupportedError(
            f"{name} has the operator {others[0]}, which another process may lack",
            "convert the live module itself",
        )


class SavedProgram(WrittenGraph):
    """What ``LiveModule.write_graph`` wrote."""

    node = ("torch", "float32")
    content = PROGRAM

    @staticmethod
    def read(folder: Path) -> LoadedModel:
        torch = import_torch()
        program = read_program(torch, folder / PROGRAM)
        return with_signature(read_signature(folder), _called(torch, program), program)


def _called(torch: Any, program: Any) -> Callable[..., Sequence[Any]]:
    def function(*tensors: Any) -> Sequence[Any]:
        with torch.no_grad():
            return list(program.module()(*tensors))

    return function


READER = WrittenGraphReader(SavedProgram)
