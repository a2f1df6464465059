"""Reads tensors, operators, parameters and MACs from a .tflite file without running it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.damaged import refused_if_inconsistent
from pytest_edgegate.backends.litert.compiled_for import compiled_for
from pytest_edgegate.backends.litert.edgetpu.package import packages_of
from pytest_edgegate.backends.litert.not_readable import unknown_operator
from pytest_edgegate.backends.litert.origins import with_origins
from pytest_edgegate.backends.litert.schema import (
    DTYPES,
    import_schema,
    names_of,
    unpack,
)
from pytest_edgegate.backends.litert.signatures import argument_names, signature_defs, text
from pytest_edgegate.backends.macs import (
    Macs,
    each_input,
    each_output,
    shape_at,
    total,
)
from pytest_edgegate.backends.weights_held_twice import held_twice
from pytest_edgegate.core.cpu_parts import cpu_parts
from pytest_edgegate.core.description import (
    Conversion,
    HeldTwice,
    KeptState,
    ModelDescription,
    OperatorInfo,
    SignatureInfo,
    TensorInfo,
)

_INTEGERS = ("int8", "uint8", "int16", "int4", "int2")
_BIAS_AT = {
    "CONV_2D": 2,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 2,
    "TRANSPOSE_CONV": 3,
    "CONV_3D": 2,
}
"""The position of the bias among an operator's inputs: an int32 constant that is a parameter."""
_NUMBERS = (*_INTEGERS[:3], "int32", "int64", "uint32", "float32", "float16", "bool")
"""The dtypes that can be fed as zeros."""
_ARRAYS = ("float32", "float16", "int8", "uint8", "int16")
"""The dtypes of weights that numpy has."""
_BORDER = ("QUANTIZE", "DEQUANTIZE")
_ACTIVATIONS = frozenset({"SOFTMAX", "LOG_SOFTMAX", "LOGISTIC"})
"""What models end in. The converter quantises each of them."""
_REARRANGING = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE", "TRANSPOSE")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D")
_OPTIONS = {
    "beta": "beta",
    "fusedActivationFunction": "fused_activation",
    "dilationWFactor": "dilation_w",
    "dilationHFactor": "dilation_h",
    "weightsFormat": "weights_format",
    "ellipsisMask": "ellipsis_mask",
    "newAxisMask": "new_axis_mask",
    "axis": "axis",
}

_CONVERSION = Conversion(
    int8="convert with a representative dataset and supported_ops = "
    "[tf.lite.OpsSet.TFLITE_BUILTINS_INT8]",
    per_tensor="convert with "
    "converter._experimental_disable_per_channel_quantization_for_dense_layers = True",
    io="convert with converter.inference_input_type = converter.inference_output_type = tf.{dtype}",
)


class LiteRTInspector:
    """``Inspector`` of the format ``litert``."""

    formats = ("litert",)

    def held_twice(self, path: Path) -> HeldTwice:
        model = unpack(path)
        with refused_if_inconsistent(path):
            return held_twice(_weights(model))

    def describe(self, path: Path) -> ModelDescription:
        """The content of the file: of all subgraphs; inputs and outputs are those of the first.

        A compiled file is whole only if the program of its chip is.
        """
        model = unpack(path)
        with refused_if_inconsistent(path):
            _check_operators(path, model)
            described = _describe(model)
        packages_of(path, model)
        return described


def _weights(model: Any) -> Iterator[tuple[str, Any]]:
    """The constants of each buffer, once, as numpy arrays."""
    import numpy as np

    types, seen = names_of(import_schema().TensorType), set()
    for tensor in (each for graph in model.subgraphs for each in graph.tensors):
        dtype = DTYPES.get(types[tensor.type], "")
        data = model.buffers[tensor.buffer].data
        if data is None or dtype not in _ARRAYS or tensor.buffer in seen:
            continue
        seen.add(tensor.buffer)
        yield text(tensor.name), np.asarray(data, np.uint8).view(dtype)


def _check_operators(path: Path, model: Any) -> None:
    """Refuses operators that this version of the schema does not know."""
    kinds = names_of(import_schema().BuiltinOperator)
    for each in model.operatorCodes:
        number = max(each.builtinCode, each.deprecatedBuiltinCode)
        fault = None if number in kinds else unknown_operator(path, number, max(kinds))
        if fault is not None:
            raise fault


def _describe(model: Any) -> ModelDescription:
    schema = import_schema()
    graphs = [_Graph(schema, model, graph) for graph in model.subgraphs]
    operators = with_origins([operator for graph in graphs for operator in graph.operators()])
    main = model.subgraphs[0]
    constants = {id(tensor): size for graph in graphs for tensor, size in graph.parameters()}
    described = ModelDescription(
        inputs=tuple(graphs[0].tensor(index) for index in main.inputs),
        outputs=tuple(graphs[0].tensor(index) for index in main.outputs),
        operators=operators,
        parameters=sum(constants.values()),
        macs=total(operators, _MACS),
        uncounted=tuple(each.name for each in operators if each.kind in _UNKNOWN_MACS),
        conversion=_CONVERSION,
        state=_state(operators),
        signatures=tuple(_signature(each, model, graphs) for each in signature_defs(model)),
        compiled=compiled_for(model, operators),
    )
    return replace(described, fully_quantized=_is_quantised(described))


