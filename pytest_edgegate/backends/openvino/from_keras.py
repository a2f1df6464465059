"""Keras models and SavedModels to OpenVINO IR, by OpenVINO's own reader of TensorFlow's graphs.

By way of ONNX, whose channels come first, Transposes stay between layers, and nncf leaves depthwise
convolutions behind one in float.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.openvino.from_onnx import bodies, save
from pytest_edgegate.backends.openvino.runtime import import_openvino
from pytest_edgegate.backends.openvino.telemetry import unreported
from pytest_edgegate.backends.other_floats import refuse_other_graph
from pytest_edgegate.backends.stateful_models import refuse_stateful
from pytest_edgegate.backends.tf_graphs import GRAPH, AsFunction, freeze_any_batch, layer_of
from pytest_edgegate.backends.tools import needed, one_line, tool_errors
from pytest_edgegate.backends.wrapped_layers import unwrapping
from pytest_edgegate.core.defaults import TransformDefaults
from pytest_edgegate.core.errors import CompressionError, EdgeGateError, UnsupportedError
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
from pytest_edgegate.tidy.scratch import SCRATCH

_UNKNOWN_FLOATS = ("bfloat16",)
"""OpenVINO has layers of the other floats: a model in float16 may stay in it."""
_OPSET = 18


class KerasToOpenVino(TransformDefaults):
    """Float export with a free batch; inputs stay as Keras has them, channels last."""

    version = 1
    takes_graphs = GraphBatch.FREE
    packages = ("tensorflow", "keras", "tf_keras", "ml_dtypes", "tf2onnx", "onnx", "openvino")
    moves = tuple(
        Move((source, "float32"), None, ("openvino", "float32"))
        for source in ("keras", "savedmodel")
    )

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        loaded = model.load()
        refuse_stateful(model.name, loaded)
        openvino, tf = import_openvino(), _tensorflow()
        with held_native_output():
            with tool_errors(lambda error: _conversion_error(model, error)):
                frozen = freeze_any_batch(tf, loaded)
            refuse_other_graph(model.name, frozen.graph, _UNKNOWN_FLOATS)
            with tool_errors(lambda error: _reading_error(model, frozen.graph, error)):
                converted = _converted(openvino, frozen)
                _name_inputs_outputs(converted, loaded)
                made = save(converted, out / f"{model.name}.xml")
        return replace(made, notes=loaded.notes)


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with needed("tensorflow", "making an OpenVINO file of a Keras model", "keras"):
        import tensorflow
    return tensorflow


def _converted(openvino: Any, frozen: Any) -> Any:
    """OpenVINO's model of a frozen graph, its inputs and outputs in the graph's order."""
    with tempfile.TemporaryDirectory(dir=SCRATCH.folder()) as folder, unreported():
        fused = _without_loops(openvino, frozen, Path(folder)) if _has_loops(frozen) else None
        return _read(openvino, frozen, Path(folder)) if fused is None else fused


def _read(openvino: Any, frozen: Any, folder: Path) -> Any:
    """The graph from a file, in a tenth of the time that OpenVINO takes to go through a function
    in Python."""
    path = folder / GRAPH
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    fed, given = ([each.name for each in side] for side in (frozen.inputs, frozen.outputs))
    return openvino.convert_model(str(path), input=fed, output=given)


def _has_loops(frozen: Any) -> bool:
    return any(each.type in ("While", "StatelessWhile") for each in frozen.graph.get_operations())


def _without_loops(openvino: Any, frozen: Any, folder: Path) -> Any:
    """The model by way of ONNX, if that leaves no loop of it; else None.

    tf2onnx sees an LSTM in its loop. OpenVINO runs that as one operator, ten times as fast as the
    loop, which it does not see through. Of GRUs and others tf2onnx makes what OpenVINO can't read.
    """
    path = folder / "graph.onnx"
    try:
        import tf2onnx

        made, _ = tf2onnx.convert.from_function(
            AsFunction(frozen), input_signature=(), opset=_OPSET
        )
        path.write_bytes(made.SerializeToString())
        converted = openvino.convert_model(str(path))
    except Exception:  # noqa: BLE001 - of either converter; OpenVINO reads the graph itself
        return None
    nodes = converted.get_ordered_ops()
    if any(bodies(each) for each in nodes):
        return None
    # tf2onnx numbers its names over the whole process
    for at, node in enumerate(nodes):
        node.set_friendly_name(f"{node.get_type_name()}_{at}")
    fed = {name: each for each in converted.get_parameters() for name in each.output(0).get_names()}
    for node in nodes:
        for port in node.outputs():
            port.get_tensor().set_names(set())
    return openvino.Model(
        converted.get_results(), [fed[each.name] for each in frozen.inputs], "graph"
    )


def _name_inputs_outputs(converted: Any, loaded: LoadedModel) -> None:
    """The model's names: TensorFlow has others for the outputs, and for some inputs."""
    # Inputs come last: an output that is an input gives its own name to both
    for ports, names in (
        (converted.outputs, loaded.outputs),
        (converted.inputs, [each.name for each in loaded.inputs]),
    ):
        for port, name in zip(ports, names, strict=True):
            port.get_tensor().set_names({name})
            port.get_node().set_friendly_name(name)


def _conversion_error(model: SourceModel, error: Exception) -> EdgeGateError:
    wrapped = unwrapping(str(error))
    if wrapped:
        return UnsupportedError(f"{model.name} has layers that are wrapped for a training", wrapped)
    return CompressionError(
        f"OpenVINO's conversion failed on {model.name}: {type(error).__name__}: {one_line(error)}",
        "the converter's own traceback is at --tb=long",
    )


_UNKNOWN = re.compile(r"No conversion rule found for operations: ([^\n]+)")


def _reading_error(model: SourceModel, graph: Any, error: Exception) -> EdgeGateError:
    """OpenVINO names the kinds of operators that it can't translate, the graph their layers."""
    unknown = _UNKNOWN.search(str(error))
    if unknown is None:
        return _conversion_error(model, error)
    kinds = [each.strip() for each in unknown[1].split(",")]
    found = {
        f"{each.type} (in the layer {layer_of(each.name)!r})"
        for each in graph.get_operations()
        if each.type in kinds
    }
    return UnsupportedError(
        f"{model.name} has the operator {', '.join(sorted(found or kinds)[:3])}, which OpenVINO "
        "has no translation of",
        "write that layer with operators that have one (convolutions, dense layers, pooling, "
        "elementwise arithmetic)",
    )


TRANSFORM = KerasToOpenVino()
