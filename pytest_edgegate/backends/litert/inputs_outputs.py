"""The inputs and outputs of a .tflite file: their order, names, signature and number format.

Every function edits a ModelT of the schema in place.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_edgegate.backends.litert.schema import import_schema
from pytest_edgegate.core.ports import LoadedModel

SIGNATURE = b"serving_default"
_VERSIONS = {"QUANTIZE": 1, "DEQUANTIZE": 2}
"""The lowest ones that know int8."""

NamedTensor = tuple[int, str]
"""The index of a tensor of the main graph, and the name that it gets."""


def put_in_order(model: Any, inputs: Sequence[NamedTensor], outputs: Sequence[NamedTensor]) -> None:
    """Makes these the inputs and outputs, in this order, under these names, signature too.

    A tensor that is among them twice keeps the first of its names; the signature has them all.
    """
    graph = model.subgraphs[0]
    graph.inputs = index_array([at for at, _ in inputs])
    graph.outputs = index_array([at for at, _ in outputs])
    for at, name in reversed((*inputs, *outputs)):
        graph.tensors[at].name = name.encode()
    make_names_unique(model)
    _sign(model, inputs, outputs)


def put_in_order_of(model: Any, source: LoadedModel, signed_inputs: Sequence[str]) -> None:
    """As ``put_in_order``, with the order and the names of the model that the file was made of.

    The converter's signature knows the inputs as *signed_inputs*, in the order of *source*, and
    the outputs as ``output_0`` and on.
    """
    inputs, outputs = signed_tensors(model)
    put_in_order(
        model,
        [(inputs[key], each.name) for key, each in zip(signed_inputs, source.inputs, strict=True)],
        [(outputs[f"output_{at}"], name) for at, name in enumerate(source.outputs)],
    )


def signed_tensors(model: Any) -> tuple[dict[str, int], dict[str, int]]:
    """The indices of the inputs and of the outputs, by their names in the first signature."""
    signature = model.signatureDefs[0]
    return (
        {each.name.decode(): each.tensorIndex for each in signature.inputs},
        {each.name.decode(): each.tensorIndex for each in signature.outputs},
    )


def make_names_unique(model: Any) -> None:
    """Tensors that share a name get a number behind it; inputs and outputs keep theirs.

    The quantizer knows tensors by their names alone.
    """
    main = model.subgraphs[0]
    outside = [main.tensors[at] for at in (*main.inputs, *main.outputs)]
    made = [main.tensors[at] for each in main.operators for at in each.outputs]
    taken: dict[bytes, int] = {}
    for tensor in (*outside, *made, *(each for graph in model.subgraphs for each in graph.tensors)):
        name = tensor.name or b"tensor"
        number = 1
        while taken.setdefault(name, id(tensor)) != id(tensor):
            number += 1
            name = (tensor.name or b"tensor") + b"_%d" % number
        tensor.name = name


def drop_unused_tensors(model: Any) -> None:
    """Takes out what no operator, input or output refers to: a runtime gives it no memory, and the
    quantizer's calibration asks every tensor for its value."""
    for number, graph in enumerate(model.subgraphs):
        signatures = [each for each in model.signatureDefs or [] if each.subgraphIndex == number]
        entries = [one for each in signatures for one in (*each.inputs, *each.outputs)]
        uses = [graph.inputs, graph.outputs]
        for each in graph.operators:
            uses += [each.inputs, each.outputs, each.intermediates]
        kept = sorted(
            {int(at) for each in uses if each is not None for at in each if at >= 0}
            | {each.tensorIndex for each in entries}
        )
        at_now = {before: now for now, before in enumerate(kept)} | {-1: -1}
        graph.tensors = [graph.tensors[at] for at in kept]
        graph.inputs, graph.outputs = _moved(graph.inputs, at_now), _moved(graph.outputs, at_now)
        for each in graph.operators:
            each.inputs, each.outputs = _moved(each.inputs, at_now), _moved(each.outputs, at_now)
            each.intermediates = _moved(each.intermediates, at_now)
        for each in entries:
            each.tensorIndex = at_now[each.tensorIndex]


def ensure_signature(model: Any) -> tuple[str, tuple[str, ...]]:
    """(key, names of the inputs in the graph's order) of the main graph's signature.

    Files of older converters have none, or one that leaves inputs or outputs out: they get one of
    the tensors' names.
    """
    graph = model.subgraphs[0]
    found = next((each for each in model.signatureDefs or [] if not each.subgraphIndex), None)
    known = {} if found is None else {each.tensorIndex: each.name for each in found.inputs}
    if found is None or set(known) != set(graph.inputs) or not found.outputs:
        others = [each for each in model.signatureDefs or [] if each.subgraphIndex]
        _sign(model, _named(graph, graph.inputs), _named(graph, graph.outputs))
        model.signatureDefs += others
        found = model.signatureDefs[0]
        known = {each.tensorIndex: each.name for each in found.inputs}
    return found.signatureKey.decode(), tuple(known[at].decode() for at in graph.inputs)


