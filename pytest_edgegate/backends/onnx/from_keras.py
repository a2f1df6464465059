"""Keras models and SavedModels to .onnx, by tf2onnx."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.keras_qat.work import PACKAGES
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.canonical import name_as_model
from pytest_edgegate.backends.onnx.model_file import OPSET, cleaned, import_onnx, write
from pytest_edgegate.backends.onnx.qat_from_keras import check_training, trained_for_int8
from pytest_edgegate.backends.other_floats import refuse_other_graph
from pytest_edgegate.backends.stateful_models import refuse_stateful
from pytest_edgegate.backends.tf_graphs import AsFunction, graph_names, layer_of, trace
from pytest_edgegate.backends.tools import one_line, tool_errors
from pytest_edgegate.backends.wrapped_layers import unwrapping
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
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
from pytest_edgegate.core.recipe import QAT, Step
from pytest_edgegate.core.target import Target

_SOURCES = ("keras", "savedmodel")


class KerasToOnnx(TransformDefaults):
    """Float export with a free batch; inputs stay as Keras has them, channels last.

    The result of quantisation-aware training has a batch of 1, and is int8 between float inputs
    and outputs.
    """

    version = 5
    takes_graphs = GraphBatch.FREE
    packages = (*PACKAGES, "tf2onnx", "onnx")
    moves = (
        *(Move((source, "float32"), None, ("onnx", "float32")) for source in _SOURCES),
        Move(("keras", "float32"), QAT, ("onnx", "int8")),
    )

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"opset": OPSET, "activations": target.activations}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        if isinstance(step, QAT):
            return trained_for_int8(model, step, target, data, out)
        loaded = model.load()
        refuse_stateful(model.name, loaded)
        import_onnx()
        main = out / f"{model.name}.onnx"
        with held_native_output(), tool_errors(lambda error: _conversion_error(model, error)):
            made = _convert(model.name, loaded)
            _refuse_unknown(model, made)
            made = cleaned(made)
            _name_inputs_outputs(made, loaded)
            write(made, main)
        return Produced(main, (main,), loaded.notes)

    def check(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData
    ) -> None:
        if isinstance(step, QAT):
            check_training(model, step, data)


def _convert(name: str, loaded: LoadedModel) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
        import tf2onnx
    except ImportError as error:
        raise BackendUnavailableError(
            error.name or "tf2onnx", "making an .onnx file of a Keras model", "all"
        ) from error
    function = trace(tf, loaded)
    refuse_other_graph(name, function.graph, _UNKNOWN_FLOATS)
    made, _ = tf2onnx.convert.from_function(AsFunction(function), input_signature=(), opset=OPSET)
    return made


_UNKNOWN_FLOATS = ("bfloat16",)
"""ONNX has layers of the other floats: a model in float16 may stay in it."""


def _refuse_unknown(model: SourceModel, made: Any) -> None:
    """tf2onnx leaves what it can't translate in the graph, under TensorFlow's name."""
    onnx = import_onnx()
    unknown = sorted(
        {
            f"{node.op_type} (in the layer {layer_of(node.name)!r})"
            for node in made.graph.node
            if node.domain not in _CONTRIBUTED and not onnx.defs.has(node.op_type, node.domain)
        }
    )
    if unknown:
        raise UnsupportedError(
            f"{model.name} has the operator {', '.join(unknown[:3])}, which ONNX has no "
            "translation of",
            "write that layer with operators that have one (convolutions, dense layers, pooling, "
            "elementwise arithmetic)",
        )


_CONTRIBUTED = ("ai.onnx.ml", "com.microsoft")


def _name_inputs_outputs(made: Any, loaded: LoadedModel) -> None:
    """tf2onnx puts a number behind a name, and keeps the order in which outputs are returned."""
    given = {_bare(each.name): each.name for each in made.graph.input}
    name_as_model(made.graph, [given[name] for name in graph_names(loaded.inputs)], loaded)


def _bare(name: str) -> str:
    return name.split(":", maxsplit=1)[0]


def _conversion_error(model: SourceModel, error: Exception) -> EdgeGateError:
    wrapped = unwrapping(str(error))
    if wrapped:
        return UnsupportedError(f"{model.name} has layers that are wrapped for a training", wrapped)
    return CompressionError(
        f"tf2onnx failed on {model.name}: {type(error).__name__}: {one_line(error)}",
        "the converter's own traceback is at --tb=long",
    )


TRANSFORM = KerasToOnnx()
