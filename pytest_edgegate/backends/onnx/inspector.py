"""Reads tensors, operators, parameters and MACs from an .onnx file without running it.

A QuantizeLinear and a DequantizeLinear around an operator say that it is meant to run in integers,
though each tensor between them is typed as float. They are folded here: an operator is described
with the integer tensors that stand behind its inputs and outputs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.damaged import refused_if_inconsistent
from pytest_edgegate.backends.macs import (
    Macs,
    all_in_integers,
    each_input,
    each_output,
    shape_at,
    total,
)
from pytest_edgegate.backends.onnx.model_file import import_onnx, open_model
from pytest_edgegate.backends.onnx.shapes import with_shapes
from pytest_edgegate.backends.weights_held_twice import held_twice
from pytest_edgegate.core.description import (
    Conversion,
    HeldTwice,
    ModelDescription,
    OperatorInfo,
    TensorInfo,
)

_BORDER = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast")
_REARRANGING = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_KEEPING = ("Cast", "Identity")
"""Operators that leave a scale or a zero point what it is."""
_FUSED = ("Relu", "Clip", "Identity")
"""Operators that every runtime fuses into the operator before them."""
_WEIGHTS_AT = {
    "Conv": 1,
    "ConvTranspose": 1,
    "Gemm": 1,
    "MatMul": 1,
    "ConvInteger": 1,
    "MatMulInteger": 1,
    "QLinearConv": 3,
    "QLinearMatMul": 3,
    "QGemm": 3,
}
_UNKNOWN_MACS = frozenset(
    {
        "LSTM",
        "GRU",
        "RNN",
        "Einsum",
        "Loop",
        "If",
        "Scan",
        "Attention",
        "DeformConv",
        "MultiHeadAttention",
        "FusedMatMul",
        "FusedConv",
    }
)
_OF_INPUTS = ("Gemm", "QGemm", "ConvTranspose")
"""Whose MACs follow from the shapes of their inputs alone."""
_NO_PARAMETERS = {
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "Clip": (1, 2),
    "Resize": (1, 2, 3),
    "Pad": (1, 2, 3),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QGemm": (1, 2, 4, 5, 7, 8),
}
"""The positions of scales, zero points and bounds among an operator's inputs: not weights."""
_WEIGHT_DTYPES = ("float32", "float16", "bfloat16", "float64", "int8", "uint8", "int4", "uint4")

_CONVERSION = Conversion(
    int8="quantise what those layers take, multiply by and give with "
    "onnxruntime.quantization.quantize_static (uint8 activations on x86, int8 weights)",
    symmetric="quantise again with quantize_static(..., quant_format=QuantFormat.QDQ, "
    "activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, extra_options="
    "{'ActivationSymmetric': True, 'WeightSymmetric': True, 'QuantizeBias': False})",
)


def _by_range(operator: OperatorInfo) -> bool:
    """Whether it is DynamicQuantizeLinear, or one of those of ONNX Runtime that contain it."""
    return operator.kind.startswith("DynamicQuantize")


class OnnxInspector:
    """``Inspector`` of the format ``onnx``."""

    formats = ("onnx",)

    def describe(self, path: Path) -> ModelDescription:
        """The content of the file, without bodies of loops and branches."""
        model = open_model(path)
        onnx = import_onnx()
        with refused_if_inconsistent(path):
            return _Graph(onnx, with_shapes(onnx, model)).describe()

    def held_twice(self, path: Path) -> HeldTwice:
        model, onnx = open_model(path), import_onnx()
        with refused_if_inconsistent(path):
            initializers = ((each.name, each) for each in model.graph.initializer)
            return held_twice(
                (name, onnx.numpy_helper.to_array(each)) for name, each in initializers
            )


