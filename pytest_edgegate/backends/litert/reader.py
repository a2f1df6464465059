"""Recognises .tflite files, float or already quantised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import MAGIC
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel, SourceModel, Surroundings
from pytest_edgegate.reading.regular import open_regular


class LiteRTReader:
    """Tells a .tflite file by the identifier in its first bytes."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        if not isinstance(candidate, Path) or not candidate.is_file():
            return None
        with open_regular(candidate) as opened:
            if opened.read(8)[4:] != MAGIC:
                return None
        return LiteRTFile(candidate)


@dataclass(frozen=True)
class LiteRTFile:
    """A .tflite file; whether it is int8 is read from its tensors."""

    path: Path
    runtime: str = "litert-xnnpack"
    note: str = ""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @property
    def node(self) -> tuple[str, str]:
        return ("litert", self._dtype)

    @cached_property
    def _dtype(self) -> str:
        return "int8" if INSPECTOR.describe(self.path).fully_quantized else "float32"

    def digest(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return file_digest(self.path)

    def load(self) -> LoadedModel:
        raise UnsupportedError(
            f"{self.path.name} is a .tflite file: it can be run but not converted again",
            "give the model that it was made from",
        )


READER = LiteRTReader()
