"""Fixes the batch of a .tflite file with a free batch to one sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.backends.litert.schema import import_schema, pack
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.data.feeding import bare_name
from pytest_edgegate.data.splits import Array


def fix_batch(model: Any, path: Path) -> None:
    """Gives every tensor of the ModelT its shape at a batch of 1, where one is free.

    What the graph computes of its own shapes (SHAPE, STRIDED_SLICE, PACK) becomes constants. *path*
    is named in errors. Raises UnsupportedError where more than the batch is free.
    """
    if not any(_is_free(tensor) for graph in model.subgraphs for tensor in graph.tensors):
        return
    main = model.subgraphs[0]
    for at in main.inputs:
        signature = main.tensors[at].shapeSignature
        if signature is not None and any(size < 0 for size in signature[1:]):
            name = bare_name(main.tensors[at].name.decode())
            shape = tuple(int(size) for size in signature)
            raise _refused(path, f"the input {name!r} has the dynamic shape {shape}")
    if any(_is_free(tensor) for graph in model.subgraphs[1:] for tensor in graph.tensors):
        raise _refused(path, "its loops and branches have dynamic shapes")
    values = _at_one_sample(model, path)
    _fold(model, values)
    for at, tensor in enumerate(main.tensors):
        tensor.shapeSignature = None
        if at in values:
            tensor.shape = np.array(values[at].shape, np.int32)


def _is_free(tensor: Any) -> bool:
    signature = tensor.shapeSignature
    return signature is not None and any(size < 0 for size in signature)


def _at_one_sample(model: Any, path: Path) -> dict[int, Array]:
    """The value of every tensor that a run over one sample of zeros leaves, by its index."""
    from ai_edge_litert import interpreter as litert

    try:
        interpreter: Any = litert.Interpreter(
            model_content=pack(model),
            num_threads=1,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        for each in interpreter.get_input_details():
            interpreter.resize_tensor_input(each["index"], (1, *each["shape_signature"][1:]))
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise _refused(path, f"it does not run with one sample ({error})") from error
    found = {}
    for at in range(len(model.subgraphs[0].tensors)):
        try:
            found[at] = interpreter.get_tensor(at)
        except ValueError:  # a tensor that nothing makes or reads
            continue
    return found


def _fold(model: Any, values: dict[int, Array]) -> None:
    """Takes out the operators that compute from shapes alone."""
    schema, graph = import_schema(), model.subgraphs[0]
    known = {at for at, tensor in enumerate(graph.tensors) if _is_constant(model, tensor)} | {-1}
    kept = []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        shape = max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.SHAPE
        outputs = {int(at) for at in operator.outputs}
        if (shape or {int(at) for at in operator.inputs} <= known) and outputs <= set(values):
            known |= outputs
            for at in outputs:
                _make_constant(schema, model, graph.tensors[at], values[at])
        else:
            kept.append(operator)
    graph.operators = kept


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return not tensor.isVariable and data is not None and len(data) > 0


def _make_constant(schema: Any, model: Any, tensor: Any, value: Array) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1


def _refused(path: Path, reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"{path.name} can't be quantised: {reason}",
        "convert the model again with fixed shapes: every size but the batch, or the batch too",
    )
