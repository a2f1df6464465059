"""Parameters, MACs and scales against hand counts, and against the float twin of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.core.description import HeldTwice, ModelDescription

from .conftest import TINY_MACS, TINY_PARAMETERS

RNG = np.random.default_rng(6)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.fixture
def describe(build: Any, tmp_path: Path) -> Callable[..., ModelDescription]:
    def of(*arguments: Any, **keywords: Any) -> ModelDescription:
        return INSPECTOR.describe(build(tmp_path / "x.onnx", *arguments, **keywords))

    return of


IMAGE = {"x": ["batch", 4, 9, 9]}
COUNTS: dict[str, tuple[Any, dict[str, Any], dict[str, Any], int, int]] = {
    # nodes, arrays, inputs, parameters, MACs
    "convolution": (
        [("Conv", ["x", "w", "b"], ["y"])],
        {"w": floats(6, 4, 3, 3), "b": floats(6)},
        IMAGE,
        6 * 4 * 9 + 6,
        7 * 7 * 6 * 4 * 9,
    ),
    "with strides": (
        [("Conv", ["x", "w"], ["y"], {"strides": [2, 2]})],
        {"w": floats(6, 4, 3, 3)},
        IMAGE,
        216,
        4 * 4 * 6 * 4 * 9,
    ),
    "grouped": (
        [("Conv", ["x", "w"], ["y"], {"group": 2})],
        {"w": floats(6, 2, 3, 3)},
        IMAGE,
        108,
        7 * 7 * 6 * 2 * 9,
    ),
    "depthwise": (
        [("Conv", ["x", "w"], ["y"], {"group": 4})],
        {"w": floats(4, 1, 3, 3)},
        IMAGE,
        36,
        7 * 7 * 4 * 9,
    ),
    "transposed": (
        [("ConvTranspose", ["x", "w"], ["y"], {"strides": [2, 2]})],
        {"w": floats(4, 5, 3, 3)},
        IMAGE,
        180,
        9 * 9 * 4 * 5 * 9,
    ),
    "Gemm": (
        [("Gemm", ["x", "w", "b"], ["y"])],
        {"w": floats(4, 7), "b": floats(7)},
        {"x": ["batch", 4]},
        35,
        28,
    ),
    "Gemm transB": (
        [("Gemm", ["x", "w"], ["y"], {"transB": 1})],
        {"w": floats(7, 4)},
        {"x": ["batch", 4]},
        28,
        28,
    ),
    "Gemm transA": (
        [("Gemm", ["x", "w"], ["y"], {"transA": 1})],
        {"w": floats(4, 7)},
        {"x": [4, 5]},
        28,
        5 * 28,
    ),
    "MatMul": (
        [("MatMul", ["x", "w"], ["y"])],
        {"w": floats(4, 7)},
        {"x": ["batch", 3, 4]},
        28,
        3 * 28,
    ),
    "weights to the left": (
        [("MatMul", ["w", "x"], ["y"])],
        {"w": floats(7, 4)},
        {"x": ["batch", 4, 3]},
        28,
        3 * 28,
    ),
    "two activations": (
        [("MatMul", ["x", "z"], ["y"])],
        {},
        {"x": ["batch", 8, 5, 16], "z": ["batch", 8, 16, 6]},
        0,
        8 * 5 * 6 * 16,
    ),
    "shared weights": (
        [("MatMul", ["x", "w"], ["a"]), ("MatMul", ["a", "w"], ["y"])],
        {"w": floats(4, 4)},
        {"x": ["batch", 4]},
        16,
        32,
    ),
    "bounds and shapes": (
        [("Clip", ["x", "low", "high"], ["a"]), ("Reshape", ["a", "s"], ["y"])],
        {"low": np.float32(0), "high": np.float32(6), "s": np.array([-1, 2, 2])},
        {"x": ["batch", 4]},
        0,
        0,
    ),
}


@pytest.mark.parametrize("kind", COUNTS)
def test_counts(describe: Any, kind: str) -> None:
    nodes, arrays, inputs, parameters, macs = COUNTS[kind]
    described = describe(nodes, arrays, inputs)
    assert (described.parameters, described.macs) == (parameters, macs)
    assert described.uncounted == ()


def test_weights_as_constant_nodes(onnx: ModuleType, describe: Any) -> None:
    weights = onnx.numpy_helper.from_array(floats(6, 4, 3, 3))
    nodes = [("Constant", [], ["w"], {"value": weights}), ("Conv", ["x", "w"], ["y"])]
    described = describe(nodes, {}, IMAGE)
    assert (described.parameters, described.macs) == (216, 7 * 7 * 216)
    assert [each.kind for each in described.operators] == ["Conv"]
    assert described.operators[0].weights_at == 1


def test_the_same_as_torch(tmp_path: Path, cpu: Any) -> None:
    import torch

    from pytest_edgegate import EdgeData
    from pytest_edgegate.backends.onnx.from_torch import TRANSFORM
    from pytest_edgegate.backends.torch.reader import READER
    from pytest_edgegate.testing.contract import CaseData, surroundings

    layers = torch.nn
    module = layers.Sequential(
        layers.Conv2d(3, 8, 3),
        layers.ReLU(),
        layers.Conv2d(8, 8, 3, groups=8),
        layers.ReLU(),
        layers.ConvTranspose2d(8, 4, 2, stride=2),
        layers.Flatten(),
        layers.Linear(256, 5),
    )
    data = EdgeData(evaluation=floats(2, 3, 8, 8))
    model = READER.recognise(module, surroundings(data))
    assert model is not None
    made = TRANSFORM.apply(model, None, cpu, CaseData(EdgeData()), tmp_path)
    described = INSPECTOR.describe(made.main)
    # ReLU between them, or the exporter joins layers
    assert described.parameters == sum(each.numel() for each in module.parameters())
    assert described.macs == 36 * 8 * 27 + 16 * 8 * 9 + 16 * 8 * 4 * 4 + 256 * 5


def test_the_small_file(tiny: Path) -> None:
    described = INSPECTOR.describe(tiny)
    assert (described.parameters, described.macs) == (TINY_PARAMETERS, TINY_MACS)


def test_quantised_twins_count_the_same(
    tiny: Path, int8: Path, half: Path, tmp_path: Path, photos: np.ndarray
) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Samples(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(photos[:4])

        def get_next(self) -> Any:
            sample = next(self._left, None)
            return None if sample is None else {"x": sample[None]}

    for per_channel in (False, True):
        path = tmp_path / f"qoperator{per_channel}.onnx"
        with held_native_output():
            quantize_static(
                tiny, path, Samples(), quant_format=QuantFormat.QOperator, per_channel=per_channel
            )
        described = INSPECTOR.describe(path)
        assert any(each.kind == "QLinearConv" for each in described.operators)
        assert (described.parameters, described.macs) == (TINY_PARAMETERS, TINY_MACS)
        assert described.uncounted == ()
    for twin in (int8, half):
        described = INSPECTOR.describe(twin)
        assert (described.parameters, described.macs) == (TINY_PARAMETERS, TINY_MACS), twin


def test_what_can_not_be_counted(describe: Any) -> None:
    arrays = {"w": floats(1, 12, 4), "r": floats(1, 12, 3)}
    described = describe(
        [("LSTM", ["x", "w", "r"], ["y"], {"hidden_size": 3})], arrays, {"x": [5, "batch", 4]}
    )
    assert described.uncounted == ("LSTM #0 (y)",)
    assert described.parameters == 12 * 4 + 12 * 3
    assert described.operators[0].accumulates


def test_shapes_that_onnx_does_not_infer(describe: Any) -> None:
    """A count that would be wrong is none."""
    nodes = [
        ("FusedThing", ["x"], ["a"], {"domain": "com.microsoft"}),
        ("Conv", ["a", "w"], ["b"]),
        ("Conv", ["x", "w"], ["c"]),
        ("Add", ["b", "c"], ["y"]),
    ]
    described = describe(nodes, {"w": floats(4, 4, 1, 1)}, IMAGE, check=False)
    assert described.uncounted == ("Conv #1 (b)",)


def test_branches_and_loops(onnx: ModuleType, describe: Any) -> None:
    helper = onnx.helper
    end = helper.make_tensor_value_info("inner", 1, None)
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["inner"])], "body", [], [end])
    nodes = [
        ("ReduceMax", ["x"], ["m"], {"keepdims": 0}),
        ("Greater", ["m", "zero"], ["c"]),
        ("If", ["c"], ["y"], {"then_branch": branch, "else_branch": branch}),
    ]
    described = describe(nodes, {"zero": np.float32(0)})
    assert described.uncounted == ("If #2 (y)",)
    assert not described.fully_quantized


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_integers_at_the_ends_have_their_scale(describe: Any, dtype: str) -> None:
    zero = np.array(3, dtype)
    nodes = [
        ("DequantizeLinear", ["x", "s", "z"], ["a"]),
        ("Relu", ["a"], ["b"]),
        ("QuantizeLinear", ["b", "t", "z"], ["y"]),
    ]
    arrays = {"s": np.float32(0.5), "t": np.float32(0.25), "z": zero}
    described = describe(nodes, arrays, dtypes={"x": dtype, "y": dtype})
    [given], [made] = described.inputs, described.outputs
    assert (given.dtype, given.scales, given.zero_points) == (dtype, (0.5,), (3,))
    assert (made.dtype, made.scales, made.zero_points) == (dtype, (0.25,), (3,))


def test_an_input_that_is_a_weight_too(onnx: ModuleType, build: Any, tmp_path: Path) -> None:
    """Files of old exporters list their weights among the inputs."""
    path = build(tmp_path / "x.onnx", [("MatMul", ["x", "w"], ["y"])], {"w": floats(4, 3)})
    model = onnx.load(path)
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [4, 3]))
    path.write_bytes(model.SerializeToString())
    described = INSPECTOR.describe(path)
    assert [each.name for each in described.inputs] == ["x"]
    assert described.parameters == 12


def test_an_optional_input_that_is_absent(describe: Any) -> None:
    described = describe([("Clip", ["x", "", "high"], ["y"])], {"high": np.float32(6)})
    assert described.operators[0].inputs[1] is None


def test_nodes_in_a_ring_are_described_in_time(
    onnx: ModuleType, build: Any, tmp_path: Path
) -> None:
    """No checker has seen the file: a runtime refuses it, where it is opened."""
    path = build(tmp_path / "x.onnx", [("Relu", ["x"], ["y"])], {})
    model = onnx.load(path)
    model.graph.node.extend(
        onnx.helper.make_node("Relu", [one], [other]) for one, other in ("ab", "ba")
    )
    path.write_bytes(model.SerializeToString())
    assert [each.kind for each in INSPECTOR.describe(path).operators] == ["Relu"] * 3


def test_weights_that_are_held_twice(build: Any, tmp_path: Path) -> None:
    """In another order of axes too; not zeros, small ones, or others of the same size."""
    rng = np.random.default_rng(0)
    table, other = (rng.normal(size=(64, 32)).astype(np.float32) for _ in range(2))
    arrays = {
        "table": table,
        "head": np.ascontiguousarray(table.T),
        "other": other,
        "zeros": np.zeros((64, 32), np.float32),
        "more zeros": np.zeros((64, 32), np.float32),
        "few": table[:1],
        "few again": table[:1],
    }
    path = build(tmp_path / "tied.onnx", [("Identity", ["x"], ["y"])], arrays)
    assert INSPECTOR.held_twice(path) == HeldTwice(("head",), table.nbytes)


RANGED = [
    ("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
    ("DequantizeLinear", ["q", "s", "z"], ["d"]),
]


@pytest.mark.parametrize(
    ("axes", "found"),
    [([1], ("DynamicQuantizeLinear",)), ([0], ()), ([1, 0], ()), ([-2], ()), (None, ())],
)
def test_what_takes_the_range_of_a_batch(
    describe: Any, axes: list[int] | None, found: tuple[str, ...]
) -> None:
    """Not where the model reduces over the batch itself, over no named axes or over the first."""
    arrays = {} if axes is None else {"axes": np.array(axes, np.int64)}
    top = ("ReduceMax", ["d", *arrays], ["top"])
    described = describe([*RANGED, top, ("Div", ["d", "top"], ["y"])], arrays, {"x": ["n", 4]})
    assert described.by_range == found
