"""The inputs and outputs of an .onnx file on its way through onnx2tf.

onnx2tf moves the channels of inputs of rank 3 to 5 to the end unless it is asked to keep them, and
those of an output where its optimisation has come so far. Names with a colon are changed. So the
copy that it gets has inputs and outputs of plain names, and outputs flattened to (1, values), which
has one order only; afterwards they are put back.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_edgegate.backends.litert.inputs_outputs import (
    drop_unused_tensors,
    make_names_unique,
    operator_code,
    put_in_order,
)
from pytest_edgegate.backends.litert.schema import import_schema
from pytest_edgegate.backends.tools import needed
from pytest_edgegate.core.errors import (
    CompressionError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import SourceModel

_INPUT, _OUTPUT = "edgegate_input_{}", "edgegate_output_{}"


@dataclass(frozen=True)
class OnnxTensor:
    """An input or output of the user's file, at a batch of 1."""

    name: str
    shape: tuple[int, ...]
    image: bool
    """Whether it is a float tensor of rank 4, whose channels move to the end."""


@dataclass(frozen=True)
class Prepared:
    """The copy for onnx2tf and what has to be known of the original."""

    content: bytes
    inputs: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]
    nodes: Mapping[str, str]
    """By the upper-case kind of an operator: the kind and the first node of it."""

    @property
    def kept(self) -> tuple[str, ...]:
        """The names, in the copy, of the inputs whose axes stay."""
        return tuple(_INPUT.format(at) for at, each in enumerate(self.inputs) if not each.image)


def prepared(model: SourceModel) -> Prepared:
    """Raises UnsupportedError for shapes that are not known before the model runs."""
    with needed("onnx", "an .onnx file", "onnx"):
        import onnx
    proto = copy.deepcopy(model.load().framework_model)
    nodes: dict[str, str] = {}
    for node in proto.graph.node:
        nodes.setdefault(node.op_type.upper(), f"{node.op_type} ({node.name or node.output[0]})")
    _fix_batch(proto)
    proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    weights = {each.name for each in proto.graph.initializer}
    fed = [each for each in proto.graph.input if each.name not in weights]
    inputs = tuple(_tensor(model, each, "input") for each in fed)
    outputs = tuple(_tensor(model, each, "output") for each in proto.graph.output)
    _plain_inputs(onnx, proto, fed)
    _flat_outputs(onnx, proto, outputs)
    return Prepared(proto.SerializeToString(), inputs, outputs, nodes)


