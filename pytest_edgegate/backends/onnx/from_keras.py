"""Keras models and SavedModels to .onnx, by tf2onnx."""

from __future__ import annotations

import os
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


class KerasToOnnx:
    """Float export with a free batch; inputs stay as Keras has them, channels last."""

    version = 1
    packages = ("tensorflow", "keras", "tf_keras", "tf2onnx", "onnx")
    programs = ()
    moves = tuple(
        Move((source, "float32"), None, ("onnx", "float32")) for source in ("keras", "savedmodel")
    )

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
                made = cleaned(_convert(loaded))
                _rename(made, loaded)
                write(made, main)
            except EdgeGateError:
                raise
            except Exception as error:  # tf2onnx and TensorFlow raise many kinds of their own
                raise _conversion_error(model, error) from error
        return Produced(main, (main,), loaded.notes)


def _convert(loaded: LoadedModel) -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tensorflow as tf
        import tf2onnx
    except ImportError as error:
        raise BackendUnavailableError(
            error.name or "tf2onnx", "making an .onnx file of a Keras model", "all"
        ) from error
    specs = [
        tf.TensorSpec([None if size < 0 else size for size in each.shape], each.dtype, each.name)
        for each in loaded.inputs
    ]
    function = tf.function(loaded.function, input_signature=specs)
    made, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=OPSET)
    unknown = sorted(
        {f"{node.op_type} ({node.name})" for node in made.graph.node if node.domain not in _KNOWN}
    )
    if unknown:
        raise UnsupportedError(
            f"tf2onnx has no translation of {', '.join(unknown[:3])}",
            "replace those layers by ones of standard TensorFlow operators",
        )
    return made


_KNOWN = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


def _rename(made: Any, loaded: LoadedModel) -> None:
    """Inputs and outputs under the model's names and in its order, all else numbered.

    tf2onnx names tensors after counters of the process, so that the same model made twice would
    differ in its bytes.
    """
    graph = made.graph
    given = {each.name.split(":")[0]: each for each in graph.input}
    inputs = [given[_bare(each.name)] for each in loaded.inputs]
    names = {each.name: info.name for each, info in zip(inputs, loaded.inputs, strict=True)}
    outputs = list(graph.output)  # from_function keeps the order in which they are returned
    if len({each.name for each in outputs}) == len(outputs):
        names |= {each.name: name for each, name in zip(outputs, loaded.outputs, strict=True)}
    taken = set(names.values())
    for node in graph.node:
        for name in node.output:
            names.setdefault(name, _free(f"t{len(names)}", taken))
    for tensor in graph.initializer:
        names.setdefault(tensor.name, _free(f"w{len(names)}", taken))
    for at, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{at}"
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for group in (graph.initializer, graph.input, graph.output, graph.value_info):
        for each in group:
            each.name = names.get(each.name, each.name)
    by_name = {each.name: each for each in graph.input}
    ordered = [by_name[each.name] for each in loaded.inputs]
    copies = [type(each).FromString(each.SerializeToString()) for each in ordered]
    del graph.input[:]
    graph.input.extend(copies)
    del graph.value_info[:]
    graph.name = "graph"
    for each in (*graph.input, *graph.output):
        for size in each.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = "batch"


def _bare(name: str) -> str:
    return name.split(":", maxsplit=1)[0]


def _free(name: str, taken: set[str]) -> str:
    return f"{name}_" if name in taken else name


def _conversion_error(model: SourceModel, error: Exception) -> EdgeGateError:
    text = " ".join(str(error).split())[:300]
    return CompressionError(
        f"tf2onnx failed on {model.name}: {type(error).__name__}: {text}",
        "the converter's own traceback is at --tb=long",
    )


TRANSFORM = KerasToOnnx()
