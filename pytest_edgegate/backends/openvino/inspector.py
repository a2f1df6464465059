"""Reads tensors, operators, parameters and MACs from an OpenVINO IR without running it.

A FakeQuantize says that the tensor after it is meant to be 8 bits wide; weights are stored as int8
and brought back by Convert, Subtract and Multiply. Both are folded here: an operator is described
with the integer tensors that stand behind its inputs.
"""

from __future__ import annotations

import math
from pathlib import Path

from pytest_edgegate.backends.damaged import refused_if_inconsistent
from pytest_edgegate.backends.macs import (
    Macs,
    all_in_integers,
    each_input,
    each_output,
    elements,
    shape_at,
    total,
)
from pytest_edgegate.backends.openvino.ir import Layer, Network, Port
from pytest_edgegate.core.description import (
    Conversion,
    KeptState,
    ModelDescription,
    OperatorInfo,
    TensorInfo,
)

_NO_OPERATORS = ("Parameter", "Result", "Const")
_DEQUANTISING = ("Convert", "Subtract", "Multiply", "Reshape", "Transpose", "Unsqueeze", "Squeeze")
_MOVING = (
    "MaxPool",
    "Reshape",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Pad",
    "StridedSlice",
    "Slice",
    "Gather",
    "Concat",
    "DepthToSpace",
    "SpaceToDepth",
    "ShuffleChannels",
    "Split",
    "VariadicSplit",
)
"""Layers whose outputs are values of their inputs, so that 8 bits stay 8 bits."""
_FUSED = ("Add", "Relu", "Clamp", "PRelu", "Sigmoid", "HSwish", "Swish")
"""Layers that OpenVINO fuses into the multiplication before them: bias and activation."""
_INTEGERS = ("int8", "uint8", "int4", "uint4")
_UNKNOWN_MACS = frozenset(
    {
        "LSTMCell",
        "LSTMSequence",
        "GRUCell",
        "GRUSequence",
        "RNNCell",
        "RNNSequence",
        "Loop",
        "If",
        "TensorIterator",
        "Einsum",
        "DeformableConvolution",
        "ScaledDotProductAttention",
        "BinaryConvolution",
    }
)

_CONVERSION = Conversion(
    int8="quantise what those layers take, multiply by and give with nncf.quantize"
)


_STATE = KeptState(("ReadValue",), "reset_state()")


class IRInspector:
    """``Inspector`` of the format ``openvino``."""

    formats = ("openvino",)

    def describe(self, path: Path) -> ModelDescription:
        """The content of the files, without bodies of loops and branches."""
        network = Network(path)
        with refused_if_inconsistent(path):
            return _Folded(network).describe()