def _signature(signature: Any, model: Any, graphs: Sequence[_Graph]) -> SignatureInfo:
    at = signature.subgraphIndex
    inputs, outputs = (
        tuple(
            replace(graphs[at].tensor(each.tensorIndex), argument=text(each.name)) for each in side
        )
        for side in (signature.inputs or (), signature.outputs or ())
    )
    custom = any(each.kind.startswith("CUSTOM:") for each in graphs[at].operators())
    numbers = all(each.dtype in _NUMBERS for each in inputs)
    return SignatureInfo(
        text(signature.signatureKey),
        inputs,
        outputs,
        gated=at == 0,
        runnable=numbers and not custom,
    )


def _is_quantised(described: ModelDescription) -> bool:
    """Whether nothing computes in float but what is meant for the CPU behind the last integer."""
    after = cpu_parts(described)
    computing = [each for each in described.operators if not after.holds(each)]
    return bool(computing) and not any(map(float_tensors, computing))


def _state(operators: Sequence[OperatorInfo]) -> KeptState | None:
    """Variable tensors, of fused recurrent operators, or resources, which outlive a reset.

    Resources that nothing assigns are read as they are: weights that were not frozen.
    """
    assigned = any(each.kind == "ASSIGN_VARIABLE" for each in operators)
    resources = ((_is_resource, _REOPENED),) if assigned else ()
    for found, reset in ((_has_variables, "reset_all_variables()"), *resources):
        kinds = dict.fromkeys(each.kind for each in operators if found(each))
        if kinds:
            return KeptState(tuple(kinds), reset)
    return None


_REOPENED = "a new interpreter"


def _has_variables(operator: OperatorInfo) -> bool:
    return any(each is not None and each.state for each in operator.inputs)


def _is_resource(operator: OperatorInfo) -> bool:
    return operator.kind == "VAR_HANDLE"


def float_tensors(operator: OperatorInfo) -> tuple[TensorInfo, ...]:
    """The float tensors that an operator computes with; a QUANTIZE may have one side in float."""
    if operator.border:
        return ()
    tensors = (*(each for each in operator.inputs if each is not None), *operator.outputs)
    return tuple(each for each in tensors if each.dtype in ("float32", "float16", "bfloat16"))


def in_integers(operator: OperatorInfo) -> bool:
    """Whether an operator takes and gives quantised activations."""
    moving = (each for each in operator.inputs if each is not None and not each.constant)
    return not operator.border and all(
        any(each.dtype in _INTEGERS and each.scales for each in side)
        for side in (tuple(moving), operator.outputs)
    )


