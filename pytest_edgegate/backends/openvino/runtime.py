"""OpenVINO's CPU plugin, in float32: for IR, and for .onnx and .tflite files directly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from pytest_edgegate.backends.damaged import damaged
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.openvino.not_readable import not_readable
from pytest_edgegate.backends.openvino.telemetry import unreported
from pytest_edgegate.backends.tools import needed, said_of
from pytest_edgegate.core.defaults import FileRuntime
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription, TensorInfo
from pytest_edgegate.core.environment import has_saturating_sums, processor
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.runners import Block, QuantisingRunner, check_per_sample, joined
from pytest_edgegate.data.splits import Array

BLOCK = 32
"""Samples at a time where the batch is free."""
CONFIGURATION = {
    # The default on a CPU with bfloat16 is that: 0.09 off on a small network, where this is 4e-6
    "INFERENCE_PRECISION_HINT": "f32",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
}
_KEEP_BATCH = "convert the model with its batch dimension kept to the end"
_MULTIPLYING = ("Convolution", "Deconvolution", "FullyConnected", "MatMul", "RNNSeq", "RNNCell")
_NO_WORK = ("Input", "Output", "Const", "Reorder")
_FLOATS = ("f32", "f16", "bf16")


class OpenVinoRuntime(FileRuntime):
    """The CPU plugin."""

    formats = ("openvino", "onnx", "litert")
    packages = ("openvino",)
    title = "OpenVINO"
    takes = "an .onnx file"
    options = {**CONFIGURATION, "threads": 1, "block": BLOCK}  # noqa: RUF012 - read as a Mapping

    def open_file(self, path: Path) -> Runner:
        return OpenVinoRunner(path)

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        """The operators of the compiled graph, each with the precision that it runs in."""
        _, compiled = _compiled(model)
        found = []
        for node in compiled.get_runtime_model().get_ordered_ops():
            info = node.get_rt_info()
            kind, precision = str(info["layerType"].value), str(info["runtimePrecision"].value)
            if kind not in _NO_WORK:
                floats = kind in _MULTIPLYING and precision in _FLOATS
                name = str(node.get_friendly_name())
                found.append(ExecutedOperator(kind, name, "CPU", runs_in_float=floats))
        return tuple(found)

    def kernels(self, model: Path | None, described: ModelDescription) -> str:
        if described.is_float or not has_saturating_sums(processor()):
            return ""
        return (
            "this processor has no VNNI: int8 sums of OpenVINO saturate here and on devices "
            "without it, which costs accuracy; with VNNI the same file is more exact"
        )


class OpenVinoRunner(QuantisingRunner):
    """A compiled model with one request. Samples go through it in blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        model, compiled = _compiled(path)
        with held_native_output():
            self._request: Any = compiled.create_infer_request()
        self.inputs = tuple(_input(each) for each in model.inputs)
        self.outputs = tuple(_output(each) for each in model.outputs)
        self._stateful = bool(self._request.query_state())
        self._fixed = max((each.shape[0] for each in self.inputs if each.shape), default=-1)

    def close(self) -> None:
        self._request = None

    def infer(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        for each in (*self.inputs, *self.outputs):
            if each.dtype in ("int8", "uint8") and not each.scales and self._path.suffix != ".onnx":
                raise InferenceError(
                    f"{self._path.name}: OpenVINO does not show the scale of {each.name}",
                    "name a runtime before openvino in the target, and compare with openvino",
                )
        return super().infer(batch)

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        count = len(batch[0])
        size = self._fixed if self._fixed > 0 else 1 if self._stateful else BLOCK
        return joined(self._block(batch, start, size) for start in range(0, count, size))

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        openvino = import_openvino()
        for at, feed in enumerate(self.repeated(sample, max(self._fixed, 1))):
            self._request.set_input_tensor(at, openvino.Tensor(feed))
        infer: Callable[[], object] = self._request.infer
        return infer

    def _block(self, batch: tuple[Array, ...], start: int, size: int) -> Sequence[Array]:
        """Outputs of up to *size* samples; a fixed batch is filled up with its last sample."""
        block = Block.of(batch, start, size, self._fixed)
        feeds = dict(enumerate(map(np.ascontiguousarray, block.arrays)))
        if self._stateful:
            self._request.reset_state()
        try:
            self._request.infer(feeds, share_inputs=True)
        except Exception as error:  # OpenVINO raises RuntimeError, and its bindings others
            raise InferenceError(
                f"{self._path.name} opens but does not run: {said_of(self._path, error)}",
                "open it in a model viewer at the operator that is named, and convert it again",
            ) from error
        made = [self._request.get_output_tensor(at).data for at in range(len(self.outputs))]
        check_per_sample(self._path, self.outputs, made, len(block), _KEEP_BATCH)
        return [np.array(array[: block.count]) for array in made]


def import_openvino() -> ModuleType:
    """The openvino module. Raises BackendUnavailableError where it is not installed."""
    with needed("openvino", "OpenVINO", "openvino"), held_native_output(), unreported():
        import openvino
    module: ModuleType = openvino
    return module


def _compiled(path: Path) -> tuple[Any, Any]:
    """The model as read, and compiled."""
    openvino = import_openvino()
    if not path.is_file():
        raise InferenceError(f"{path.name} can't be read: there is no such file", "check the path")
    with held_native_output():
        try:
            core = openvino.Core()
            model = core.read_model(str(path))
            return model, core.compile_model(model, "CPU", CONFIGURATION)
        except Exception as error:  # OpenVINO raises RuntimeError, and its bindings others
            fault = not_readable(path, str(error)) or damaged(path, said_of(path, error))
            raise fault from error


def _input(port: Any) -> TensorInfo:
    """An input, with the scale that the FakeQuantize after it gives an integer one."""
    tensor = _info(port)
    if tensor.dtype not in ("int8", "uint8"):
        return tensor
    node = port.get_node()
    for _ in range(4):  # Transpose, Convert and the like stand between
        after = [each.get_node() for each in node.output(0).get_target_inputs()]
        if len(after) != 1:
            break
        node = after[0]
        if node.get_type_name() == "FakeQuantize":
            low, high, to_low, to_high = _bounds(node)
            return _scaled(tensor, low, high, to_low, to_high)
    return tensor


def _output(port: Any) -> TensorInfo:
    """An output, with the scale that the FakeQuantize before it gives an integer one."""
    tensor = _info(port)
    if tensor.dtype not in ("int8", "uint8"):
        return tensor
    node = port.get_node().input_value(0).get_node()
    for _ in range(4):
        if node.get_type_name() == "FakeQuantize":
            from_low, from_high, low, high = _bounds(node)
            return _scaled(tensor, low, high, from_low, from_high)
        if not node.inputs():
            break
        node = node.input_value(0).get_node()
    return tensor


def _bounds(node: Any) -> tuple[float, ...]:
    return tuple(float(node.input_value(at).get_node().data.reshape(-1)[0]) for at in range(1, 5))


def _scaled(
    tensor: TensorInfo, low: float, high: float, real_low: float, real_high: float
) -> TensorInfo:
    """Steps *low* to *high* stand for the real values *real_low* to *real_high*."""
    scale = (real_high - real_low) / (high - low)
    return replace(tensor, scales=(scale,), zero_points=(round(low - real_low / scale),))


def _info(port: Any) -> TensorInfo:
    shape = tuple(
        -1 if size.is_dynamic else int(size.get_length()) for size in port.get_partial_shape()
    )
    names = sorted(port.get_names())
    name = names[0] if names else str(port.get_node().get_friendly_name())
    return TensorInfo(name, shape, np.dtype(port.get_element_type().to_dtype()).name)


RUNTIME = OpenVinoRuntime()