class _Folded:
    """A network with its quantisation folded away."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._layers = list(network.layers.values())
        self._integer: dict[str, bool] = {}

    def describe(self) -> ModelDescription:
        operators = tuple(
            self._operator(index, layer)
            for index, layer in enumerate(self._layers)
            if layer.kind not in _NO_OPERATORS
        )
        return ModelDescription(
            inputs=tuple(
                _tensor(next(iter(each.outputs.values())))
                for each in self._layers
                if each.kind == "Parameter"
            ),
            outputs=tuple(
                _tensor(self._network.port(each, 0))
                for each in self._layers
                if each.kind == "Result"
            ),
            operators=operators,
            parameters=self._parameters(),
            macs=total(operators, _MACS),
            uncounted=tuple(each.name for each in operators if each.kind in _UNKNOWN_MACS),
            mixed=True,
            fully_quantized=all_in_integers(operators, _in_float),
            conversion=_CONVERSION,
            state=_STATE if any(each.kind == "ReadValue" for each in operators) else None,
        )

    def _operator(self, index: int, layer: Layer) -> OperatorInfo:
        multiplies = layer.kind in _MACS
        inputs = tuple(self._input(layer, at) for at in range(len(layer.sources)))
        constant = multiplies and len(inputs) > 1 and inputs[1].constant
        integer = multiplies and all(each.dtype in _INTEGERS for each in inputs[:2])
        return OperatorInfo(
            index=index,
            kind=layer.kind,
            inputs=inputs[:2] if multiplies else inputs,
            outputs=tuple(
                self._output(layer, each) if integer else _tensor(each)
                for each in layer.outputs.values()
            ),
            border=layer.kind in ("FakeQuantize", "Convert"),
            rearranges=layer.kind in ("Reshape", "Squeeze", "Transpose", "Unsqueeze"),
            accumulates=multiplies or layer.kind in _UNKNOWN_MACS,
            weights_at=1 if constant else None,
        )

    def _input(self, layer: Layer, position: int) -> TensorInfo:
        """The 8-bit tensor behind an input, or the input as it is."""
        source, port = self._network.source(layer, position), self._network.port(layer, position)
        if source is None:
            return _tensor(port)
        if self._is_integer(source):
            return TensorInfo(port.name, port.shape, "int8", constant=self._is_constant(source))
        stored = self._stored(source)
        if stored is not None:
            made = next(iter(stored.outputs.values()))
            return TensorInfo(stored.name, port.shape, made.dtype, constant=True)
        return _tensor(port)

    def _is_integer(self, layer: Layer) -> bool:
        """Whether a layer's output is 8 bits wide, by a FakeQuantize at or before it."""
        if layer.id not in self._integer:
            self._integer[layer.id] = self._gives_integers(layer)
        return self._integer[layer.id]

    def _gives_integers(self, layer: Layer) -> bool:
        if layer.kind == "FakeQuantize":
            return layer.data.get("levels") in ("255", "256")
        if layer.kind not in _MOVING:
            return False
        taken = range(len(layer.sources) if layer.kind == "Concat" else 1)
        sources = [self._network.source(layer, at) for at in taken]
        return all(each is not None and self._is_integer(each) for each in sources)

    def _output(self, layer: Layer, port: Port) -> TensorInfo:
        """The output of an integer multiplication: 32 bits, until a FakeQuantize narrows it.

        A network may end in it: the last sums are then dequantised, as every runtime does.
        """
        followed = layer
        while True:
            after = self._network.consumers(followed)
            if any(each.kind == "FakeQuantize" for each in after):
                return TensorInfo(port.name, port.shape, "int8")
            if len(after) != 1 or after[0].kind not in _FUSED:
                return TensorInfo(port.name, port.shape, "int32")
            followed = after[0]

    def _stored(self, layer: Layer) -> Layer | None:
        """The constant that a chain of dequantising layers starts from."""
        while layer.kind in _DEQUANTISING:
            source = self._network.source(layer, 0)
            if source is None:
                return None
            layer = source
        return layer if layer.kind == "Const" else None

    def _is_constant(self, layer: Layer) -> bool:
        source = self._network.source(layer, 0)
        return source is not None and self._stored(source) is not None

    def _parameters(self) -> int:
        """Elements of constants that are weights or biases, each counted once."""
        found: dict[str, int] = {}
        for layer in self._layers:
            if layer.kind not in (*_MACS, *_UNKNOWN_MACS, "Add", "PRelu", "Gather", "Multiply"):
                continue
            if layer.kind == "Multiply" and self._dequantises(layer):
                continue
            for at in range(len(layer.sources)):
                source = self._network.source(layer, at)
                stored = None if source is None else self._stored(_quantised_from(self, source))
                if stored is not None and stored.data.get("element_type") not in (
                    "i32",
                    "i64",
                    "boolean",
                ):
                    port = next(iter(stored.outputs.values()))
                    if port.shape:
                        found[stored.id] = math.prod(port.shape)
        return sum(found.values())

    def _dequantises(self, layer: Layer) -> bool:
        source = self._network.source(layer, 0)
        return source is not None and self._stored(source) is not None

    def source(self, layer: Layer) -> Layer | None:
        return self._network.source(layer, 0)


def _quantised_from(folded: _Folded, layer: Layer) -> Layer:
    """The layer under a FakeQuantize of weights, or the layer itself."""
    if layer.kind == "FakeQuantize":
        return folded.source(layer) or layer
    return layer


def _tensor(port: Port) -> TensorInfo:
    return TensorInfo(port.name, port.shape, port.dtype)


def _in_float(operator: OperatorInfo) -> bool:
    given = (each for each in operator.inputs if each is not None)
    return any(each.dtype not in _INTEGERS for each in given)


def _convolution(operator: OperatorInfo) -> int:
    """Output elements times kernel volume times input channels (weights: OIYX)."""
    return each_output(operator, shape_at(operator, 1)[1:])


def _grouped(operator: OperatorInfo) -> int:
    """The same in each group (weights: GOIYX)."""
    return each_output(operator, shape_at(operator, 1)[2:])


def _transposed(operator: OperatorInfo) -> int:
    """Input elements times kernel volume times output channels (weights: IOYX)."""
    return each_input(operator, shape_at(operator, 1)[1:])


def _transposed_grouped(operator: OperatorInfo) -> int:
    """The same in each group (weights: GIOYX)."""
    return each_input(operator, shape_at(operator, 1)[2:])


def _product(operator: OperatorInfo) -> int:
    """Output elements times the contracted dimension, whichever way round the second one lies."""
    second, made = shape_at(operator, 1), operator.outputs[0].shape
    columns = max(made[-1], 1) if made else 1
    return each_output(operator, [elements(second[-2:]) // columns])


_MACS: Macs = {
    "Convolution": _convolution,
    "GroupConvolution": _grouped,
    "ConvolutionBackpropData": _transposed,
    "GroupConvolutionBackpropData": _transposed_grouped,
    "MatMul": _product,
}

INSPECTOR = IRInspector()
