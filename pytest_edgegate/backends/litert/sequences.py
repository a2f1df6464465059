"""Mends what TensorFlow's converter makes of sequences in int8."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.inputs_outputs import (
    conversion,
    index_array,
    make_names_unique,
)
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack


def mend_sequences(path: Path) -> None:
    """Mends the values of reversed sequences and the names of split ones.

    **REVERSE_V2** copies integers, but the converter gives its output the scale that the operator
    behind it needs (the CONCATENATION of a Bidirectional layer), and all values are wrong by the
    ratio of the two. It gets the scale of its input, and a QUANTIZE behind it.

    **UNPACK** has the names of all its outputs in the name of each: 7 MB of names for 500 time
    steps. They are cut after the first.

    A file without such operators keeps its bytes.
    """
    model = unpack(path)
    reversed_, split = list(_reversals(model)), list(_named_by_all(model))
    for graph, operator in reversed_:
        _keep_scale(model, graph, operator)
    for tensor in split:
        tensor.name = tensor.name.split(b";")[0]
    make_names_unique(model)
    if reversed_ or split:
        path.write_bytes(pack(model))


def _reversals(model: Any) -> Iterator[tuple[Any, Any]]:
    """(graph, operator) of each REVERSE_V2 whose output has another scale than its input."""
    for graph, operator in _of_kind(model, "REVERSE_V2"):
        given, result = (graph.tensors[each[0]] for each in (operator.inputs, operator.outputs))
        if _scale(given) != _scale(result):
            yield graph, operator


def _named_by_all(model: Any) -> Iterator[Any]:
    """The outputs of UNPACK that have several names."""
    for graph, operator in _of_kind(model, "UNPACK"):
        for at in operator.outputs:
            if b";" in (graph.tensors[at].name or b""):
                yield graph.tensors[at]


def _of_kind(model: Any, kind: str) -> Iterator[tuple[Any, Any]]:
    wanted = getattr(import_schema().BuiltinOperator, kind)
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            if max(code.builtinCode, code.deprecatedBuiltinCode) == wanted:
                yield graph, operator


def _scale(tensor: Any) -> tuple[list[float], list[int]]:
    found = tensor.quantization
    if found is None or found.scale is None or found.zeroPoint is None:
        return [], []
    return list(map(float, found.scale)), list(map(int, found.zeroPoint))


def _keep_scale(model: Any, graph: Any, operator: Any) -> None:
    given, result = int(operator.inputs[0]), int(operator.outputs[0])
    between = copy.copy(graph.tensors[result])
    between.quantization = copy.copy(graph.tensors[given].quantization)
    graph.tensors.append(between)
    operator.outputs = index_array([len(graph.tensors) - 1])
    last = conversion(import_schema(), model, "QUANTIZE", len(graph.tensors) - 1, result)
    graph.operators.insert(graph.operators.index(operator) + 1, last)
