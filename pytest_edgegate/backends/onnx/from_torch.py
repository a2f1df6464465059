"""torch modules to .onnx, by torch's own exporter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.model_file import OPSET, cleaned, import_onnx, write
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    CompressionError,
    EdgeGateError,
    UnsupportedError,
)
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import LoadedModel, Produced, SourceModel, TransformData
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target


class TorchToOnnx:
    """Float export with a free batch where the module allows it, weights inside the file."""

    version = 1
    packages = ("torch", "onnx", "onnxscript", "onnx_ir")
    programs = ()
    moves = (Move(("torch", "float32"), None, ("onnx", "float32")),)

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        return None

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"opset": OPSET}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        loaded = model.load()
        import_onnx()
        main = out / f"{model.name}.onnx"
        with held_native_output():
            try:
                made = cleaned(_export(loaded))
                _name_ends(made, loaded)
                write(made, main)
            except EdgeGateError:
                raise
            except Exception as error:  # the exporter raises many kinds of its own
                raise _export_error(model, error) from error
        return Produced(main, (main,), loaded.notes)


def _export(loaded: LoadedModel) -> Any:
    import torch

    try:
        import onnxscript  # noqa: F401 - torch's exporter needs it and says so late
    except ImportError as error:
        raise BackendUnavailableError(
            "onnxscript", "making an .onnx file of a torch model", "torch"
        ) from error
    program: Any = torch.onnx.export(
        loaded.framework_model,
        (),
        opset_version=OPSET,
        input_names=[each.name for each in loaded.inputs],
        output_names=list(loaded.outputs),
        external_data=False,
        dynamo=True,
        optimize=True,
        verbose=False,
    )
    return program.model_proto


def _name_ends(made: Any, loaded: LoadedModel) -> None:
    """The free batch is called ``batch``, whatever symbol the exporter chose."""
    symbols = {
        each.type.tensor_type.shape.dim[0].dim_param
        for each in made.graph.input
        if each.type.tensor_type.shape.dim
    } - {""}
    ends = (made.graph.input, made.graph.output, made.graph.value_info)
    for value in (each for group in ends for each in group):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param in symbols:
                size.dim_param = "batch"


def _export_error(model: SourceModel, error: Exception) -> EdgeGateError:
    text = " ".join(str(error).split())
    chain = [str(each) for each in _chain(error)]
    named = next(
        (found for line in chain for found in re.findall(r"aten[.:]+[\w.:]+|torchvision[.:]+\w+",
                                                         line)), "")  # fmt: skip
    if "No ONNX function found" in " ".join(chain) or "UnsupportedOperator" in type(error).__name__:
        layer = _layer(chain)
        return UnsupportedError(
            f"{model.name} has the operator {named or 'unknown'}{layer}, which ONNX has no "
            "translation of",
            "write that layer with operators that have one, or give the model as an .onnx file "
            "that you exported with a custom translation",
        )
    return CompressionError(
        f"torch's ONNX exporter failed on {model.name}: {text[:300]}",
        "the exporter's own traceback is at --tb=long",
    )


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _layer(lines: list[str]) -> str:
    """Where the operator stands in the module, as far as the exporter's text shows it."""
    text = "\n".join(lines)
    node = re.search(r"node (%?[\w]+)", text)
    return f" (node {node.group(1)})" if node else ""


TRANSFORM = TorchToOnnx()
