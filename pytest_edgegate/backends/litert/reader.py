"""Recognises .tflite files, float or already quantised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_edgegate.backends.damaged import refused_if_inconsistent
from pytest_edgegate.backends.litert.inspector import INSPECTOR, in_integers
from pytest_edgegate.backends.litert.schema import MAGIC, pack, unpack
from pytest_edgegate.backends.litert.signatures import put_first
from pytest_edgegate.core.defaults import FileModel
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel, SourceModel, Surroundings
from pytest_edgegate.reading.regular import open_regular


class LiteRTReader:
    """Recognises a .tflite file by the identifier in its first bytes."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        if not isinstance(candidate, Path) or not candidate.is_file():
            return None
        with open_regular(candidate) as opened:
            if opened.read(8)[4:] != MAGIC:
                return None
        return LiteRTFile(candidate)


@dataclass(frozen=True)
class LiteRTFile(FileModel):
    """A .tflite file; whether it is int8 is read from its tensors.

    One that is quantised in part is int8 too: nothing quantises it again, and it is gated as it is.
    """

    runtime: str = "litert-xnnpack"

    @cached_property
    def node(self) -> tuple[str, str]:
        described = INSPECTOR.describe(self.path)
        quantised = described.fully_quantized or any(map(in_integers, described.operators))
        return ("litert", "int8" if quantised else "float32")

    @property
    def signatures(self) -> tuple[str, ...]:
        return tuple(each.name for each in INSPECTOR.describe(self.path).signatures)

    def select(self, name: str, out: Path) -> None:
        model = unpack(self.path)
        with refused_if_inconsistent(self.path):
            put_first(model, name)
            out.write_bytes(pack(model))

    def load(self) -> LoadedModel:
        raise UnsupportedError(
            f"{self.path.name} is a .tflite file: it can be run but not converted again",
            "give the model that it was made from",
        )


READER = LiteRTReader()