class _Graph:
    """One subgraph, with its tensors made once."""

    def __init__(self, schema: Any, model: Any, graph: Any) -> None:
        self._schema = schema
        self._model = model
        self._graph = graph
        self._types = names_of(schema.TensorType)
        self._kinds = names_of(schema.BuiltinOperator)
        given = set(map(int, graph.inputs))
        named = argument_names(model, graph)
        self._tensors = [
            replace(self._make(tensor), placed=at not in given, argument=named.get(at, ""))
            for at, tensor in enumerate(graph.tensors)
        ]

    def tensor(self, index: int) -> TensorInfo:
        return self._tensors[index]

    def operators(self) -> list[OperatorInfo]:
        return [self._operator(index, each) for index, each in enumerate(self._graph.operators)]

    def parameters(self) -> list[tuple[TensorInfo, int]]:
        """Constant tensors that hold weights or biases, not shapes, axes or paddings."""
        found = []
        for each in self.operators():
            for position, tensor in enumerate(each.inputs):
                if tensor is None or not tensor.constant:
                    continue
                if tensor.dtype in ("int32", "int64") and position != _BIAS_AT.get(each.kind):
                    continue
                found.append((tensor, math.prod(tensor.shape)))
        return found

    def _make(self, tensor: Any) -> TensorInfo:
        quantization = tensor.quantization
        signature = tensor.shapeSignature
        shape = tensor.shape if signature is None or not len(signature) else signature
        buffer = self._model.buffers[tensor.buffer]
        constant = (buffer.data is not None and len(buffer.data) > 0) or bool(buffer.size)
        return TensorInfo(
            name=(tensor.name or b"").decode("utf-8", "replace"),
            shape=() if shape is None else tuple(int(size) for size in shape),
            dtype=DTYPES.get(self._types[tensor.type], self._types[tensor.type].lower()),
            constant=constant,
            scales=_tuple(quantization and quantization.scale, float),
            zero_points=_tuple(quantization and quantization.zeroPoint, int),
            state=bool(tensor.isVariable),
            allocated=_tuple(tensor.shape, int) if shape is signature else (),
        )

    def _operator(self, index: int, operator: Any) -> OperatorInfo:
        code = self._model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        kind = self._kinds.get(number, f"BUILTIN_{number}")  # a newer converter has more
        if kind == "CUSTOM":
            kind = f"CUSTOM:{(code.customCode or b'?').decode('utf-8', 'replace')}"
        return OperatorInfo(
            index=index,
            kind=kind,
            inputs=tuple(None if at < 0 else self._tensors[at] for at in operator.inputs),
            outputs=tuple(self._tensors[at] for at in operator.outputs),
            options=tuple(self._options(kind, operator)),
            version=max(code.version, 1),
            border=kind in _BORDER,
            rearranges=kind in _REARRANGING,
            weights_at=1 if kind in _WEIGHTED else None,
            accumulates=kind in _MACS or kind in _UNKNOWN_MACS,
            activates=kind in _ACTIVATIONS,
        )

    def _options(self, kind: str, operator: Any) -> list[tuple[str, object]]:
        found: list[tuple[str, object]] = [
            (name, getattr(operator.builtinOptions, field))
            for field, name in _OPTIONS.items()
            if hasattr(operator.builtinOptions, field)
        ]
        values = {
            "SPLIT": ("axes", 0),
            "MEAN": ("axes", 1),
            "SUM": ("axes", 1),
            "REDUCE_MAX": ("axes", 1),
            "REDUCE_MIN": ("axes", 1),
            "PAD": ("paddings", 1),
            "STRIDED_SLICE": ("strides", 3),
        }.get(kind)
        if kind in _BIAS_AT:
            found.append(("zero_bias", self._is_zero(operator, _BIAS_AT[kind])))
        if kind == "CONCATENATION":
            found.append(("zero_constants", self._joins_zeros(operator)))
        if values is not None and len(operator.inputs) > values[1]:
            found.append((values[0], self._constant(operator.inputs[values[1]])))
        return found

    def _is_zero(self, operator: Any, position: int) -> bool:
        """Whether a constant is missing, or holds zeros only."""
        import numpy as np

        at = operator.inputs[position] if len(operator.inputs) > position else -1
        data = None if at < 0 else self._model.buffers[self._graph.tensors[at].buffer].data
        return data is None or not np.asarray(data, np.uint8).any()

    def _joins_zeros(self, operator: Any) -> bool:
        """Whether the constants among the inputs of an operator hold zeros only, as quantised."""
        import numpy as np

        for at in (each for each in operator.inputs if each >= 0):
            tensor = self._tensors[at]
            data = self._model.buffers[self._graph.tensors[at].buffer].data
            if data is None or not len(data):
                continue
            zero = tensor.zero_points[0] if tensor.zero_points else 0
            if not bool((np.asarray(data, np.uint8) == zero % 256).all()):
                return False
        return True

    def _constant(self, index: int) -> tuple[int, ...] | None:
        """The values of a small integer constant, or None where it is computed."""
        import numpy as np

        data = self._model.buffers[self._graph.tensors[index].buffer].data
        if data is None or self._tensors[index].dtype not in ("int32", "int64"):
            return None
        values = np.asarray(data, np.uint8).view(self._tensors[index].dtype)
        return tuple(int(value) for value in values)


def _tuple(values: Any, kind: Callable[[Any], Any]) -> tuple[Any, ...]:
    return () if values is None else tuple(kind(value) for value in values)


def _convolution(operator: OperatorInfo) -> int:
    """Output elements times kernel volume times input channels of a group (weights: OHWI)."""
    return each_output(operator, shape_at(operator, 1)[1:])


def _depthwise(operator: OperatorInfo) -> int:
    """Output elements times kernel area (weights: 1HWO)."""
    return each_output(operator, shape_at(operator, 1)[1:3])


def _dense(operator: OperatorInfo) -> int:
    """Output elements times the length of a weight row (weights: OI)."""
    return each_output(operator, [shape_at(operator, 1)[-1]])


def _transposed(operator: OperatorInfo) -> int:
    """Input elements times kernel area times output channels (weights: OHWI)."""
    return each_input(operator, shape_at(operator, 1)[:3], position=2)


def _batched(operator: OperatorInfo) -> int:
    """Output elements times the contracted dimension, the last of the first input."""
    return each_output(operator, [shape_at(operator, 0)[-1]])


_MACS: Macs = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "TRANSPOSE_CONV": _transposed,
    "BATCH_MATMUL": _batched,
}
_UNKNOWN_MACS = frozenset(
    {
        "CONV_3D",
        "CONV_3D_TRANSPOSE",
        "LSTM",
        "RNN",
        "SVDF",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "WHILE",
        "IF",
        "CALL",
        "CALL_ONCE",
        "STABLEHLO_CONVOLUTION",
        "STABLEHLO_DOT_GENERAL",
    }
)
"""Operators that multiply and accumulate, or may, in a number that the file does not show."""

INSPECTOR = LiteRTInspector()
