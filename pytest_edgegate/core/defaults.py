"""Default implementations of the ports, so that a backend defines only what differs.

Deriving from them is optional: any object that satisfies a protocol of ``core/ports`` works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_edgegate.core.description import ExecutedOperator
from pytest_edgegate.core.digests import files_digest
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import ExternalProgram, Runner, SourceModel
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target

if TYPE_CHECKING:
    from pytest_edgegate.core.ports.runtimes import Array


class TransformDefaults:
    """A ``Transform`` that accepts every step of its moves, independent of the target.

    A subclass defines ``moves``, ``packages``, ``apply`` and ``version``.
    """

    version: int = 1
    programs: Sequence[ExternalProgram] = ()

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {}


@dataclass(frozen=True)
class FileModel:
    """A ``SourceModel`` identified by the bytes of its file. A subclass defines ``node``, ``load``.

    A model of several files lists them all in ``files``, ``path`` first.
    """

    path: Path
    runtime: str
    note: str = ""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def digest(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return files_digest(self.files)


class RuntimeDefaults:
    """A ``Runtime`` without options that does not report the operators it ran.

    A subclass defines ``formats``, ``packages``, ``opens_files`` and ``open``.
    """

    options: Mapping[str, object] = MappingProxyType({})

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        return None


class FileRuntime(RuntimeDefaults):
    """A ``Runtime`` of files. A subclass defines ``formats``, ``packages`` and ``open_file``."""

    opens_files = True
    title: str
    """The name shown to users."""
    takes: str
    """The kind of file that it opens: "an .onnx file"."""

    def open(self, model: Path | SourceModel) -> Runner:
        path = model if isinstance(model, Path) else model.path
        if path is None:
            raise InferenceError(f"{self.title} runs files only", f"save the model as {self.takes}")
        return self.open_file(path)

    def open_file(self, path: Path) -> Runner:
        """Raises ``InferenceError`` or ``BackendUnavailableError``."""
        raise NotImplementedError
