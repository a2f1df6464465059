"""Recognises torch modules and .pt2 archives, importing no framework."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.torch.archive import (
    is_archive,
    is_quantised,
    is_torch_save,
    refuse_code,
)
from pytest_edgegate.backends.torch.saved import refused
from pytest_edgegate.core.defaults import FileModel
from pytest_edgegate.core.ports import Example, GraphBatch, LoadedModel, SourceModel, Surroundings
from pytest_edgegate.reading.regular import open_regular

RUNTIME = "torch"
_NODE = ("torch", "float32")
_QUANTISED = ("torch", "int8")
_ZIP = b"PK\x03\x04"
_PICKLES = (".pt", ".pth", ".ckpt")
_SUFFIXES = (".pt2", ".bin", *_PICKLES)


class TorchReader:
    """Live modules and exported programs; ``.pt`` files are refused with the lines to paste."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        if not isinstance(candidate, Path):
            return LiveModule(candidate, around) if _is_module(candidate) else None
        if not candidate.is_file() or candidate.suffix.lower() not in _SUFFIXES:
            return None
        program = candidate.suffix.lower() == ".pt2"
        with open_regular(candidate) as opened:
            zipped = opened.read(4) == _ZIP
        if program or (zipped and is_archive(candidate)):
            refuse_code(candidate)
            node = _QUANTISED if is_quantised(candidate) else _NODE
            return ExportedFile(candidate, node=node)
        # Before 1.6 torch.save wrote a bare pickle, which only its name shows
        if is_torch_save(candidate) if zipped else candidate.suffix.lower() in _PICKLES:
            raise refused(candidate, zipped=zipped)
        return None


@dataclass(frozen=True)
class ExportedFile(FileModel):
    """A ``.pt2`` archive; its digest is that of its bytes."""

    runtime: str = RUNTIME
    node: tuple[str, str] = _NODE

    def load(self) -> LoadedModel:
        return self._loaded

    @cached_property
    def _loaded(self) -> LoadedModel:
        from pytest_edgegate.backends.torch.loading import from_archive

        return from_archive(self.path)


class LiveModule:
    """A module object; its digest is that of its exported graph, its weights and its constants.

    Source text and class names would miss closures and in-place changes of weights: the graph is
    exported once, the weights are digested each time.
    """

    path = None
    files = ()
    runtime = RUNTIME
    note = ""
    node = _NODE
    graph_reader = "pytest_edgegate.backends.torch.traced:READER"

    def __init__(self, module: Any, around: Surroundings) -> None:
        self._module = module
        self._around = around

    @property
    def name(self) -> str:
        return type(self._module).__name__

    def digest(self) -> str:
        from pytest_edgegate.backends.torch.digests import program_digest

        return program_digest(self.load(), self._module)

    def load(self) -> LoadedModel:
        return self._loaded

    def write_graph(self, folder: Path, batch: GraphBatch) -> None:
        from pytest_edgegate.backends.torch.traced import write_program

        write_program(self.load(), self.name, folder)

    @cached_property
    def _loaded(self) -> LoadedModel:
        from pytest_edgegate.backends.torch.loading import from_module

        example: Example = self._around.example()
        return from_module(self._module, example)


def _is_module(candidate: object) -> bool:
    """Whether an object is a ``torch.nn.Module``, known by the names of its bases."""
    return any(
        base.__name__ == "Module" and base.__module__ == "torch.nn.modules.module"
        for base in type(candidate).__mro__
    )


READER = TorchReader()
