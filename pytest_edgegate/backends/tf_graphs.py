"""TensorFlow graphs with their weights as constants: frozen, written down, read back."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.written_graphs import (
    read_signature,
    with_signature,
    write_signature,
)
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.ports import GraphBatch, LoadedModel, Unrolled

GRAPH = "graph.pb"
_UNROLLED = "unrolled"
"""The folder of the form without loops, of a model that has recurrent layers."""


def freeze(tf: Any, loaded: LoadedModel) -> Any:
    """The model as a concrete function for one sample, its weights frozen.

    Raises UnsupportedError for an input whose sizes are not fixed.
    """
    known = _read(loaded)
    if known is not None:
        return known
    # Variables of Keras 3 do not survive the converter's calibration, constants do
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(trace_sample(tf, loaded))
    _forget_gradients(frozen)
    return frozen


_GRADIENT = "_gradient_op_type"


def _forget_gradients(frozen: Any) -> None:
    """Takes the custom gradients off the operators of a frozen function, as of silu and swish.

    TensorFlow's converter saves the function, which it can't with a gradient that uses constants
    of it. Without a word it then converts the bare graph: no signature is in the file, by which
    inputs are calibrated and outputs are known.
    """
    for operator in frozen.graph.get_operations():
        if _GRADIENT in operator.node_def.attr:
            operator._clear_attr(_GRADIENT)


def trace_sample(tf: Any, loaded: LoadedModel) -> Any:
    """The model as a concrete function for one sample.

    Raises UnsupportedError for an input whose sizes are not fixed.
    """
    for each in loaded.inputs:
        if -1 in each.shape[1:]:
            raise UnsupportedError(
                f"the input {each.name!r} has the dynamic shape {each.shape}: a .tflite file for a "
                "board has fixed shapes",
                _with_fixed_sizes(loaded, each),
            )
    specs = [
        tf.TensorSpec((1, *each.shape[1:]), each.dtype, name)
        for each, name in zip(loaded.inputs, graph_names(loaded.inputs), strict=True)
    ]
    return tf.function(loaded.function).get_concrete_function(*specs)


_TAKEN = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]*")
"""Names that TensorFlow takes for the inputs of a function as they are."""


def graph_names(inputs: Sequence[TensorInfo]) -> tuple[str, ...]:
    """A name in a graph for each input: its own, or one like it that TensorFlow does not change.

    TensorFlow renames what is no identifier, and a name that differs from another one by its case;
    signatures have no keywords of Python, and no self.
    """
    found: list[str] = []
    known: set[str] = set()
    for each in inputs:
        wanted = name = _identifier(each.name)
        number = 1
        while name.lower() in known:
            number += 1
            name = f"{wanted}_{number}"
        known.add(name.lower())
        found.append(name)
    return tuple(found)


def _identifier(name: str) -> str:
    if not _TAKEN.fullmatch(name):
        name = f"input_{re.sub('[^A-Za-z0-9_]', '_', name)}"
    return f"{name}_" if keyword.iskeyword(name) or name == "self" else name


def _with_fixed_sizes(loaded: LoadedModel, free: TensorInfo) -> str:
    if loaded.framework_model is None:
        return "export the model with every size fixed but the batch"
    sizes = ", ".join("SIZE" if each < 0 else str(each) for each in free.shape[1:])
    comma = "" if len(free.shape) > 2 else ","
    return (
        f"build the model with every size fixed but the batch, keras.Input(({sizes}{comma})), and "
        "move its weights: fixed.set_weights(model.get_weights())"
    )


def trace(tf: Any, loaded: LoadedModel) -> Any:
    """The model as a concrete function whose batch is free, as are all sizes that it leaves open.

    Its weights are variables, or constants if the model is a graph that was read.
    """
    known = _read(loaded)
    if known is not None:
        return known
    specs = [
        tf.TensorSpec([None if size < 0 else size for size in each.shape], each.dtype, name)
        for each, name in zip(loaded.inputs, graph_names(loaded.inputs), strict=True)
    ]
    return tf.function(loaded.function, input_signature=specs).get_concrete_function()


def _read(loaded: LoadedModel) -> Any:
    """The frozen function of a graph that was read; None for any other model."""
    return getattr(loaded.function, "frozen", None)


def freeze_any_batch(tf: Any, loaded: LoadedModel) -> Any:
    """What ``trace`` makes of the model, its weights frozen and its loops whole.

    These are the settings with which tf2onnx freezes: it translates loops only as TensorFlow 2
    writes them.
    """
    known = _read(loaded)
    if known is not None:
        return known
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(
        trace(tf, loaded), lower_control_flow=False, aggressive_inlining=True
    )


_FREEZE = {GraphBatch.ONE: freeze, GraphBatch.FREE: freeze_any_batch}


def write_graph(tf: Any, loaded: LoadedModel, name: str, folder: Path, batch: GraphBatch) -> None:
    """Writes the frozen graph of the model for that *batch* into *folder*.

    That for one sample has the form without loops beside it, which int8 takes of a model with
    recurrent layers.

    Raises ValueError for a graph of more than 2 GB, UnsupportedError as ``freeze`` and
    ``LoadedModel.unrolled`` do.
    """
    _write(tf, loaded, folder, batch, name=name)
    if batch is GraphBatch.ONE and loaded.unrolled is not None:
        unrolled = loaded.unrolled()
        inner = folder / _UNROLLED
        inner.mkdir()
        _write(tf, unrolled.model, inner, batch, layers=unrolled.layers, steps=unrolled.steps)


def _write(tf: Any, loaded: LoadedModel, folder: Path, batch: GraphBatch, **more: Any) -> None:
    with held_native_output():
        frozen = _FREEZE[batch](tf, loaded)
        content = frozen.graph.as_graph_def().SerializeToString()
    (folder / GRAPH).write_bytes(content)
    fed, given = ([each.name for each in side] for side in (frozen.inputs, frozen.outputs))
    write_signature(folder, loaded, fed=fed, given=given, **more)


def read_graph(tf: Any, folder: Path) -> LoadedModel:
    """The model that was written; ``freeze`` and ``trace`` return its graph as it is."""
    signature, graph = read_signature(folder), tf.compat.v1.GraphDef()
    graph.ParseFromString((folder / GRAPH).read_bytes())
    with held_native_output():
        whole = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(graph, name=""), []
        )
        frozen = whole.prune(signature["fed"], signature["given"])
    inner = folder / _UNROLLED
    unrolled = partial(_read_unrolled, tf, inner) if inner.is_dir() else None
    return replace(with_signature(signature, called(frozen)), unrolled=unrolled)


def _read_unrolled(tf: Any, folder: Path) -> Unrolled:
    signature = read_signature(folder)
    return Unrolled(read_graph(tf, folder), tuple(signature["layers"]), signature["steps"])


class AsFunction:
    """A concrete function in the form of a ``tf.function``, which tf2onnx asks for."""

    def __init__(self, concrete: Any) -> None:
        self._concrete = concrete

    def get_concrete_function(self) -> Any:
        return self._concrete


def layer_of(operation: str) -> str:
    """``head/odd`` of ``model_1/head_1/odd_1/BesselJ0``, as far as TensorFlow kept it."""
    parts = operation.split("/")[1:-1] or operation.split("/")[:1]
    return "/".join(re.sub(r"_1$", "", part) for part in parts)


def called(frozen: Any) -> Callable[..., Sequence[Any]]:
    """A frozen function as ``LoadedModel.function``; ``freeze`` gives it back."""

    def function(*tensors: Any) -> Sequence[Any]:
        return list(frozen(*tensors))

    function.frozen = frozen  # type: ignore[attr-defined]
    return function
