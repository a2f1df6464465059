"""Artifacts: the files that ship, and where they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pytest_edgegate.core.digests import files_digest
from pytest_edgegate.core.layout import Layout
from pytest_edgegate.core.recipe import Recipe, spell


class Copied(Protocol):
    """Private copies of files that may change; they are deleted with their last holder."""

    @property
    def files(self) -> tuple[Path, ...]: ...


@dataclass(frozen=True, repr=False)
class Artifact:
    """A compressed model on disk, as it would ship.

    ``path`` is the file that a runtime opens, ``files`` every file that ships with it (``path``
    included), ``size_bytes`` their total size, ``sha256`` the digest of ``path``. Readers of the
    bytes use ``content``, which never changes.
    """

    path: Path
    format: str
    dtype: str | None
    """The dtype that the recipe promises ("int8"), or None for a third-party file."""
    files: tuple[Path, ...]
    size_bytes: int
    sha256: str
    recipe: Recipe
    target: str
    cached: bool
    compiled: Path | None = None
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    signature: str = ""
    """The signature of the file to gate, if the user named one; ``content`` has it first."""
    select: Callable[[str, Path], None] | None = field(default=None, repr=False, compare=False)
    """Writes the file with another of its signatures first; None in a format without any."""
    copy: Copied | None = field(default=None, repr=False, compare=False)
    """The copies of third-party files; None for files in the cache."""

    given: bool = field(default=False, compare=False)
    """Whether the user named it by its path, whatever made it."""
    exported: Path | None = field(default=None, compare=False)
    """Where ``--edge-export`` has put it, if it was given: the file that a runtime opens."""

    def __repr__(self) -> str:
        kind = f"{self.format} {self.dtype}" if self.dtype else self.format
        origin = spell(self.recipe) if self.recipe else "no recipe"
        return (
            f"<Artifact {self.path.name}: {kind}, {self.size_bytes:,} bytes, {origin}, "
            f"{self.target}; in {self.path.parent}>"
        )

    @property
    def content(self) -> tuple[Path, ...]:
        """The files with the digested bytes, in the order of ``files``."""
        return self.files if self.copy is None else self.copy.files

    @property
    def main(self) -> Path:
        """The file among ``content`` that a runtime opens."""
        return self.path if self.copy is None else self.content[0]

    @property
    def digest(self) -> str:
        """The digest over all files, which identifies an artifact of several files."""
        alone = len(self.files) < 2 and not self.signature
        return self.sha256 if alone else files_digest(self.content)

    @property
    def made(self) -> bool:
        """Whether this gate built the artifact; False for a third-party file."""
        return bool(self.provenance)

    @property
    def layout(self) -> Layout:
        """Its axes relative to those of the model that it was made from."""
        lists = self.provenance.get("layout")
        return Layout() if lists is None else Layout.from_lists(lists)
