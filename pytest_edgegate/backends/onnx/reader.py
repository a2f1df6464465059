"""Recognises .onnx files, float or already quantised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.onnx.external import external_files
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.model_file import import_onnx, open_model
from pytest_edgegate.core.defaults import FileModel
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.ports import LoadedModel, SourceModel, Surroundings

_QUANTISED = (
    "QuantizeLinear",
    "DequantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
    "DynamicQuantizeLinear",
    "QGemm",
)
_FLOAT16 = 10


class OnnxReader:
    """Recognises an .onnx file by its name: a protobuf has no signature."""

    def recognise(self, candidate: object, around: Surroundings) -> SourceModel | None:
        if not isinstance(candidate, Path) or candidate.suffix.lower() != ".onnx":
            return None
        return OnnxFile(candidate) if candidate.is_file() else None


@dataclass(frozen=True)
class OnnxFile(FileModel):
    """An .onnx file, with the files that hold its weights."""

    runtime: str = "onnxruntime"

    @cached_property
    def _model(self) -> Any:
        return open_model(self.path, weights=False)

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path, *external_files(self._model, self.path))

    @cached_property
    def node(self) -> tuple[str, str]:
        return ("onnx", self._dtype())

    def _dtype(self) -> str:
        kinds = {node.op_type for node in self._model.graph.node}
        if kinds.intersection(_QUANTISED):
            return "int8"
        types = {each.data_type for each in self._model.graph.initializer}
        return "float16" if _FLOAT16 in types else "float32"

    def load(self) -> LoadedModel:
        """``framework_model`` is the ModelProto with its weights; nothing is callable."""
        described = INSPECTOR.describe(self.path)
        inputs: tuple[TensorInfo, ...] = described.inputs
        import_onnx()
        return LoadedModel(
            _not_callable,
            inputs,
            tuple(each.name for each in described.outputs),
            open_model(self.path),
        )


def _not_callable(*tensors: Any) -> Any:
    raise NotImplementedError("an .onnx file is run by its runtime, not called")


READER = OnnxReader()
