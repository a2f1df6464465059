"""Models and inspectors of backends, whose every word about a file that others made is guarded.

What a backend raises for such bytes becomes an error of ours here, for all backends alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.errors import CompressionError, InferenceError
from pytest_edgegate.core.ports import Inspector, LoadedModel, SourceModel, Surroundings
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.storage.cache import FULL_DISK

_REMEDY = (
    "make the file again, or check that it may be read; the library's own words are at --tb=long"
)


def reading(path: Path | str) -> AbstractContextManager[None]:
    """Around whatever reads a file: what it raises becomes an InferenceError."""
    return foreign(f"{str(Path(path).name)[:100]} can't be read", _REMEDY, InferenceError)


@contextmanager
def converting(what: str) -> Iterator[None]:
    """Around what makes a file of another: what it raises becomes a CompressionError.

    A full disk passes: the cache tells it.
    """
    full: OSError | None = None
    with foreign(f"{what} failed", "the tool's own traceback is at --tb=long", CompressionError):
        try:
            yield
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            full = error
    if full is not None:
        raise full


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """``SourceModel`` of a file: as its reader recognised it, with its errors as ours."""

    found: SourceModel
    path: Path
    reader: str | None = None
    """``module:attribute`` of its reader, where another process can import it."""
    around: Surroundings | None = None
    """What its reader was told beside the path."""

    @property
    def name(self) -> str:
        return self.found.name

    @property
    def runtime(self) -> str:
        return self.found.runtime

    @property
    def note(self) -> str:
        with reading(self.path):
            return self.found.note

    @property
    def node(self) -> tuple[str, str]:
        with reading(self.path):
            return self.found.node

    @property
    def files(self) -> tuple[Path, ...]:
        with reading(self.path):
            return self.found.files

    def digest(self) -> str:
        with reading(self.path):
            return self.found.digest()

    def load(self) -> LoadedModel:
        with reading(self.path):
            return self.found.load()

    def __getattr__(self, name: str) -> Any:
        """What a reader tells the transforms of its own backend beside the port."""
        return getattr(self.found, name)


@dataclass(frozen=True)
class ForeignInspector:
    """``Inspector`` with its errors as ours."""

    inspector: Inspector

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(self.inspector.formats)

    def describe(self, path: Path) -> ModelDescription:
        with reading(path):
            return self.inspector.describe(path)
