"""torch modules to .onnx, by torch's own exporter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.model_file import OPSET, cleaned, import_onnx, write
from pytest_edgegate.backends.tools import needed, tool_errors
from pytest_edgegate.backends.torch_programs import refuse_other_floats
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import (
    CompressionError,
    EdgeGateError,
    UnsupportedError,
)
from pytest_edgegate.core.plan import Move
from pytest_edgegate.core.ports import (
    GraphBatch,
    LoadedModel,
    Produced,
    SourceModel,
    TransformData,
)
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target


class TorchToOnnx(TransformDefaults):
    """Float export with a free batch where the module allows it, weights inside the file."""

    version = 1
    takes_graphs = GraphBatch.FREE
    packages = ("torch", "onnx", "onnxscript", "onnx_ir")
    moves = (Move(("torch", "float32"), None, ("onnx", "float32")),)

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"opset": OPSET}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        main = out / f"{model.name}.onnx"
        write_exported(model, main)
        return Produced(main, (main,), model.load().notes)


def write_exported(
    model: SourceModel, main: Path, finish: Callable[[Any], object] = lambda made: None
) -> None:
    """Exports a torch program to *main*; *finish* changes the ModelProto before it is written.

    Raises UnsupportedError for an operator that ONNX does not have, CompressionError.
    """
    loaded = model.load()
    _refuse(model, loaded)
    import_onnx()
    with held_native_output(), tool_errors(lambda error: _export_error(model, loaded, error)):
        made = cleaned(_export(loaded))
        _name_batch(made, loaded)
        finish(made)
        write(made, main)


def _export(loaded: LoadedModel) -> Any:
    import torch

    with needed("onnxscript", "making an .onnx file of a torch model", "torch"):
        import onnxscript  # noqa: F401 - torch's exporter needs it and says so late
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


def _name_batch(made: Any, loaded: LoadedModel) -> None:
    """The free batch is called ``batch``, whatever symbol the exporter chose."""
    symbols = {
        each.type.tensor_type.shape.dim[0].dim_param
        for each in made.graph.input
        if each.type.tensor_type.shape.dim
    } - {""}
    for value in (*made.graph.input, *made.graph.output, *made.graph.value_info):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param in symbols:
                size.dim_param = "batch"


def _refuse(model: SourceModel, loaded: LoadedModel) -> None:
    """Rejects models whose file would not run here, or would compute something else."""
    refuse_other_floats(model.name, loaded)
    if loaded.stateful:
        raise UnsupportedError(
            f"{model.name} writes to a buffer in its forward, and an .onnx file keeps nothing "
            "from one run to the next",
            "give that state as an input and return it as an output",
        )


def _export_error(model: SourceModel, loaded: LoadedModel, error: Exception) -> EdgeGateError:
    text = "\n".join(str(each) for each in _chain(error))
    operator = re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", text)
    node = re.search(r"translating node %?(\w+)", text)
    if operator is not None:
        layer = _layer(loaded.framework_model, node[1]) if node else ""
        return UnsupportedError(
            f"{model.name} has the operator {operator[1]}{layer}, which ONNX has no translation of",
            "write that layer with operators that have one, or give the model as an .onnx file "
            "that you exported with a custom translation",
        )
    return CompressionError(
        f"torch's ONNX exporter failed on {model.name}: {_reason(text)}",
        "the exporter's own traceback is at --tb=long",
    )


def _reason(text: str) -> str:
    """The innermost error in the exporter's long text, or its beginning."""
    summary = text.partition("## Exception summary")[2].strip() or text
    return " ".join(summary.split())[:300]


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _layer(program: Any, node: str) -> str:
    """In which layer of the module an operator stands, by the name of its node.

    The exporter takes operators apart, and the parts are called after the whole: ``_linalg_svd``.
    """
    bare = re.sub(r"_\d+$", "", node.strip("_"))
    nodes = [each for each in program.graph.nodes if each.op == "call_function"]
    named = [each for each in nodes if each.name.strip("_") == node.strip("_")]
    named += [each for each in nodes if bare in each.name]
    for each in named:
        stack = list(each.meta.get("nn_module_stack", {}).values())
        path = str(stack[-1][0]).removeprefix("model").removeprefix(".") if stack else ""
        if path:
            return f" (in the layer {path!r})"
    return ""


TRANSFORM = TorchToOnnx()
