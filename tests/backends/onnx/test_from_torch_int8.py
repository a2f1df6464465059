"""Torch programs that were trained in int8, as .onnx files that run in int8."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.onnx import from_torch_int8
from pytest_edgegate.backends.onnx.from_torch_int8 import TRANSFORM
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.runtime import OPTIMISED, UNOPTIMISED
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.contract import in_file, when_executed
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData

from .conftest import Ask, refused

NAMES = ("Residual", "Mixed", "Dense", "Twice", "Rows", "Assorted")
FURTHEST = {"Mixed": 2, "Assorted": 4}
"""Output steps from torch; 1 where no activation is rounded twice."""

Convert = Callable[..., Produced]


@pytest.fixture(scope="session")
def converted(
    trained: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory, cpu: Target
) -> Convert:
    made: dict[tuple[str, str], Produced] = {}

    def convert(name: str, target: Target = cpu) -> Produced:
        if (name, target.activations) not in made:
            case, out = trained(name), tmp_path_factory.mktemp("onnx")
            made[name, target.activations] = TRANSFORM.apply(
                case.program, None, target, CaseData(case.data), out
            )
        return made[name, target.activations]

    return convert


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_accumulates_runs_in_float(
    trained: Any, converted: Convert, cpu: Target, name: str
) -> None:
    path = converted(name).main
    described = INSPECTOR.describe(path)
    assert described.fully_quantized
    assert list(in_file(described, cpu, "int8")) == []
    executed = OPTIMISED.executed(path, (trained(name).images[:2],))
    assert executed is not None
    assert list(when_executed(executed, "int8", cpu)) == []
    ran = Counter(each.kind for each in executed)
    written = Counter(each.kind for each in described.operators)
    assert ran["QLinearConv"] == written["Conv"]
    assert ran["QGemm"] == written["Gemm"]
    assert ran["QLinearAdd"] == written["Add"]
    assert ran["QLinearMul"] == written["Mul"]
    if name != "Rows":  # ONNX Runtime has an integer kernel for the mean over an image only
        assert "ReduceMean" not in ran
    assert not {"Conv", "FusedConv", "Gemm", "MatMul", "Add", "Relu", "Clip"} & set(ran)


@pytest.mark.parametrize("name", ["Residual", "Assorted"])
def test_openvino_runs_it_in_integers(trained: Any, converted: Convert, name: str) -> None:
    """It reads the same file: nothing else has to be made for it."""
    openvino, target = (
        Registry().get("runtime", "openvino"),
        Registry().get("target", "openvino-cpu"),
    )
    images, path = trained(name).images, converted(name).main
    executed = openvino.executed(path, (images[:1],))
    assert list(when_executed(executed, "int8", target)) == []
    assert any(each.kind == "Convolution" for each in executed)
    program = trained(name).outputs()
    with openvino.open(path) as runner:
        (outputs,) = runner.infer((images,))
    step = np.diff(np.unique(program)).min()
    assert np.abs(outputs - program).max() <= 4.01 * step


@pytest.mark.parametrize("runtime", [OPTIMISED, UNOPTIMISED], ids=["optimised", "as written"])
@pytest.mark.parametrize("name", NAMES)
def test_the_file_computes_what_the_program_computes(
    trained: Any, converted: Convert, name: str, runtime: Any
) -> None:
    case, made = trained(name), converted(name)
    furthest = FURTHEST.get(name, 1)
    assert made.facts["agreement"]["samples"] == 64
    assert made.facts["agreement"]["largest_steps"] <= furthest + 0.01
    with runtime.open(made.main) as runner:
        (outputs,) = runner.infer((case.images,))
    program = case.outputs()
    step = np.diff(np.unique(program)).min()
    assert np.abs(outputs - program).max() <= (furthest + 0.01) * step
    assert len(np.unique(program)) > 10


@pytest.mark.parametrize("activations", ["uint8", "int8"])
def test_no_weights_share_a_zero_point(
    converted: Convert, cpu: Target, onnx: ModuleType, activations: str
) -> None:
    target = cpu if activations == "uint8" else Registry().get("target", "jetson-orin-nano")
    graph = onnx.load(converted("Residual", target).main).graph
    stored = {each.name for each in graph.initializer}
    zeros = [
        node.input[2]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and len(node.input) > 2 and node.input[0] in stored
    ]
    assert len(zeros) > 2
    assert len(zeros) == len(set(zeros))


def test_the_dtypes_of_the_file(converted: Convert, onnx: ModuleType) -> None:
    model = onnx.load(converted("Residual").main)
    kinds = {each.name: each.data_type for each in model.graph.initializer}
    types = onnx.TensorProto
    producer = {name: node for node in model.graph.node for name in node.output}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    for node in layers:
        activation, weights, bias = (producer[name] for name in node.input)
        assert kinds[activation.input[2]] == types.UINT8
        assert kinds[weights.input[0]] == types.INT8
        assert kinds[bias.input[0]] == types.INT32
    scales = {each.name: each.dims for each in model.graph.initializer}
    per_layer = [list(scales[producer[node.input[1]].input[1]]) for node in layers]
    assert per_layer == [[8], [8], [8], []]
    for end in (*model.graph.input, *model.graph.output):
        assert end.type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize("name", ["Residual", "Mixed", "Assorted"])
def test_a_jetson_gets_what_it_was_trained_for(
    trained: Any, jetson: Target, tmp_path: Path, name: str
) -> None:
    case = trained(name, symmetric=True)
    made = TRANSFORM.apply(case.program, None, jetson, CaseData(case.data), tmp_path)
    assert refused(made.main, jetson) == []
    assert made.facts["agreement"]["largest_steps"] <= FURTHEST.get(name, 1) + 0.01
    assert list(in_file(INSPECTOR.describe(made.main), jetson, "int8")) == []


@pytest.mark.parametrize("name", ["example", "Mixed", "Assorted"])
def test_nvidias_parser_takes_it(
    trained: Any, jetson: Target, nvidia: Ask, tmp_path: Path, name: str
) -> None:
    case = trained(name, symmetric=True)
    made = TRANSFORM.apply(case.program, None, jetson, CaseData(case.data), tmp_path)
    assert nvidia(made.main) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_jetson_gets_symmetric_activations_of_any_program(
    trained: Any, converted: Convert, jetson: Target, name: str
) -> None:
    """Each range is kept, ReLUs that were left to the integers too; only the steps are wider."""
    made = converted(name, jetson)
    assert refused(made.main, jetson) == []
    assert made.facts["agreement"]["mean_steps"] < 1.5
    assert made.facts["agreement"]["largest_steps"] < 12


def test_a_file_that_computes_something_else_is_told(
    trained: Any, cpu: Target, onnx: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = trained("Residual")

    def narrowed(model: Any, activations: str) -> Any:
        """Each scale of an activation is a fourth: everything ends too early."""
        in_integers(model, activations)
        names = {node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"}
        for each in model.graph.initializer:
            if each.name in names:
                narrow = helper.to_array(each) * np.float32(0.25)
                each.CopyFrom(helper.from_array(narrow, each.name))
        return model

    helper, in_integers = onnx.numpy_helper, from_torch_int8.in_integers
    monkeypatch.setattr(from_torch_int8, "in_integers", narrowed)
    with pytest.raises(CompressionError, match=r"by up to [\d.]+ output steps on 64 samples"):
        TRANSFORM.apply(case.program, None, cpu, CaseData(case.data), tmp_path)
