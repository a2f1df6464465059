"""TensorFlow graphs with their weights as constants: frozen, written down, read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.core.by_value import as_plain, from_plain
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import GraphBatch, LoadedModel

GRAPH, SIGNATURE = "graph.pb", "signature.json"


def freeze(tf: Any, loaded: LoadedModel) -> Any:
    """The model as a concrete function for one sample, its weights frozen.

    Raises UnsupportedError for an input whose sizes are not fixed.
    """
    known = _read(loaded)
    if known is not None:
        return known
    for each in loaded.inputs:
        if -1 in each.shape[1:]:
            raise UnsupportedError(
                f"the input {each.name!r} has the dynamic shape {each.shape}: a .tflite file for a "
                "board has fixed shapes",
                "give the model an Input with every size fixed but the batch",
            )
    specs = [tf.TensorSpec((1, *each.shape[1:]), each.dtype, each.name) for each in loaded.inputs]
    concrete = tf.function(loaded.function).get_concrete_function(*specs)
    # Variables of Keras 3 do not survive the converter's calibration, constants do
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(concrete)


def trace(tf: Any, loaded: LoadedModel) -> Any:
    """The model as a concrete function whose batch is free, as are all sizes that it leaves open.

    Its weights are variables, or constants if the model is a graph that was read.
    """
    known = _read(loaded)
    if known is not None:
        return known
    specs = [
        tf.TensorSpec([None if size < 0 else size for size in each.shape], each.dtype, each.name)
        for each in loaded.inputs
    ]
    return tf.function(loaded.function, input_signature=specs).get_concrete_function()


def _read(loaded: LoadedModel) -> Any:
    """The frozen function of a graph that was read; None for any other model."""
    return getattr(loaded.function, "frozen", None)


def _frozen_for_any_batch(tf: Any, loaded: LoadedModel) -> Any:
    """What ``trace`` makes of the model, its weights frozen and its loops whole.

    These are the settings with which tf2onnx freezes: it translates loops only as TensorFlow 2
    writes them.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(
        trace(tf, loaded), lower_control_flow=False, aggressive_inlining=True
    )


_FREEZE = {GraphBatch.ONE: freeze, GraphBatch.FREE: _frozen_for_any_batch}


def write_graph(tf: Any, loaded: LoadedModel, name: str, folder: Path, batch: GraphBatch) -> None:
    """Writes the frozen graph of the model for that *batch* into *folder*.

    Raises ValueError for a graph of more than 2 GB, UnsupportedError as ``freeze`` does.
    """
    with held_native_output():
        frozen = _FREEZE[batch](tf, loaded)
        content = frozen.graph.as_graph_def().SerializeToString()
    signature = {
        "name": name,
        "inputs": as_plain(loaded.inputs),
        "outputs": loaded.outputs,
        "notes": loaded.notes,
        "stateful": loaded.stateful,
        "fed": [each.name for each in frozen.inputs],
        "given": [each.name for each in frozen.outputs],
    }
    (folder / GRAPH).write_bytes(content)
    (folder / SIGNATURE).write_text(json.dumps(signature), "utf-8")


def read_signature(folder: Path) -> dict[str, Any]:
    """What is known of a graph without reading it."""
    signature: dict[str, Any] = json.loads((folder / SIGNATURE).read_text("utf-8"))
    return signature


def read_graph(tf: Any, folder: Path) -> LoadedModel:
    """The model that was written; ``freeze`` and ``trace`` return its graph as it is."""
    signature, graph = read_signature(folder), tf.compat.v1.GraphDef()
    graph.ParseFromString((folder / GRAPH).read_bytes())
    with held_native_output():
        whole = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(graph, name=""), []
        )
        frozen = whole.prune(signature["fed"], signature["given"])
    return LoadedModel(
        _called(frozen),
        tuple(from_plain(TensorInfo, each) for each in signature["inputs"]),
        tuple(signature["outputs"]),
        notes=tuple(signature["notes"]),
        stateful=tuple(signature["stateful"]),
    )


def _called(frozen: Any) -> Callable[..., Sequence[Any]]:
    def function(*tensors: Any) -> Sequence[Any]:
        return list(frozen(*tensors))

    function.frozen = frozen  # type: ignore[attr-defined]
    return function
