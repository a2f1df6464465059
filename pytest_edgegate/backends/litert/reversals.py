"""Mends what TensorFlow's converter makes of a reversed sequence in int8."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.inputs_outputs import conversion, index_array
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack


def mend_reversals(path: Path) -> None:
    """Puts a QUANTIZE behind each REVERSE_V2 whose output has another scale than its input.

    The kernels of REVERSE_V2 copy integers, but the converter gives its output the scale that the
    operator behind it needs (the CONCATENATION of a Bidirectional layer), and all values are wrong
    by the ratio of the two. A file without such an operator keeps its bytes.
    """
    model = unpack(path)
    mended = [_mend(model, graph) for graph in model.subgraphs]
    if any(mended):
        path.write_bytes(pack(model))


def _mend(model: Any, graph: Any) -> bool:
    schema = import_schema()
    operators: list[Any] = []
    for operator in graph.operators:
        operators.append(operator)
        if _is_reversal(schema, model, operator):
            given, result = int(operator.inputs[0]), int(operator.outputs[0])
            if _scale(graph.tensors[given]) != _scale(graph.tensors[result]):
                between = _with_scale_of(graph, given, result)
                operator.outputs = index_array([between])
                operators.append(conversion(schema, model, "QUANTIZE", between, result))
    changed = len(operators) > len(graph.operators)
    graph.operators = operators
    return changed


def _is_reversal(schema: Any, model: Any, operator: Any) -> bool:
    code = model.operatorCodes[operator.opcodeIndex]
    kind = max(code.builtinCode, code.deprecatedBuiltinCode)
    return bool(kind == schema.BuiltinOperator.REVERSE_V2)


def _scale(tensor: Any) -> tuple[list[float], list[int]]:
    found = tensor.quantization
    if found is None or found.scale is None or found.zeroPoint is None:
        return [], []
    return list(map(float, found.scale)), list(map(int, found.zeroPoint))


def _with_scale_of(graph: Any, given: int, result: int) -> int:
    """A new tensor like the one at *result*, in the scale of the one at *given*."""
    tensor = copy.copy(graph.tensors[result])
    tensor.name = (tensor.name or b"tensor") + b"_reversed"
    tensor.quantization = copy.copy(graph.tensors[given].quantization)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