def restored(model: Any, source: Prepared, name: str) -> None:
    """Edits the ModelT that onnx2tf made: the inputs and outputs of the original in their order.

    Raises CompressionError where one is missing or of another shape than it has to be.
    """
    graph = model.subgraphs[0]
    tensors = {(each.name or b"").decode(): at for at, each in enumerate(graph.tensors)}
    inputs = []
    for at, each in enumerate(source.inputs):
        index = tensors.get(_INPUT.format(at), -1)
        shape = _channels_last(each.shape) if each.image else each.shape
        if index < 0 or _shape(graph.tensors[index]) != shape:
            raise _changed(name, f"the input {each.name!r} of shape {each.shape}")
        inputs.append((index, each.name))
    outputs = []
    for at, each in enumerate(source.outputs):
        index = tensors.get(_OUTPUT.format(at), -1)
        if index < 0 or int(np.prod(_shape(graph.tensors[index]))) != int(np.prod(each.shape)):
            raise _changed(name, f"the output {each.name!r} of shape {each.shape}")
        outputs.append((_unflattened(model, index, each.shape), each.name))
    put_in_order(model, inputs, outputs)
    drop_unused_tensors(model)
    _rename(graph, {_INPUT.format(at): each.name for at, each in enumerate(source.inputs)})
    _rename(graph, {_OUTPUT.format(at): each.name for at, each in enumerate(source.outputs)})
    make_names_unique(model)


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Helpers of an input or output have its name inside theirs (``..._perm``)."""
    for tensor in graph.tensors:
        for plain, name in names.items():
            parts = re.split(rf"{plain}(?!\d)", (tensor.name or b"").decode("utf-8", "replace"))
            tensor.name = name.join(parts).encode()


def _fix_batch(proto: Any) -> None:
    """A batch of 1 in every input and output; shapes in between are found anew."""
    del proto.graph.value_info[:]
    for each in (*proto.graph.input, *proto.graph.output):
        sizes = each.type.tensor_type.shape.dim
        if len(sizes) and not sizes[0].dim_value:
            sizes[0].Clear()
            sizes[0].dim_value = 1


def _tensor(model: SourceModel, value: Any, side: str) -> OnnxTensor:
    tensor = value.type.tensor_type
    shape = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim)
    if not tensor.HasField("shape") or any(size < 1 for size in shape):
        raise UnsupportedError(
            f"{model.name}: the {side} {value.name!r} has the dynamic shape {shape}, and a .tflite "
            "file for a board has fixed shapes",
            "export the model with every size fixed but the batch",
        )
    return OnnxTensor(
        value.name, shape, side == "input" and len(shape) == 4 and tensor.elem_type == 1
    )


def _plain_inputs(onnx: Any, proto: Any, fed: list[Any]) -> None:
    for at, each in enumerate(fed):
        node = onnx.helper.make_node("Identity", [_INPUT.format(at)], [each.name])
        proto.graph.node.insert(at, node)
        each.name = _INPUT.format(at)


def _flat_outputs(onnx: Any, proto: Any, outputs: tuple[OnnxTensor, ...]) -> None:
    for at, (value, output) in enumerate(zip(proto.graph.output, outputs, strict=True)):
        name = _OUTPUT.format(at)
        flat = np.array([1, -1], np.int64)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(flat, f"{name}_shape"))
        node = onnx.helper.make_node("Reshape", [output.name, f"{name}_shape"], [name], name=name)
        proto.graph.node.append(node)
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(
            onnx.helper.make_tensor_value_info(name, kind, [1, int(np.prod(output.shape))])
        )


def _unflattened(model: Any, index: int, shape: tuple[int, ...]) -> int:
    """The tensor before the last reshape, or one of a reshape back where it is not of *shape*."""
    graph = model.subgraphs[0]
    schema = import_schema()
    if _shape(graph.tensors[index]) == shape:
        return index
    for operator in graph.operators:
        if index in operator.outputs:
            before = int(operator.inputs[0])
            reshape = operator.opcodeIndex == operator_code(model, "RESHAPE")
            if reshape and _shape(graph.tensors[before]) == shape:
                graph.operators = [each for each in graph.operators if each is not operator]
                return before
    return _reshaped(schema, model, index, shape)


def _reshaped(schema: Any, model: Any, index: int, shape: tuple[int, ...]) -> int:
    graph = model.subgraphs[0]
    target, result = copy.copy(graph.tensors[index]), copy.copy(graph.tensors[index])
    sizes = schema.BufferT()
    sizes.data = np.frombuffer(np.array(shape, np.int32).tobytes(), np.uint8)
    model.buffers.append(sizes)
    target.name, target.type = target.name + b"_shape", schema.TensorType.INT32
    target.shape, target.buffer = np.array([len(shape)], np.int32), len(model.buffers) - 1
    result.name, result.shape = result.name + b"_shaped", np.array(shape, np.int32)
    graph.tensors += [target, result]
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, "RESHAPE")
    operator.inputs = np.array([index, len(graph.tensors) - 2], np.int32)
    operator.outputs = np.array([len(graph.tensors) - 1], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = np.array(shape, np.int32)
    graph.operators.append(operator)
    return len(graph.tensors) - 1


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in tensor.shape)


def _channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (shape[0], *shape[2:], shape[1])


def _changed(name: str, what: str) -> CompressionError:
    return CompressionError(
        f"the .tflite file that onnx2tf made of {name} does not have {what}",
        "run another version of onnx2tf (2.6 is known to work), or convert the file by hand and "
        "gate the .tflite file",
    )
