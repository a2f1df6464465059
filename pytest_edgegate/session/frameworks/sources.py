"""Models as another process finds them: files, and graphs of live models that were written down."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import Example, HasGraph, SourceModel, Surroundings
from pytest_edgegate.session.intake.foreign_files import ForeignModel
from pytest_edgegate.tidy.scratch import SCRATCH

_KEPT = 4
"""Graphs: the tests of a module go by one model, mostly."""


@dataclass(frozen=True)
class Source:
    """A model as another process finds it."""

    reader: str
    """``module:attribute``"""
    path: Path
    digest: str
    around: Surroundings

    def fields(self) -> dict[str, str]:
        return {"reader": self.reader, "path": str(self.path), "digest": self.digest}


def source_of(model: SourceModel) -> Source | None:
    """The model for another process: a file, whose reader can be imported; None for any other.

    A file whose code the user trusts may need what a conftest.py has told its framework.
    """
    if not isinstance(model, ForeignModel) or model.around is None or model.reader is None:
        return None
    if model.around.allow_code:
        return None
    return Source(model.reader, model.path, model.digest(), model.around)


class Graphs:
    """Graphs of live models that were written down, each once for its content."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], Source | None] = {}

    def source(self, model: SourceModel) -> Source | None:
        """None for a model that has no graph, or none that can be written: whoever converts the
        model itself says why."""
        if model.path is not None or not isinstance(model, HasGraph):
            return None
        key = (model.digest(), model.name)
        if key not in self._written:
            while len(self._written) >= _KEPT:
                self._drop(next(iter(self._written)))
            self._written[key] = self._write(model, key[0])
        return self._written[key]

    def _drop(self, key: tuple[str, str]) -> None:
        old = self._written.pop(key)
        if old is not None:
            shutil.rmtree(old.path, ignore_errors=True)

    @staticmethod
    def _write(model: HasGraph, digest: str) -> Source | None:
        folder = SCRATCH.subfolder("graph")
        try:
            model.write_graph(folder)
        except Exception:  # noqa: BLE001 - of whatever kind, the conversion itself tells it
            return None
        return Source(model.graph_reader, folder, digest, Surroundings(_no_sample))


def _no_sample() -> Example:
    raise ConfigurationError("a graph needs no sample", "report this as a fault of the reader")