def change_integer_io(model: Any, dtype: str) -> None:
    """Puts an operator at each int8 input and output, so that users of the file see *dtype*.

    ``uint8``: what is fed and read is the int8 value plus 128, exactly. ``float32``: real values.
    Others (float, token ids) stay; ``int8`` changes nothing. The new ones have the old names.
    """
    if dtype == "int8":
        return
    schema = import_schema()
    graph = model.subgraphs[0]
    inputs = {at: _twin(schema, graph, at, dtype) for at in _int8(schema, graph, graph.inputs)}
    outputs = {at: _twin(schema, graph, at, dtype) for at in _int8(schema, graph, graph.outputs)}
    first = [conversion(schema, model, "QUANTIZE", new, at) for at, new in inputs.items()]
    kind = "DEQUANTIZE" if dtype == "float32" else "QUANTIZE"
    last = [conversion(schema, model, kind, at, new) for at, new in outputs.items()]
    graph.operators = [*first, *graph.operators, *last]
    graph.inputs = index_array([inputs.get(at, at) for at in graph.inputs])
    graph.outputs = index_array([outputs.get(at, at) for at in graph.outputs])
    make_names_unique(model)
    for signature in model.signatureDefs or []:
        if not signature.subgraphIndex:
            for each in signature.inputs:
                each.tensorIndex = inputs.get(each.tensorIndex, each.tensorIndex)
            for each in signature.outputs:
                each.tensorIndex = outputs.get(each.tensorIndex, each.tensorIndex)


def _int8(schema: Any, graph: Any, indices: Sequence[int]) -> list[int]:
    """Those of the tensors that are int8 with one scale, each once."""

    def counts(at: int) -> bool:
        tensor = graph.tensors[at]
        scales = None if tensor.quantization is None else tensor.quantization.scale
        return tensor.type == schema.TensorType.INT8 and scales is not None and len(scales) == 1

    return [at for at in dict.fromkeys(int(each) for each in indices) if counts(at)]


def _twin(schema: Any, graph: Any, at: int, dtype: str) -> int:
    """A new tensor of the same values in *dtype*, under the name of the one at *at*."""
    inner = graph.tensors[at]
    tensor = copy.copy(inner)
    tensor.buffer = 0
    tensor.type = getattr(schema.TensorType, dtype.upper())
    tensor.quantization = None
    if dtype == "uint8":
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array(inner.quantization.scale, np.float32)
        tensor.quantization.zeroPoint = np.array(inner.quantization.zeroPoint, np.int64) + 128
    inner.name = (tensor.name or b"tensor") + b"_int8"
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def conversion(schema: Any, model: Any, kind: str, source: int, result: int) -> Any:
    """A QUANTIZE or DEQUANTIZE from the tensor at *source* to the one at *result*."""
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, kind, _VERSIONS[kind])
    operator.inputs, operator.outputs = index_array([source]), index_array([result])
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{kind.title()}Options")
    operator.builtinOptions = getattr(schema, f"{kind.title()}OptionsT")()
    return operator


def operator_code(model: Any, kind: str, version: int = 1) -> int:
    """The index of the code of an operator, added to the ModelT where it has none."""
    schema = import_schema()
    wanted = getattr(schema.BuiltinOperator, kind)
    for index, each in enumerate(model.operatorCodes):
        if max(each.builtinCode, each.deprecatedBuiltinCode) == wanted:
            each.version = max(each.version, version)
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = wanted
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _sign(model: Any, inputs: Sequence[NamedTensor], outputs: Sequence[NamedTensor]) -> None:
    schema = import_schema()
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs = [_mapped(schema, *each) for each in inputs]
    signature.outputs = [_mapped(schema, *each) for each in outputs]
    model.signatureDefs = [signature]


def _mapped(schema: Any, at: int, name: str) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), at
    return entry


def _named(graph: Any, indices: Sequence[int]) -> list[NamedTensor]:
    return [(int(at), (graph.tensors[at].name or b"").decode("utf-8", "replace")) for at in indices]


def _moved(indices: Any, at_now: Mapping[int, int]) -> Any:
    return None if indices is None else index_array([at_now[int(at)] for at in indices])


def index_array(values: Sequence[int]) -> Any:
    """The packer writes whatever integers it gets byte by byte: they have to be 32 bits wide."""
    return np.array(values, np.int32)