class _Graph:
    """One graph with its tensors by name, the quantisation folded away."""

    def __init__(self, onnx: Any, model: Any) -> None:
        self._onnx = onnx
        self._graph = model.graph
        self._constants = {each.name: each for each in self._graph.initializer}
        for node in self._graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
                self._constants[node.output[0]] = node.attribute[0].t
        self._producer = {name: node for node in self._graph.node for name in node.output}
        self._consumers: dict[str, list[Any]] = {}
        for node in self._graph.node:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)
        self._outputs = {each.name for each in self._graph.output}
        self._typed = {
            each.name: self._info(each)
            for each in (*self._graph.value_info, *self._graph.input, *self._graph.output)
        }

    def describe(self) -> ModelDescription:
        given = [each for each in self._graph.input if each.name not in self._constants]
        operators = tuple(
            self._operator(index, node)
            for index, node in enumerate(self._graph.node)
            if node.op_type != "Constant"
        )
        return ModelDescription(
            inputs=tuple(self._input_or_output(each.name) for each in given),
            outputs=tuple(self._input_or_output(each.name) for each in self._graph.output),
            operators=operators,
            parameters=self._parameters(),
            macs=total(operators, _MACS),
            uncounted=tuple(each.name for each in operators if not _counted(each)),
            mixed=True,
            fully_quantized=all_in_integers(operators, _in_float),
            conversion=_CONVERSION,
            by_range=self._by_range(operators),
        )

    def _by_range(self, operators: tuple[OperatorInfo, ...]) -> tuple[str, ...]:
        """What takes the range of a batch; nothing where the model itself reduces over it, since
        what depends on the batch then is not only the quantisation."""
        if any(map(self._reduces_batch, self._graph.node)):
            return ()
        return tuple(sorted({each.kind for each in operators if _by_range(each)}))

    def _reduces_batch(self, node: Any) -> bool:
        if not node.op_type.startswith("Reduce") or not node.input:
            return False
        given = next((list(each.ints) for each in node.attribute if each.name == "axes"), None)
        if given is None and len(node.input) > 1 and node.input[1] in self._constants:
            given = self._values(node.input[1])
        rank = len(self._tensor(node.input[0]).shape)
        return not given or 0 in given or (rank > 0 and -rank in given)

    def _operator(self, index: int, node: Any) -> OperatorInfo:
        border = node.op_type in _BORDER
        look = partial(self._converted, node) if border else self._folded
        made = partial(self._converted, node) if border else self._leads_to
        at = _WEIGHTS_AT.get(node.op_type)
        constant = at is not None and len(node.input) > at and self._is_constant(node.input[at])
        return OperatorInfo(
            index=index,
            kind=node.op_type,
            inputs=tuple(look(name) if name else None for name in node.input),
            outputs=tuple(made(name) for name in node.output if name),
            options=tuple((each.name, each.i) for each in node.attribute if each.HasField("i")),
            border=border,
            rearranges=node.op_type in _REARRANGING,
            accumulates=at is not None or node.op_type in _UNKNOWN_MACS,
            weights_at=at if constant else None,
        )

    def _input_or_output(self, name: str) -> TensorInfo:
        """An input or output of the model, with its scale where it is an integer that has one."""
        tensor = self._tensor(name)
        if tensor.dtype not in ("int8", "uint8"):
            return tensor
        beside = [*self._consumers.get(name, []), *filter(None, [self._producer.get(name)])]
        for node in beside:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                return self._scaled(tensor, node)
        return tensor

    def _converted(self, node: Any, name: str) -> TensorInfo:
        """A tensor of a Q or DQ node, its integers with their scales and zero points."""
        tensor = self._tensor(name)
        integers = {"QuantizeLinear": node.output, "DequantizeLinear": node.input}
        if name not in integers.get(node.op_type, ())[:1]:
            return tensor
        zero = self._constants.get(node.input[2]) if len(node.input) > 2 else None
        if tensor.dtype == "unknown" and zero is not None:  # ONNX infers no dtypes of Microsoft's
            tensor = replace(tensor, dtype=self._dtype(zero.data_type))
        return self._scaled(tensor, node)

    def _folded(self, name: str) -> TensorInfo:
        """The integer tensor behind an input, or the input as it is."""
        node = self._producer.get(name)
        if node is None or node.op_type not in ("DequantizeLinear", *_FUSED):
            return self._tensor(name)
        if node.op_type in _FUSED:
            return self._leads_to(name)
        return self._scaled(self._tensor(node.input[0]), node)

    def _leads_to(self, name: str) -> TensorInfo:
        """The integer tensor that an output becomes, or the output as it is."""
        tensor, followed = self._tensor(name), name
        passed = {*self._outputs}  # and what was followed: nodes of a damaged file may form a ring
        while followed not in passed and len(self._consumers.get(followed, [])) == 1:
            passed.add(followed)
            node = self._consumers[followed][0]
            if node.op_type == "QuantizeLinear":
                quantised = self._tensor(node.output[0])
                return self._scaled(replace(tensor, dtype=quantised.dtype), node)
            if node.op_type not in _FUSED:
                break
            followed = node.output[0]
        return tensor

    def _scaled(self, tensor: TensorInfo, node: Any) -> TensorInfo:
        """With the scales and zero points of a Q or DQ node, where they are fixed."""
        scale = self._values(node.input[1]) or []
        zero = self._values(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        return replace(
            tensor,
            scales=tuple(map(float, scale)),
            zero_points=tuple(map(int, zero if zero is not None else [0] * len(scale))),
        )

    def _values(self, name: str) -> list[Any] | None:
        """The numbers of a constant, also behind operators that keep them."""
        for _ in self._graph.node:  # as many as there are: those of a damaged file may form a ring
            node = self._producer.get(name)
            if name in self._constants or node is None or node.op_type not in _KEEPING:
                break
            name = node.input[0]
        tensor = self._constants.get(name)
        if tensor is None:
            return None
        values: list[Any] = self._onnx.numpy_helper.to_array(tensor).reshape(-1).tolist()
        return values

    def _is_constant(self, name: str) -> bool:
        node = self._producer.get(name)
        behind = node.input[0] if node is not None and node.op_type in _BORDER else name
        return behind in self._constants

    def _tensor(self, name: str) -> TensorInfo:
        constant = self._constants.get(name)
        if constant is not None:
            return TensorInfo(
                name, tuple(constant.dims), self._dtype(constant.data_type), constant=True
            )
        return self._typed.get(name, TensorInfo(name, (), "unknown"))

    def _info(self, value: Any) -> TensorInfo:
        kind = value.type.tensor_type
        shape = tuple(
            each.dim_value if each.HasField("dim_value") else -1 for each in kind.shape.dim
        )
        return TensorInfo(value.name, shape, self._dtype(kind.elem_type))

    def _dtype(self, code: int) -> str:
        name: str = self._onnx.TensorProto.DataType.Name(code).lower()
        return {"float": "float32", "double": "float64", "undefined": "unknown"}.get(name, name)

    def _parameters(self) -> int:
        """Elements of constants that are weights or biases, each counted once."""
        found: dict[str, int] = {}
        for node in self._graph.node:
            skipped = _NO_PARAMETERS.get(node.op_type, ())
            for position, name in enumerate(node.input):
                constant = self._constants.get(name)
                if constant is None or position in skipped:
                    continue
                dtype = self._dtype(constant.data_type)
                bias = dtype == "int32" and node.op_type in ("DequantizeLinear", *_WEIGHTS_AT)
                if (dtype in _WEIGHT_DTYPES and constant.dims) or bias:
                    found[name] = math.prod(constant.dims)
        return sum(found.values())


def _counted(operator: OperatorInfo) -> bool:
    """Whether its MACs are known: not behind an operator whose shapes ONNX does not infer."""
    if operator.kind not in _MACS:
        return operator.kind not in _UNKNOWN_MACS
    tensors = (operator.inputs[0], operator.inputs[_WEIGHTS_AT[operator.kind]])
    known = (*tensors, *operator.outputs) if operator.kind not in _OF_INPUTS else tensors
    return all(each is not None and each.shape for each in known)


def _in_float(operator: OperatorInfo) -> bool:
    tensors = (*(each for each in operator.inputs if each is not None), *operator.outputs)
    return any(each.dtype in ("float32", "float16", "bfloat16", "float64") for each in tensors)


def _convolution(operator: OperatorInfo) -> int:
    """Output elements times kernel volume times input channels of a group (weights: OIHW)."""
    weights = shape_at(operator, _WEIGHTS_AT[operator.kind])
    return each_output(operator, weights[1:])


def _transposed(operator: OperatorInfo) -> int:
    """Input elements times kernel volume times output channels of a group (weights: IOHW)."""
    return each_input(operator, shape_at(operator, 1)[1:])


def _gemm(operator: OperatorInfo) -> int:
    """Elements of the first input times the columns of the second, whichever is transposed."""
    second = shape_at(operator, _WEIGHTS_AT[operator.kind])
    columns = second[0 if operator.option("transB", 0) else -1] if second else 1
    return each_input(operator, [max(columns, 1)])


def _product(operator: OperatorInfo) -> int:
    """Output elements times the dimension that both inputs have: the last of the first one."""
    first = shape_at(operator, 0)
    return each_output(operator, [max(first[-1], 1)] if first else [])


_MACS: Macs = {
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "QLinearConv": _convolution,
    "ConvTranspose": _transposed,
    "Gemm": _gemm,
    "QGemm": _gemm,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
}

INSPECTOR = OnnxInspector()
