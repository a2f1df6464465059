"""Recognises OpenVINO IR, float or already quantised, importing no framework."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_edgegate.backends.openvino.ir import Network, is_ir, weights_file
from pytest_edgegate.core.defaults import FileModel
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import LoadedModel, SourceModel, Surroundings


class IRReader:
    """Recognises an .xml file by its first element."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        if not isinstance(candidate, Path) or not candidate.is_file():
            return None
        if candidate.suffix.lower() != ".xml" or not is_ir(candidate):
            return None
        return IRFile(candidate)


@dataclass(frozen=True)
class IRFile(FileModel):
    """An .xml with its .bin."""

    runtime: str = "openvino"

    @property
    def files(self) -> tuple[Path, ...]:
        Network(self.path)  # refuses a missing .bin before its bytes are counted
        weights = weights_file(self.path)
        return (self.path, weights) if weights.is_file() else (self.path,)

    @cached_property
    def node(self) -> tuple[str, str]:
        return ("openvino", self._dtype())

    def _dtype(self) -> str:
        network = Network(self.path)
        if any(each.kind == "FakeQuantize" for each in network.layers.values()):
            return "int8"
        stored = {
            each.data.get("element_type")
            for each in network.layers.values()
            if each.kind == "Const"
        }
        return "float16" if "f16" in stored else "float32"

    def load(self) -> LoadedModel:
        raise UnsupportedError(
            f"{self.path.name} is an OpenVINO IR: it can be run and quantised, not converted to "
            "another format",
            "give the model that it was made from",
        )


READER = IRReader()
