"""What a Jetson is given, and what it refuses, by the targets' rules and by NVIDIA's own parser.

The parser is asked where it is installed (``pip install --group nvidia``); the rules hold
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.core.target import Target

from .conftest import Ask, refused

RNG = np.random.default_rng(8)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def integers(*shape: int, dtype: type = np.int8) -> np.ndarray:
    return RNG.integers(1, 100, shape).astype(dtype)


ACTIVATION = [
    ("QuantizeLinear", ["x", "s", "z"], ["q"]),
    ("DequantizeLinear", ["q", "s", "z"], ["d"]),
]
DENSE = [
    ("DequantizeLinear", ["w", "s", "wz"], ["wd"]),
    ("Gemm", ["d", "wd", "b"], ["y"], {"transB": 1}),
]
SCALE = {"s": np.float32(0.05)}
WEIGHTS = {"w": integers(3, 4), "wz": np.int8(0), "b": np.ones(3, np.float32)}
SYMMETRIC = SCALE | {"z": np.int8(0)}
BIAS = ("DequantizeLinear", ["c", "s"], ["b"])
WITHOUT_BIAS = {name: each for name, each in WEIGHTS.items() if name != "b"}
MICROSOFT = {"domain": "com.microsoft"}

REFUSED: dict[str, tuple[list[Any], dict[str, Any], str, str]] = {
    # nodes, arrays, what the rule says, what NVIDIA's parser says
    "a quantised bias": (
        [*ACTIVATION, BIAS, *DENSE],
        SYMMETRIC | WITHOUT_BIAS | {"c": integers(3, dtype=np.int32)},
        "takes the quantised bias c (int32)",
        "input has type Int32",
    ),
    "a quantised bias of Microsoft's operator": (
        [*ACTIVATION, ("DequantizeLinear", ["c", "s", "cz"], ["b"], MICROSOFT), *DENSE],
        SYMMETRIC | WITHOUT_BIAS | {"c": integers(3, dtype=np.int32), "cz": np.int32(0)},
        "takes the quantised bias c (int32)",
        "input has type Int32",
    ),
    "integers that are computed": (
        [("Cast", ["x"], ["i"], {"to": 6}), ("DequantizeLinear", ["i", "s"], ["y"])],
        SCALE,
        "quantises to int32 (i)",
        "input has type Int32",
    ),
    "activations with a zero point": (
        [*ACTIVATION, *DENSE],
        SCALE | WEIGHTS | {"z": np.int8(3)},
        "has the zero point 3",
        "Non-zero zero point",
    ),
    "a zero point in a node": (
        [("Identity", ["zz"], ["z"]), *ACTIVATION, *DENSE],
        SCALE | WEIGHTS | {"zz": np.int8(-7)},
        "has the zero point -7",
        "Non-zero zero point",
    ),
    "unsigned activations": (
        [*ACTIVATION, *DENSE],
        SCALE | WEIGHTS | {"z": np.uint8(128)},
        "has the zero point 128",
        "Non-zero zero point",
    ),
    "weights with a zero point": (
        [*ACTIVATION, *DENSE],
        SYMMETRIC | WEIGHTS | {"wz": np.int8(2)},
        "has the zero point 2",
        "Non-zero zero point",
    ),
    "one channel with a zero point": (
        [*ACTIVATION, ("DequantizeLinear", ["w", "ws", "wz"], ["wd"], {"axis": 0}), DENSE[1]],
        SYMMETRIC | WEIGHTS | {"ws": np.full(3, 0.1, "f4"), "wz": np.array([0, 0, 1], np.int8)},
        "has the zero point 1",
        "Non-zero zero point",
    ),
    "unsigned weights": (
        [*ACTIVATION, *DENSE],
        SYMMETRIC | WEIGHTS | {"w": integers(3, 4, dtype=np.uint8), "wz": np.uint8(0)},
        "quantises to uint8 (w)",
        "UINT8",
    ),
    "16 bits": (
        [*ACTIVATION, *DENSE],
        SCALE | WEIGHTS | {"z": np.int16(0)},
        "quantises to int16 (q)",
        "Failed to import initializer",
    ),
    "ranges that are found at run time": (
        [
            ("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
            ("DequantizeLinear", ["q", "qs", "qz"], ["y"]),
        ],
        {},
        "is quantised otherwise",
        "false",
    ),
    "an integer operator": (
        [
            ACTIVATION[0],
            ("QLinearMatMul", ["q", "s", "z", "v", "s", "z", "s", "z"], ["p"]),
            ("DequantizeLinear", ["p", "s", "z"], ["y"]),
        ],
        SYMMETRIC | {"v": integers(4, 3)},
        "is quantised otherwise",
        "false",
    ),
    "an integer operator of Microsoft's": (
        [
            ACTIVATION[0],
            (
                "QGemm",
                ["q", "s", "z", "w", "s", "z", "", "s", "z"],
                ["p"],
                {"transB": 1, **MICROSOFT},
            ),
            ("DequantizeLinear", ["p", "s", "z"], ["y"]),
        ],
        SYMMETRIC | {"w": integers(3, 4)},
        "is quantised otherwise",
        "Plugin not found",
    ),
}
READ_AS_INT8: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "unsigned with a zero point of 0": (
        [*ACTIVATION, *DENSE],
        SCALE | WEIGHTS | {"z": np.uint8(0)},
    ),
    "unsigned without one": (
        [
            ("QuantizeLinear", ["x", "s"], ["q"]),
            ("DequantizeLinear", ["q", "s"], ["d"]),
            *DENSE,
        ],
        SCALE | WEIGHTS,
    ),
}
"""The parser takes them, and reads them as signed: what is above 127 steps would be cut."""
TAKEN: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "symmetric": ([*ACTIVATION, *DENSE], SYMMETRIC | WEIGHTS),
    "weights without a zero point": (
        [*ACTIVATION, ("DequantizeLinear", ["w", "s"], ["wd"]), DENSE[1]],
        SYMMETRIC | WEIGHTS,
    ),
    "weights that are rounded at run time": (
        [
            *ACTIVATION,
            ("QuantizeLinear", ["v", "s", "z"], ["vq"]),
            ("DequantizeLinear", ["vq", "s", "z"], ["wd"]),
            DENSE[1],
        ],
        SYMMETRIC | {"v": floats(3, 4), "b": np.ones(3, np.float32)},
    ),
    "float": ([("Gemm", ["x", "v", "b"], ["y"])], {"v": floats(4, 3), "b": floats(3)}),
}


@pytest.fixture
def made(build: Any, tmp_path: Path) -> Callable[..., Path]:
    def write(nodes: list[Any], arrays: dict[str, Any]) -> Path:
        used = {name for _, given, *_ in nodes for name in given}
        kept = {name: each for name, each in arrays.items() if name in used}
        return build(tmp_path / "x.onnx", nodes, kept, {"x": [1, 4]}, check=False)

    return write


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_parser_refuses_is_red_by_a_rule(made: Any, jetson: Target, kind: str) -> None:
    nodes, arrays, said, _ = REFUSED[kind]
    found = refused(made(nodes, arrays), jetson)
    assert any(f": {said}" in each for each in found), found
    assert all(f", which {jetson.name} refuses (NVIDIA's ONNX parser" in each for each in found)


@pytest.mark.parametrize("kind", REFUSED)
def test_the_parser_refuses_it(made: Any, nvidia: Ask, kind: str) -> None:
    nodes, arrays, _, words = REFUSED[kind]
    assert words in nvidia(made(nodes, arrays))


@pytest.mark.parametrize("kind", READ_AS_INT8)
def test_what_the_parser_reads_otherwise_is_red(made: Any, jetson: Target, kind: str) -> None:
    [first, *_] = refused(made(*READ_AS_INT8[kind]), jetson)
    assert "quantises to uint8 (q)" in first
    assert "defaulting to INT8" in first


@pytest.mark.parametrize("kind", [*READ_AS_INT8, *TAKEN])
def test_the_parser_takes_it(made: Any, nvidia: Ask, kind: str) -> None:
    assert nvidia(made(*(READ_AS_INT8 | TAKEN)[kind])) == ""


@pytest.mark.parametrize("kind", TAKEN)
def test_what_the_parser_takes_is_not_red(made: Any, jetson: Target, kind: str) -> None:
    assert refused(made(*TAKEN[kind]), jetson) == []


def test_other_targets_take_all_of_it(made: Any, cpu: Target) -> None:
    for nodes, arrays, *_ in REFUSED.values():
        assert refused(made(nodes, arrays), cpu) == []


IMAGE = {"x": ["batch", 4, 8, 8]}
CONV = {"w": floats(4, 4, 3, 3), "b": floats(4)}
NETWORKS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "convolution and Gemm": (
        [
            ("Conv", ["x", "w", "b"], ["a"]),
            ("Relu", ["a"], ["r"]),
            ("GlobalAveragePool", ["r"], ["p"]),
            ("Flatten", ["p"], ["f"]),
            ("Gemm", ["f", "v", "c"], ["y"]),
        ],
        CONV | {"v": floats(4, 3), "c": floats(3)},
    ),
    "transposed convolution": (
        [("ConvTranspose", ["x", "w", "b"], ["a"], {"strides": [2, 2]}), ("Clip", ["a"], ["y"])],
        CONV,
    ),
    "depthwise, without a bias": (
        [("Conv", ["x", "u"], ["y"], {"group": 4})],
        {"u": floats(4, 1, 3, 3)},
    ),
    "softmax and sigmoid": (
        [
            ("Conv", ["x", "w", "b"], ["a"]),
            ("Sigmoid", ["a"], ["g"]),
            ("Mul", ["a", "g"], ["m"]),
            ("Softmax", ["m"], ["y"], {"axis": 1}),
        ],
        CONV,
    ),
    "constants that are added": (
        [
            ("Add", ["x", "k"], ["a"]),
            ("Conv", ["a", "w", "b"], ["c"]),
            ("Mul", ["c", "m"], ["y"]),
        ],
        CONV | {"k": floats(1, 4, 1, 1), "m": np.float32(3)},
    ),
    "what is joined and pooled": (
        [
            ("Conv", ["x", "w", "b"], ["a"], {"pads": [1, 1, 1, 1]}),
            ("LeakyRelu", ["a"], ["l"]),
            ("MaxPool", ["l"], ["p"], {"kernel_shape": [2, 2]}),
            ("AveragePool", ["x"], ["q"], {"kernel_shape": [2, 2]}),
            ("Concat", ["p", "q"], ["y"], {"axis": 1}),
        ],
        CONV,
    ),
    "normalisation": (
        [
            ("InstanceNormalization", ["x", "i", "j"], ["n"]),
            ("LayerNormalization", ["n", "s", "t"], ["y"]),
        ],
        {"i": floats(4), "j": floats(4), "s": floats(8), "t": floats(8)},
    ),
    "matrices": (
        [
            ("MatMul", ["x", "v"], ["a"]),
            ("Transpose", ["a"], ["b"], {"perm": [0, 1, 3, 2]}),
            ("MatMul", ["a", "b"], ["y"]),
        ],
        {"v": floats(8, 5)},
    ),
    "moved and resized": (
        [
            ("Pad", ["x", "pads"], ["a"]),
            ("Conv", ["a", "w", "b"], ["c"]),
            ("Resize", ["c", "", "scales"], ["d"]),
            ("Split", ["d"], ["e", "f"], {"axis": 1, "num_outputs": 2}),
            ("Sub", ["e", "f"], ["y"]),
        ],
        CONV
        | {
            "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
            "scales": np.array([1, 1, 2, 2], np.float32),
        },
    ),
}


@pytest.fixture(scope="session")
def for_jetson(
    build: Any, compress: Any, jetson: Target, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, bool], Path]:
    made: dict[tuple[str, bool], Path] = {}
    data = EdgeData(calibration=floats(16, 4, 8, 8))

    def convert(name: str, per_channel: bool) -> Path:
        if (name, per_channel) not in made:
            nodes, arrays = NETWORKS[name]
            path = build(tmp_path_factory.mktemp("jetson") / "x.onnx", nodes, arrays, IMAGE)
            made[name, per_channel] = compress(path, PTQ(per_channel=per_channel), jetson, data)
        return made[name, per_channel]

    return convert


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_ptq_makes_what_no_rule_refuses(
    for_jetson: Any, jetson: Target, onnx: ModuleType, name: str, per_channel: bool
) -> None:
    path = for_jetson(name, per_channel)
    assert refused(path, jetson) == []
    dtypes = {each.data_type for each in onnx.load(path).graph.initializer}
    assert not dtypes & {onnx.TensorProto.INT32, onnx.TensorProto.UINT8}
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert "QuantizeLinear" in kinds


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_parser_takes_what_ptq_makes(
    for_jetson: Any, nvidia: Ask, name: str, per_channel: bool
) -> None:
    assert nvidia(for_jetson(name, per_channel)) == ""


def test_a_processor_with_unsigned_kernels_gets_biases_in_integers(
    int8: Path, onnx: ModuleType
) -> None:
    dtypes = {each.data_type for each in onnx.load(int8).graph.initializer}
    assert {onnx.TensorProto.INT32, onnx.TensorProto.UINT8} <= dtypes
