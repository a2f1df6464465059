"""Keras models and SavedModels to .tflite, by TensorFlow's own converter."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.calibration import minmax_only
from pytest_edgegate.backends.litert.inputs_outputs import signed_tensors
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.backends.litert.sequences import mend_sequences
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.other_floats import refuse_other_graph
from pytest_edgegate.backends.stateful_models import refuse_stateful
from pytest_edgegate.backends.tf_graphs import freeze, graph_names
from pytest_edgegate.backends.tools import needed, tool_errors
from pytest_edgegate.backends.wrapped_layers import unwrapping
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
    Unrolled,
)
from pytest_edgegate.core.recipe import PTQ, Cast, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import Array
from pytest_edgegate.spelling import spell_bytes

_RESULTS: tuple[tuple[type[Step] | None, str], ...] = (
    (None, "float32"),
    (Cast, "float16"),
    (PTQ, "int8"),
)
_LOOP = re.compile(r"(?:^|/)while(?:_\d+)?(?:/|$)")


class KerasToLiteRT(TransformDefaults):
    """Float export, float16 weights, and full-integer PTQ with a static batch of 1.

    The model is traced to a concrete function with its weights frozen: a third of the time of
    ``from_keras_model``, and no SHAPE, STRIDED_SLICE or PACK of a dynamic batch in the graph.
    """

    version = 5
    takes_graphs = GraphBatch.ONE
    packages = ("tensorflow", "keras", "tf_keras", "ml_dtypes")
    moves = tuple(
        Move((source, "float32"), step, ("litert", dtype))
        for source in ("keras", "savedmodel")
        for step, dtype in _RESULTS
    )

    def refuse(self, step: Step | None, target: Target) -> tuple[str, str] | None:
        return minmax_only(step, "TFLite's converter")

    def constraints(self, target: Target) -> Mapping[str, object]:
        return {"io": target.default_io, "per_channel_dense": target.per_channel_dense}

    def apply(
        self, model: SourceModel, step: Step | None, target: Target, data: TransformData, out: Path
    ) -> Produced:
        loaded, sized = _sized(model.load(), step, data)
        refuse_stateful(model.name, loaded)
        main = out / f"{model.name}.tflite"
        with held_native_output() as printed:
            tf = _tensorflow()
            with tool_errors(lambda error: _conversion_error(model, error, printed.errors())):
                unrolled = _without_loops(loaded, step)
                frozen = freeze(tf, loaded if unrolled is None else unrolled.model)
                refuse_other_graph(model.name, frozen.graph)
                converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
                if isinstance(step, Cast):
                    converter.optimizations = [tf.lite.Optimize.DEFAULT]
                    converter.target_spec.supported_types = [tf.float16]
                if isinstance(step, PTQ):
                    _refuse_loops(model, frozen)
                    _full_integer(tf, converter, loaded, step, target, data)
                content = converter.convert()
        main.write_bytes(content)
        if isinstance(step, PTQ) and _has_sequences(frozen):
            mend_sequences(main)
        if len(loaded.inputs) > 1 or len(loaded.outputs) > 1 or _renamed(loaded):
            main.write_bytes(in_order(main, loaded))
        return Produced(main, (main,), loaded.notes, facts=_told(main, unrolled) or sized)


def _sized(
    loaded: LoadedModel, step: Step | None, data: TransformData
) -> tuple[LoadedModel, dict[str, Any]]:
    """The model with the sizes of the calibration samples where it leaves others than the batch
    free: a file for a board has fixed shapes. Recurrent layers have refusals of their own.

    Without samples the sizes stay free. With what is told of it.
    """
    free = [each for each in loaded.inputs if -1 in each.shape[1:]]
    if not free or not isinstance(step, PTQ) or loaded.unrolled is not None:
        return loaded, {}
    sample = next(iter(data.calibration(step.samples, loaded.inputs)))
    inputs = tuple(
        replace(each, shape=(each.shape[0], *array.shape[1:]))
        for each, array in zip(loaded.inputs, sample, strict=True)
    )
    fixed = ", ".join(
        f"{now.name} {now.shape[1:]}"
        for now, before in zip(inputs, loaded.inputs, strict=True)
        if before in free
    )
    note = f"the file has the sizes of the calibration samples where the model's are free: {fixed}"
    return replace(loaded, inputs=inputs), {"note": note}


def _without_loops(loaded: LoadedModel, step: Step | None) -> Unrolled | None:
    """The form that int8 takes of a model with recurrent layers; a float file keeps its loops."""
    return loaded.unrolled() if loaded.unrolled is not None and isinstance(step, PTQ) else None


def _has_sequences(frozen: Any) -> bool:
    return any(each.type in ("ReverseV2", "Unpack") for each in frozen.graph.get_operations())


def _told(main: Path, unrolled: Unrolled | None) -> dict[str, Any]:
    """What unrolling has made of a file, for its provenance and the note of its verdicts."""
    if unrolled is None or not unrolled.layers:
        return {}
    together = " in all" if len(unrolled.layers) > 1 else ""
    operators, size = len(INSPECTOR.describe(main).operators), main.stat().st_size
    return {
        "unrolled": {
            "layers": list(unrolled.layers),
            "time_steps": unrolled.steps,
            "operators": operators,
            "bytes": size,
        },
        "note": f"the recurrent layers are unrolled for int8 ({', '.join(unrolled.layers)}: "
        f"{unrolled.steps:,} time steps{together}): {operators:,} operators and "
        f"{spell_bytes(size)}, both of which grow with the time steps",
    }


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with needed("tensorflow", "making a .tflite file of a Keras model", "keras"):
        import tensorflow
    return tensorflow


def _refuse_loops(model: SourceModel, frozen: Any) -> None:
    """Refuses what ends the process: TensorFlow's calibrator reads past the tensors of a loop.

    Freezing turns every kind of loop into one that has an operator NextIteration.
    """
    loops = {
        _place(each.name)
        for each in frozen.graph.get_operations()
        if each.type in ("NextIteration", "While", "StatelessWhile")
    }
    if loops:
        raise UnsupportedError(
            f"{model.name} has loops ({', '.join(sorted(loops))}), and TensorFlow's int8 "
            "calibrator ends the process on them",
            _remedy_for_loops(model),
        )


def _remedy_for_loops(model: SourceModel) -> str:
    return _OF_SAVED_MODEL + _OF_OWN if model.node[0] == "savedmodel" else _OF_OWN


_OF_SAVED_MODEL = (
    "a SavedModel has no layers that could be unrolled: give the model that it was exported from, "
    "as a .keras file or as the object (tf_keras.models.load_model reads what tf-keras saved); "
)
_OF_OWN = "write a loop of your own as a Python loop over a fixed number of steps"


def _place(node: str) -> str:
    """The layer that a node of a loop is of, by the scopes of its name."""
    scopes = _LOOP.split(node)[0].split("/")
    named = [each for each in scopes if each and not each.endswith("PartitionedCall")]
    return named[-1] if named else "one of no layer"


def _full_integer(
    tf: Any, converter: Any, loaded: LoadedModel, step: PTQ, target: Target, data: TransformData
) -> None:
    samples = data.calibration(step.samples, loaded.inputs)
    names = graph_names(loaded.inputs)

    def representative() -> Iterator[dict[str, Array]]:
        for sample in samples:
            yield dict(zip(names, sample, strict=True))

    next(representative())  # data that does not fit is refused before the converter starts
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.as_dtype(
        target.default_io
    )
    converter._experimental_disable_per_channel = not step.per_channel
    converter._experimental_disable_per_channel_quantization_for_dense_layers = (
        not target.per_channel_dense
    )


def _renamed(loaded: LoadedModel) -> bool:
    return graph_names(loaded.inputs) != tuple(each.name for each in loaded.inputs)


def in_order(path: Path, loaded: LoadedModel) -> bytes:
    """The file with its inputs and outputs in the model's order, the outputs under its names.

    So are inputs whose names TensorFlow does not take.

    The converter orders them as it likes; its signature says which is which.
    """
    model = unpack(path)
    graph = model.subgraphs[0]
    inputs, outputs = signed_tensors(model)
    ordered = [outputs[f"output_{index}"] for index in range(len(loaded.outputs))]
    # The packer writes whatever integers it gets byte by byte: they have to be 32 bits wide
    graph.inputs = np.array([inputs[name] for name in graph_names(loaded.inputs)], np.int32)
    graph.outputs = np.array(ordered, np.int32)
    if _renamed(loaded):
        for index, each in zip(graph.inputs, loaded.inputs, strict=True):
            graph.tensors[index].name = each.name
    if len(set(ordered)) == len(ordered):
        for index, name in zip(ordered, loaded.outputs, strict=True):
            graph.tensors[index].name = name
    return pack(model)


def _conversion_error(model: SourceModel, error: Exception, printed: str) -> EdgeGateError:
    text = f"{error} {printed}"
    wrapped = unwrapping(text)
    if wrapped:
        return UnsupportedError(f"{model.name} has layers that are wrapped for a training", wrapped)
    if "TensorListReserve" in text:
        return UnsupportedError(
            f"{model.name} has loops, and its loops keep tensors of a free shape, which TFLite's "
            "converter does not take",
            _remedy_for_loops(model),
        )
    reason = next((line.strip() for line in text.splitlines() if line.strip()), "(no message)")
    if "flex" in text.lower() or "custom op" in text.lower():
        names = sorted({word.strip("',.{}") for word in text.split() if word.startswith("tf.")})
        return UnsupportedError(
            f"{model.name} has operators that TFLite does not: {', '.join(names) or reason}",
            "replace those layers by ones with a TFLite operator",
        )
    return CompressionError(
        f"TFLite's converter failed on {model.name}: {reason[:300]}",
        "the converter's own traceback is at --tb=long",
    )


TRANSFORM = KerasToLiteRT()
