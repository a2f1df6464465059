"""The signatures of a third-party file: the one to gate is put first in a private copy."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.core.ports import HasSignatures, SourceModel
from pytest_edgegate.session.intake.foreign_files import ForeignModel, reading
from pytest_edgegate.session.intake.taken_in import ready
from pytest_edgegate.tidy.scratch import SCRATCH


def selecting(model: SourceModel) -> Callable[[str, Path], None] | None:
    """Writes the file of the model with another of its signatures first; None if it has none."""
    found = _with_signatures(model)
    if found is None:
        return None

    def select(name: str, out: Path) -> None:
        with reading(model.path or out):
            found.select(name, out)

    return select


def with_signature(artifact: Artifact, model: SourceModel, name: str) -> Artifact:
    """The artifact of a third-party file by its signature *name*.

    Raises ConfigurationError for a format without signatures, UnknownNameError for one that the
    file does not have.
    """
    found = _with_signatures(model)
    if found is None or artifact.select is None:
        raise ConfigurationError(
            f"{artifact.path.name} has no signatures, and signature={name!r} asks for one",
            "take signature= out: files of this format have one way in",
        )
    with reading(artifact.path):
        known = found.signatures
    if name not in known:
        raise UnknownNameError("signature", name, known)
    copy = SelectedCopy(artifact.path.name)
    artifact.select(name, copy.files[0])
    return replace(artifact, signature=name, copy=copy)


def _with_signatures(model: SourceModel) -> HasSignatures | None:
    held = ready(model)
    found = held.found if isinstance(held, ForeignModel) else held
    return found if isinstance(found, HasSignatures) else None


class SelectedCopy:
    """A private file under the name of the user's; it is deleted with its last holder."""

    def __init__(self, name: str) -> None:
        folder = SCRATCH.subfolder("signature")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.files = (folder / name,)
