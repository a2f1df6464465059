"""The traced graph of a live model, which the session saves for another process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_edgegate.backends.keras.tensorflow import import_tensorflow
from pytest_edgegate.backends.tf_graphs import GRAPH, read_graph, read_signature
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.ports import LoadedModel, SourceModel, Surroundings


class TracedReader:
    """Reads the folder that ``LiveModel.write_graph`` wrote in the session."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        return TracedModel(candidate) if isinstance(candidate, Path) else None


@dataclass(frozen=True)
class TracedModel:
    """A model as far as conversions need it; it can't be trained."""

    path: Path
    node: tuple[str, str] = ("keras", "float32")
    runtime: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        return str(read_signature(self.path)["name"])

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path / GRAPH,)

    def digest(self) -> str:
        return file_digest(self.path / GRAPH)

    def load(self) -> LoadedModel:
        return self._loaded

    @cached_property
    def _loaded(self) -> LoadedModel:
        return read_graph(import_tensorflow(), self.path)


READER = TracedReader()
