"""Small .onnx files, written node by node, and what turns models into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.onnx.compress import TRANSFORM
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.reader import READER
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.contract import in_file
from pytest_edgegate.measures.offences import OffenceKind
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

Build = Callable[..., Path]
Ask = Callable[[Path], str]


@pytest.fixture(scope="session")
def onnx() -> ModuleType:
    import onnx

    return onnx


@pytest.fixture(scope="session")
def cpu() -> Target:
    found: Target = Registry().get("target", "onnx-cpu")
    return found


@pytest.fixture(scope="session")
def jetson() -> Target:
    found: Target = Registry().get("target", "jetson-nano")
    return found


@pytest.fixture(scope="session")
def build(onnx: ModuleType) -> Build:
    """Writes a file of nodes ``(kind, inputs, outputs, attributes)`` and arrays by name."""

    def write(
        path: Path,
        nodes: Sequence[Any],
        arrays: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        outputs: Sequence[str] = ("y",),
        opset: int = 18,
        dtypes: dict[str, str] | None = None,
        check: bool = True,
    ) -> Path:
        helper, types = onnx.helper, {"float32": "FLOAT", "float64": "DOUBLE"}

        def end(name: str, shape: Any) -> Any:
            dtype = (dtypes or {}).get(name, "float32")
            code = getattr(onnx.TensorProto, types.get(dtype, dtype.upper()))
            return helper.make_tensor_value_info(name, code, shape)

        made = [
            helper.make_node(kind, given, out, **(rest[0] if rest else {}))
            for kind, given, out, *rest in nodes
        ]
        graph = helper.make_graph(
            made,
            "graph",
            [end(name, shape) for name, shape in (inputs or {"x": ["batch", 4]}).items()],
            [end(name, None) for name in outputs],
            [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in (arrays or {}).items()],
        )
        domains = {node.domain for node in made} - {""}
        model = helper.make_model(
            graph,
            ir_version=9,
            opset_imports=[
                helper.make_opsetid("", opset),
                *(helper.make_opsetid(domain, 1) for domain in domains),
            ],
        )
        if check:
            onnx.checker.check_model(onnx.shape_inference.infer_shapes(model))
        path.write_bytes(model.SerializeToString())
        return path

    return write


def small_arrays(spread: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32) * np.float32(0.4)

    arrays = {
        "conv.w": normal(8, 3, 3, 3),
        "conv.b": normal(8),
        "deep.w": normal(8, 1, 3, 3),
        "deep.b": normal(8),
        "head.w": normal(5, 8),
        "head.b": normal(5),
    }
    if spread:  # one channel is a thousand times the next
        arrays["deep.w"] *= np.logspace(-2, 1, 8, dtype=np.float32).reshape(8, 1, 1, 1)
    return arrays


SMALL = (
    ("Conv", ["x", "conv.w", "conv.b"], ["a"], {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}),
    ("Relu", ["a"], ["b"]),
    ("Conv", ["b", "deep.w", "deep.b"], ["c"], {"group": 8, "kernel_shape": [3, 3]}),
    ("Relu", ["c"], ["d"]),
    ("GlobalAveragePool", ["d"], ["e"]),
    ("Flatten", ["e"], ["f"]),
    ("Gemm", ["f", "head.w", "head.b"], ["y"], {"transB": 1}),
)
IMAGE: dict[str, Any] = {"x": ["batch", 3, 8, 8]}
TINY_MACS = 8 * 8 * 8 * 27 + 6 * 6 * 8 * 9 + 8 * 5
TINY_PARAMETERS = 8 * 27 + 8 + 8 * 9 + 8 + 40 + 5


@pytest.fixture(scope="session")
def tiny(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convolution, depthwise convolution and Gemm: (n, 3, 8, 8) to five scores."""
    return build(tmp_path_factory.mktemp("tiny") / "tiny.onnx", SMALL, small_arrays(), IMAGE)


@pytest.fixture(scope="session")
def photos() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(40, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="session")
def photo_data(photos: np.ndarray) -> EdgeData:
    return EdgeData(calibration=photos[:20], evaluation=(photos, np.arange(40) % 5))


@pytest.fixture(scope="session")
def compress(
    tmp_path_factory: pytest.TempPathFactory, cpu: Target, photo_data: EdgeData
) -> Callable[..., Path]:
    """Compresses a file by the transform under test."""

    def apply(
        path: Path, step: Step, target: Target | None = None, data: EdgeData | None = None
    ) -> Path:
        model = READER.recognise(path, surroundings())
        assert model is not None
        out = tmp_path_factory.mktemp("compressed")
        samples = CaseData(data or photo_data)
        return TRANSFORM.apply(model, step, target or cpu, samples, out).main

    return apply


@pytest.fixture(scope="session")
def int8(tiny: Path, compress: Callable[..., Path]) -> Path:
    return compress(tiny, PTQ())


@pytest.fixture(scope="session")
def half(tiny: Path, compress: Callable[..., Path]) -> Path:
    return compress(tiny, Cast("float16"))


def refused(path: Path, target: Target) -> list[str]:
    """What a target's rules say that the vendor's own tool refuses in a file."""
    found = in_file(INSPECTOR.describe(path), target, None)
    return [str(each) for each in found if each.kind is OffenceKind.REFUSED]


@pytest.fixture(scope="session")
def nvidia() -> Ask:
    """Asks NVIDIA's parser, and its builder for what is parsed, why a file is refused."""
    trt = pytest.importorskip(
        "tensorrt_rtx_bindings", reason="NVIDIA's ONNX parser is not installed"
    )

    class Errors(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.told: list[str] = []

        def log(self, severity: object, text: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.told.append(text)

    def ask(path: Path) -> str:
        logger = Errors()
        builder = trt.Builder(logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, logger)
        if not parser.parse(path.read_bytes()):
            return "; ".join(parser.get_error(at).desc() for at in range(parser.num_errors))
        config, profile = builder.create_builder_config(), builder.create_optimization_profile()
        for at in range(network.num_inputs):
            name, shape = network.get_input(at).name, tuple(network.get_input(at).shape)
            sizes = [tuple(most if size < 0 else size for size in shape) for most in (1, 1, 4)]
            profile.set_shape(name, *sizes)
        config.add_optimization_profile(profile)
        built = builder.build_serialized_network(network, config)
        return "" if built is not None else "; ".join(logger.told)

    return ask
