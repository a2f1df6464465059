"""Small ONNX files, and what OpenVINO makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.onnx.reader import READER as ONNX
from pytest_edgegate.backends.openvino.compress import TRANSFORM as COMPRESS
from pytest_edgegate.backends.openvino.from_onnx import TRANSFORM as CONVERT
from pytest_edgegate.backends.openvino.reader import READER
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="session")
def board() -> Target:
    found: Target = Registry().get("target", "openvino-cpu")
    return found


def write(
    path: Path,
    nodes: list[Any],
    weights: dict[str, Array],
    inputs: dict[str, Any],
    outputs: dict[str, Any],
) -> Path:
    """An ONNX file of float tensors; shapes may have names."""
    info = helper.make_tensor_value_info
    ends = [
        [info(name, TensorProto.FLOAT, shape) for name, shape in each.items()]
        for each in (inputs, outputs)
    ]
    stored = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "graph", *ends, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def weight(*shape: int) -> Array:
    return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def small_nodes() -> list[Any]:
    node = helper.make_node
    return [
        node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2"], ["c2"], name="depthwise", pads=[1, 1, 1, 1], group=8),
        node("MaxPool", ["c2"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p", "w3", "b3"], ["c3"], name="last"),
        node("GlobalAveragePool", ["c3"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "w4", "b4"], ["y"], name="dense", transB=1),
    ]


SMALL = {
    "w1": weight(8, 2, 3, 3),
    "b1": weight(8),
    "w2": weight(8, 1, 3, 3),
    "w3": weight(6, 8, 1, 1),
    "b3": weight(6),
    "w4": weight(3, 6),
    "b4": weight(3),
}
PARAMETERS = sum(each.size for each in SMALL.values())
MACS = 8 * 36 * 2 * 9 + 8 * 36 * 9 + 6 * 9 * 8 + 3 * 6


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """What the small file is made of, to make others like it."""
    return SimpleNamespace(
        write=write, nodes=small_nodes, weights=SMALL, parameters=PARAMETERS, macs=MACS
    )


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """(n, 2, 6, 6) to three scores, the batch free."""
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    return write(path, small_nodes(), SMALL, {"x": ["batch", 2, 6, 6]}, {"y": ["batch", 3]})


@pytest.fixture(scope="session")
def samples() -> Array:
    return RNG.normal(size=(40, 2, 6, 6)).astype(np.float32)


@pytest.fixture(scope="session")
def data(samples: Array) -> EdgeData:
    return EdgeData(calibration=samples, evaluation=(samples, np.arange(40) % 3))


Maker = Callable[..., Produced]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory, board: Target, data: EdgeData) -> Maker:
    """IR of an ONNX file, compressed where a step is given."""

    def made(path: Path, step: Step | None = None, given: EdgeData | None = None) -> Produced:
        case = CaseData(given or data)
        source = ONNX.recognise(path, surroundings())
        assert source is not None
        produced = CONVERT.apply(source, None, board, case, tmp_path_factory.mktemp("ir"))
        if step is None:
            return produced
        read = READER.recognise(produced.main, surroundings())
        assert read is not None
        return COMPRESS.apply(read, step, board, case, tmp_path_factory.mktemp("small"))

    return made


@pytest.fixture(scope="session")
def floats(make: Maker, small: Path) -> Produced:
    return make(small)


@pytest.fixture(scope="session")
def quantised(make: Maker, small: Path) -> Produced:
    return make(small, PTQ(40))
