"""Torch programs that were trained in int8, as .tflite files of integer operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.litert.from_torch_int8 import TRANSFORM
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.integer_program import IntegerProgram
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.layout import CHANNELS_LAST
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.laid_out import LaidOutRunner
from pytest_edgegate.measures.contract import in_file
from pytest_edgegate.planner import make_plan
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData

NAMES = ("Residual", "Mixed", "Dense", "Twice", "Rows", "Assorted")
FURTHEST = {"Mixed": 2, "Assorted": 4}
"""Output steps from torch, of XNNPACK; 1 where no activation is rounded twice."""

Convert = Callable[[str], Produced]


@pytest.fixture(scope="session")
def converted(
    trained: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory, coral: Target
) -> Convert:
    made: dict[str, Produced] = {}

    def convert(name: str) -> Produced:
        if name not in made:
            case, out = trained(name), tmp_path_factory.mktemp("litert")
            made[name] = TRANSFORM.apply(case.program, None, coral, CaseData(case.data), out)
        return made[name]

    return convert


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_is_an_integer_one(converted: Convert, coral: Target, name: str) -> None:
    described = INSPECTOR.describe(converted(name).main)
    assert described.fully_quantized
    anywhere = replace(coral, operators={})  # what the Edge TPU maps is not the point
    assert list(in_file(described, anywhere, "int8")) == []
    for each in (*described.inputs, *described.outputs):
        assert each.dtype == "uint8"
        assert each.shape[0] == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_file_computes_what_the_program_computes(
    trained: Any, converted: Convert, name: str
) -> None:
    case, made = trained(name), converted(name)
    furthest = FURTHEST.get(name, 1)
    assert made.layout.inputs == (CHANNELS_LAST,)
    assert made.facts["agreement"]["largest_steps"] <= furthest + 0.01
    program, step = case.outputs(), INSPECTOR.describe(made.main).outputs[0].scales[0]
    for runtime, more in ((XNNPACK, 0), (REFERENCE, 4)):  # that one rounds means and sums coarser
        with LaidOutRunner(runtime.open(made.main), made.layout) as runner:
            (outputs,) = runner.infer((case.images,))
        assert np.abs(outputs - program).max() <= (furthest + more + 0.01) * step


def test_the_operators_of_a_network(converted: Convert) -> None:
    kinds = Counter(each.kind for each in INSPECTOR.describe(converted("Residual").main).operators)
    assert kinds == {
        "QUANTIZE": 2,
        "DEPTHWISE_CONV_2D": 2,
        "MAX_POOL_2D": 1,
        "CONV_2D": 1,
        "ADD": 1,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
    }


def test_what_is_joined_is_rescaled_by_itself(converted: Convert) -> None:
    """Else ReLU6 would end where Hardswish does: the converter writes one scale over the other."""
    described = INSPECTOR.describe(converted("Mixed").main)
    producer = {each.name: one for one in described.operators for each in one.outputs}
    (joined,) = (each for each in described.operators if each.kind == "CONCATENATION")
    parts = [producer[each.name] for each in joined.inputs if each is not None]
    assert [each.kind for each in parts] == ["QUANTIZE", "QUANTIZE"]
    assert {each.outputs[0].scales for each in parts} == {joined.outputs[0].scales}
    assert not any(each.kind == "LEAKY_RELU" for each in described.operators)


def test_signed_ends(trained: Any, converted: Convert, coral: Target, tmp_path: Path) -> None:
    case = trained("Dense")
    signed = replace(coral, default_io="int8")
    made = TRANSFORM.apply(case.program, None, signed, CaseData(case.data), tmp_path)
    described = INSPECTOR.describe(made.main)
    assert [each.dtype for each in (*described.inputs, *described.outputs)] == ["int8", "int8"]
    assert not any(each.kind == "QUANTIZE" for each in described.operators)


@pytest.mark.parametrize("ends", ["uint8", "float32"])
def test_a_file_that_computes_something_else_is_told(
    trained: Any, coral: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """The converter by itself loses the ReLU6 before a concatenation."""
    case, target = trained("Mixed"), replace(coral, default_io=ends)
    monkeypatch.setattr(IntegerProgram, "_rescale", lambda self, cat: None)
    with pytest.raises(CompressionError, match=r"Mixed.tflite does not compute what") as raised:
        TRANSFORM.apply(case.program, None, target, CaseData(case.data), tmp_path)
    assert "steps on 64 samples" in str(raised.value)
    assert raised.value.remedy.startswith("quantise the model after training")


def test_openvino_gets_the_onnx_file(trained: Any) -> None:
    found = {name: Registry().get("target", name) for name in ("openvino-cpu", "raspberry-pi")}
    assert TRANSFORM.refuse(None, found["raspberry-pi"]) is None
    transforms = {
        name: Registry().get("transform", name)
        for name in ("torch.qat", "litert.from_torch_int8", "onnx.from_torch_int8")
    }
    case = trained("Dense")
    plan = make_plan(case.program, (), found["openvino-cpu"], transforms)
    assert [leg.transform for leg in plan.legs] == ["onnx.from_torch_int8"]
