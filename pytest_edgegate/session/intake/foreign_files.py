"""Guards for the models and inspectors of backends when they read third-party files.

Exceptions that a backend raises for such bytes become edgegate errors here, for all backends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.description import HeldTwice, ModelDescription
from pytest_edgegate.core.errors import CompressionError, InferenceError
from pytest_edgegate.core.ports import (
    FindsHeldTwice,
    Inspector,
    LoadedModel,
    SourceModel,
    Surroundings,
)
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.storage.cache import FULL_DISK

_REMEDY = (
    "make the file again, or check that it may be read; the library's own words are at --tb=long"
)


def reading(path: Path | str) -> AbstractContextManager[None]:
    """Around code that reads a file: its exceptions become an InferenceError."""
    return foreign(f"{str(Path(path).name)[:100]} can't be read", _REMEDY, InferenceError)


@contextmanager
def converting(what: str) -> Iterator[None]:
    """Around a conversion between files: its exceptions become a CompressionError.

    The error of a full disk passes through: the cache reports it.
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
    """``SourceModel`` of a file, with the reader's exceptions as edgegate errors."""

    found: SourceModel
    path: Path
    reader: str | None = None
    """``module:attribute`` of its reader, if another process can import it."""
    around: Surroundings | None = None
    """The context that its reader got besides the path."""

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
        """Attributes beyond the port, for the transforms of the reader's own backend."""
        return getattr(self.found, name)


@dataclass(frozen=True)
class ForeignInspector:
    """``Inspector`` with its exceptions as edgegate errors."""

    inspector: Inspector

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(self.inspector.formats)

    def describe(self, path: Path) -> ModelDescription:
        with reading(path):
            return self.inspector.describe(path)

    def held_twice(self, path: Path) -> HeldTwice:
        if not isinstance(self.inspector, FindsHeldTwice):
            return HeldTwice()
        with reading(path):
            return self.inspector.held_twice(path)


class RememberingInspector(ForeignInspector):
    """The same, with what it found in the last files: several questions are asked of each."""

    _KEPT = 4

    def __init__(self, inspector: Inspector) -> None:
        super().__init__(inspector)
        object.__setattr__(self, "_found", {})

    def describe(self, path: Path) -> ModelDescription:
        with reading(path):
            seen = path.stat()
        key = (str(path), seen.st_mtime_ns, seen.st_size, seen.st_ino)
        found: dict[object, ModelDescription] = self.__dict__["_found"]
        if key not in found:
            made = super().describe(path)
            while len(found) >= self._KEPT:
                del found[next(iter(found))]
            found[key] = made
        return found[key]
