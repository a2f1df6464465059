"""Graphs of live models that the session has written into a folder for another process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.ports import LoadedModel, SourceModel, Surroundings

_SIGNATURE = "signature.json"


def write_signature(folder: Path, loaded: LoadedModel, **more: Any) -> None:
    """Writes what is known of a model besides its graph, and *more*: JSON values."""
    signature = {
        "inputs": as_plain(loaded.inputs),
        "outputs": loaded.outputs,
        "notes": loaded.notes,
        "stateful": loaded.stateful,
        **more,
    }
    (folder / _SIGNATURE).write_text(json.dumps(signature), "utf-8")


def read_signature(folder: Path) -> dict[str, Any]:
    """What ``write_signature`` wrote."""
    signature: dict[str, Any] = json.loads((folder / _SIGNATURE).read_text("utf-8"))
    return signature


def with_signature(
    signature: dict[str, Any],
    function: Callable[..., Sequence[Any]],
    framework_model: object | None = None,
) -> LoadedModel:
    """A model with the inputs, outputs, notes and states of a *signature*."""
    return LoadedModel(
        function,
        tuple(from_plain(TensorInfo, each) for each in signature["inputs"]),
        tuple(signature["outputs"]),
        framework_model,
        tuple(signature["notes"]),
        tuple(signature["stateful"]),
    )


@dataclass(frozen=True)
class WrittenGraph:
    """A model as far as conversions need it; it can't be trained.

    A subclass defines ``node``, ``content`` and ``read``.
    """

    path: Path
    runtime: str = ""
    note: str = ""
    node: ClassVar[tuple[str, str]]
    content: ClassVar[str]
    """The name of the file with the graph and its weights."""

    @property
    def name(self) -> str:
        return str(read_signature(self.path)["name"])

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path / self.content,)

    def digest(self) -> str:
        return file_digest(self.path / self.content)

    def load(self) -> LoadedModel:
        return self._loaded

    @cached_property
    def _loaded(self) -> LoadedModel:
        return self.read(self.path)

    @staticmethod
    def read(folder: Path) -> LoadedModel:
        """The model that is written in *folder*."""
        raise NotImplementedError


@dataclass(frozen=True)
class WrittenGraphReader:
    """Reads the folders that ``write_graph`` of a live model wrote in the session."""

    kind: type[WrittenGraph]

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        return self.kind(candidate) if isinstance(candidate, Path) else None
