"""ONNX: the whole ModelProto, and what its readers have to know of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from fuzzing.draft import Draft, Fault
from fuzzing.faults import protobufs, values

ABSURD = (2**31 - 1, -(2**31), 2**24, -5, 0)


def dims(graph: Any, draw: random.Random) -> None:
    constant = draw.choice([each for each in graph.initializer if each.dims])
    constant.dims[draw.randrange(len(constant.dims))] = draw.choice((*ABSURD, 2**62))


def input_dims(graph: Any, draw: random.Random) -> None:
    shape = draw.choice((graph.input[0], graph.output[0])).type.tensor_type.shape
    shape.dim[draw.randrange(len(shape.dim))].dim_value = draw.choice((*ABSURD, 2**62))


def constant_type(graph: Any, draw: random.Random) -> None:
    draw.choice(graph.initializer).data_type = draw.randrange(25)


def rewired(graph: Any, draw: random.Random) -> None:
    node = draw.choice(graph.node)
    node.input[draw.randrange(len(node.input))] = draw.choice(("", "nowhere", node.output[0]))


def attribute(graph: Any, draw: random.Random) -> None:
    nodes = [each for each in graph.node if any(a.ints or a.i for a in each.attribute)]
    chosen = draw.choice(draw.choice(nodes).attribute)
    if chosen.ints:
        chosen.ints[draw.randrange(len(chosen.ints))] = draw.choice(ABSURD)
    else:
        chosen.i = draw.choice(ABSURD)


def node_kind(graph: Any, draw: random.Random) -> None:
    draw.choice(graph.node).op_type = draw.choice(("Loop", "Nothing", "Reshape", "Expand", "LSTM"))


GRAPH: dict[str, Callable[[Any, random.Random], None]] = {
    "dims": dims,
    "ends": input_dims,
    "type": constant_type,
    "wire": rewired,
    "attribute": attribute,
    "kind": node_kind,
}
"""Absurd values in a graph that still is a protobuf, by the name of what they are values of."""

_KINDS = (
    "Conv",
    "Gemm",
    "MatMul",
    "Reshape",
    "Expand",
    "Loop",
    "Scan",
    "If",
    "LSTM",
    "Resize",
    "Pad",
    "QuantizeLinear",
    "DequantizeLinear",
    "Constant",
    "Identity",
    "Tile",
    "Slice",
    "Gather",
    "Size",
    "ConstantOfShape",
    "Range",
    "NonMaxSuppression",
    "Dropout",
    "StringNormalizer",
    "SequenceAt",
)


def _graph_fault(
    fault: Callable[[Any, random.Random], None],
) -> Callable[[Any, random.Random], None]:
    def apply(model: Any, draw: random.Random) -> None:
        fault(model.graph, draw)

    return apply


def any_kind(model: Any, draw: random.Random) -> None:
    draw.choice(model.graph.node).op_type = draw.choice(_KINDS)


def external(model: Any, draw: random.Random) -> None:
    """Weights that lie in another file: of the model's own name, outside its folder, nowhere."""
    tensors = [each for each in protobufs.messages(model) if each.DESCRIPTOR.name == "TensorProto"]
    tensor = draw.choice(tensors)
    tensor.data_location = 1
    if draw.random() < 0.7:
        tensor.ClearField("raw_data")
    del tensor.external_data[:]
    location = draw.choice(
        (
            "model.onnx",
            "small.onnx",
            "external.onnx",
            "../external.data",
            "/etc/hostname",
            "",
            "external.data",
            "nowhere",
            "/dev/zero",
            ".",
            "external.data\x00",
            "²",
            "C:\\x",
        )
    )
    given = {"location": location}
    for key in ("offset", "length", "checksum", "unknown"):
        if draw.random() < 0.6:
            given[key] = draw.choice(
                ("0", "-5", "abc", "²", "1e3", "", "4096", str(2**70), " 7 ", "1_0")
            )
    for key, value in given.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def sparse(model: Any, draw: random.Random) -> None:
    """A constant that is stored by its values and their indices."""
    constant = draw.choice(model.graph.initializer)
    made = model.graph.sparse_initializer.add()
    made.values.CopyFrom(constant)
    made.dims.extend(draw.choice(([4], list(constant.dims), [2**40], [-1], [])))
    made.indices.data_type = draw.choice((7, 1))
    count = draw.choice((0, 1, len(constant.dims) and constant.dims[0]))
    made.indices.dims.append(count)
    made.indices.int64_data.extend([draw.choice((0, -1, 2**40))] * count)
    if draw.random() < 0.5:
        model.graph.initializer.remove(constant)


def recursive(model: Any, draw: random.Random) -> None:
    """A function of the model that calls itself, or one that calls one that calls it."""
    function = model.functions.add()
    function.name, function.domain = "Dense", "own"
    function.input.append("a")
    function.output.append("b")
    names = draw.choice((["Dense"], ["Other", "Dense"]))
    for name in names:
        node = function.node.add()
        node.op_type, node.domain = name, "own"
        node.input.append("a")
        node.output.append("b")
    if len(names) > 1:
        model.functions.add().CopyFrom(function)
        model.functions[-1].name = "Other"
    called = draw.choice(model.graph.node)
    called.op_type, called.domain = "Dense", "own"


def nested(model: Any, draw: random.Random) -> None:
    """Branches inside branches."""
    inner = draw.choice(model.graph.node)
    for _ in range(draw.choice((5, 30, 45, 90))):
        held = type(inner)()
        held.op_type = "If"
        held.input.append("condition")
        held.output.append("o")
        branch = held.attribute.add()
        branch.name, branch.type = draw.choice(("then_branch", "body")), 5
        branch.g.node.add().CopyFrom(inner)
        inner = held
    model.graph.node.add().CopyFrom(inner)


def opset(model: Any, draw: random.Random) -> None:
    del model.opset_import[: draw.randrange(2)]
    entry = model.opset_import.add()
    entry.domain = draw.choice(("", "ai.onnx", "own", "nowhere"))
    entry.version = protobufs._fitting(
        entry.DESCRIPTOR.fields_by_name["version"], values.integer(draw)
    )


_FAULTS = (
    *map(_graph_fault, GRAPH.values()),
    any_kind,
    external,
    external,
    sparse,
    recursive,
    nested,
    opset,
    *[protobufs.edited] * 14,
)


def edited(draft: Draft, draw: random.Random) -> None:
    import onnx

    model = onnx.ModelProto.FromString(draft.read(draft.main))
    draw.choice(_FAULTS)(model, draw)
    draft.files[draft.main] = model.SerializeToString(deterministic=True)


ONNX: tuple[Fault, ...] = (edited,)
