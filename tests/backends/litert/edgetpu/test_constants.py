"""What the rules need to know of constants, as the inspector reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import edgetpu_files as files
import numpy as np
import pytest

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.core.description import OperatorInfo
from pytest_edgegate.core.target import Target
from pytest_edgegate.mapping.prediction import predicted

ADD = 9
"""The place of the ADD in the digits file."""


@pytest.fixture
def joined(tmp_path: Path) -> Callable[[int, int], Path]:
    """The digits file, where a concatenation with a constant stands in place of the addition."""

    def make(value: int, zero_point: int) -> Path:
        schema, model = import_schema(), unpack(files.SOURCE)
        graph = model.subgraphs[0]
        operator = graph.operators[ADD]
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONCATENATION
        model.operatorCodes.append(code)
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
        operator.builtinOptions = schema.ConcatenationOptionsT()
        constant = graph.tensors[operator.inputs[1]]
        constant.quantization.zeroPoint = np.array([zero_point], np.int64)
        buffer = schema.BufferT()
        buffer.data = np.full(int(np.prod(constant.shape)), value, np.int8).view(np.uint8)
        model.buffers.append(buffer)
        constant.buffer = len(model.buffers) - 1
        path = tmp_path / "joined.tflite"
        path.write_bytes(pack(model))
        return path

    return make


def described(path: Path, at: int = ADD) -> OperatorInfo:
    return INSPECTOR.describe(path).operators[at]


@pytest.mark.parametrize(
    ("value", "zero_point", "zeros"), [(0, 0, True), (-128, -128, True), (0, 3, False)]
)
def test_a_constant_that_is_joined_may_be_zeros(
    joined: Any, coral: Target, value: int, zero_point: int, zeros: bool
) -> None:
    path = joined(value, zero_point)
    assert described(path).option("zero_constants") is zeros
    mapped = predicted(INSPECTOR.describe(path), coral).placements[ADD].mapped
    assert mapped is zeros


def test_a_bias_of_zeros(tmp_path: Path) -> None:
    model = unpack(files.SOURCE)
    graph = model.subgraphs[0]
    bias = model.buffers[graph.tensors[graph.operators[1].inputs[2]].buffer]
    assert described(files.SOURCE, 1).option("zero_bias") is False
    bias.data = np.zeros_like(bias.data)
    (tmp_path / "zeros.tflite").write_bytes(pack(model))
    assert described(tmp_path / "zeros.tflite", 1).option("zero_bias") is True
    graph.operators[1].inputs = list(graph.operators[1].inputs[:2])
    (tmp_path / "none.tflite").write_bytes(pack(model))
    assert described(tmp_path / "none.tflite", 1).option("zero_bias") is True
