"""Models in a form that the framework process can load: files, and saved graphs of live models."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Example, GraphBatch, HasGraph, SourceModel, Surroundings
from pytest_edgegate.session.intake.foreign_files import ForeignModel
from pytest_edgegate.tidy.scratch import SCRATCH

_KEPT = 4
"""The number of saved graphs; the tests of a module mostly share one model."""


@dataclass(frozen=True)
class Source:
    """The reader, path and digest by which another process loads a model."""

    reader: str
    """``module:attribute``"""
    path: Path
    digest: str
    around: Surroundings

    def fields(self) -> dict[str, str]:
        return {"reader": self.reader, "path": str(self.path), "digest": self.digest}


def source_of(model: SourceModel) -> Source | None:
    """The source of a file whose reader can be imported; None for any other model.

    A file under ``edge_allow_code`` has none: its framework may need what a conftest.py registered
    in the session.
    """
    if not isinstance(model, ForeignModel) or model.around is None or model.reader is None:
        return None
    if model.around.allow_code:
        return None
    return Source(model.reader, model.path, model.digest(), model.around)


_Key = tuple[str, str, GraphBatch]
"""Digest, name and batch."""


class Graphs:
    """Saved graphs of live models; each content is saved once."""

    def __init__(self) -> None:
        self._written: dict[_Key, Source | None] = {}

    def source(self, model: SourceModel, batch: GraphBatch) -> Source | None:
        """The source of the model's graph for that *batch*.

        None if the model has no graph or it can't be saved: the live model itself is converted
        then, and raises the error with the reason if there is one.
        """
        if model.path is not None or not isinstance(model, HasGraph):
            return None
        key = (model.digest(), model.name, batch)
        if key not in self._written:
            while len(self._written) >= _KEPT:
                self._drop(next(iter(self._written)))
            self._written[key] = self._write(model, batch, key[0])
        return self._written[key]

    def _drop(self, key: _Key) -> None:
        old = self._written.pop(key)
        if old is not None:
            shutil.rmtree(old.path, ignore_errors=True)

    @staticmethod
    def _write(model: HasGraph, batch: GraphBatch, digest: str) -> Source | None:
        folder = SCRATCH.subfolder("graph")
        try:
            model.write_graph(folder, batch)
        except Exception:  # noqa: BLE001 - the conversion of the live model raises it again
            return None
        return Source(model.graph_reader, folder, digest, Surroundings(_no_sample))


def _no_sample() -> Example:
    raise ConfigurationError("a graph needs no sample", "report this as a fault of the reader")
