"""The exported program of a live module, which the session saves for another process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.torch.archive import refuse_code
from pytest_edgegate.backends.torch.loading import import_torch, read_program
from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel, SourceModel, Surroundings

PROGRAM, SIGNATURE = "program.pt2", "signature.json"
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
    signature = {
        "name": name,
        "inputs": as_plain(loaded.inputs),
        "outputs": loaded.outputs,
        "notes": loaded.notes,
        "stateful": loaded.stateful,
    }
    (folder / SIGNATURE).write_text(json.dumps(signature), "utf-8")


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


class ProgramReader:
    """Reads the folder that ``LiveModule.write_graph`` wrote in the session."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        return SavedProgram(candidate) if isinstance(candidate, Path) else None


@dataclass(frozen=True)
class SavedProgram:
    """A module as far as conversions need it; it can't be trained."""

    path: Path
    node: tuple[str, str] = ("torch", "float32")
    runtime: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        return str(self._signature["name"])

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path / PROGRAM,)

    def digest(self) -> str:
        return file_digest(self.path / PROGRAM)

    def load(self) -> LoadedModel:
        return self._loaded

    @cached_property
    def _signature(self) -> dict[str, Any]:
        signature: dict[str, Any] = json.loads((self.path / SIGNATURE).read_text("utf-8"))
        return signature

    @cached_property
    def _loaded(self) -> LoadedModel:
        torch, signature = import_torch(), self._signature
        program = read_program(torch, self.path / PROGRAM)
        return LoadedModel(
            _called(torch, program),
            tuple(from_plain(TensorInfo, each) for each in signature["inputs"]),
            tuple(signature["outputs"]),
            program,
            tuple(signature["notes"]),
            tuple(signature["stateful"]),
        )


def _called(torch: Any, program: Any) -> Callable[..., Sequence[Any]]:
    def function(*tensors: Any) -> Sequence[Any]:
        with torch.no_grad():
            return list(program.module()(*tensors))

    return function


READER = ProgramReader()
