"""Masks that stretch a quantised tensor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_edgegate.core.description import OperatorInfo, TensorInfo
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.diagnosis.stretched import by_masks

RED = Measurement(1.0, "host:fake")


def tensor(name: str, low: float, high: float, *, constant: bool = False) -> TensorInfo:
    """An int8 tensor that holds values from *low* to *high*."""
    scale = (high - low) / 255
    zero = round(-128 - low / scale)
    return TensorInfo(name, (1, 4), "int8", constant, (scale,), (zero,))


SCORES = tensor("scores", -4, 6)
BIAS = TensorInfo("bias", (4,), "int32", True, (0.1,), (0,))


def mask(lowest: float) -> TensorInfo:
    return tensor("mask", lowest, 0, constant=True)


def found(*operators: OperatorInfo) -> Any:
    described = SimpleNamespace(operators=operators)
    return by_masks(RED, cast("Any", SimpleNamespace(description=lambda: described)))


def add(constant: TensorInfo, kind: str = "ADD") -> OperatorInfo:
    low = -constant.scales[0] * 255
    return OperatorInfo(3, kind, (SCORES, constant), (tensor("masked", low, 6),))


@pytest.mark.parametrize("kind", ["ADD", "Add", "Where", "SELECT_V2", "Minimum"])
@pytest.mark.parametrize("lowest", [-3.4e38, -1e9, -1e4])
def test_a_constant_far_from_the_values_beside_it(kind: str, lowest: float) -> None:
    diagnosis = found(add(mask(lowest), kind))
    assert diagnosis.cause.startswith(
        f"the constant mask of {kind} #3 (masked) reaches {lowest:.2g} beside values in a range "
        "of 10, as a mask does: in steps of "
    )
    assert f"-20 in place of {lowest:.2g} or of -inf" in diagnosis.remedy


@pytest.mark.parametrize("lowest", [-20, -100, -600])
def test_a_constant_that_leaves_steps_is_healthy(lowest: float) -> None:
    assert found(add(mask(lowest))) == found()


def test_a_factor_stretches_nothing() -> None:
    assert found(add(mask(-1e5), "MUL")) == found()


def test_a_mask_that_the_model_computes() -> None:
    made = tensor("cast_mask", -1e9, 0)
    operator = OperatorInfo(2, "MUL", (tensor("x", 0, 1), BIAS), (made,))
    after = OperatorInfo(4, "ADD", (made, SCORES), (tensor("sum", -1e9, 6),))
    assert found(operator, after).cause.startswith(
        "the output of MUL #2 (cast_mask) goes from -1e+09 to 0, as a mask does: in steps of "
        "3.9e+06 the other values are lost"
    )


def test_samples_of_a_wide_range_are_what_they_are() -> None:
    wide = tensor("x", -1e8, 1e8)
    raw = TensorInfo("raw", (1, 4), "float32")
    quantise = OperatorInfo(0, "QUANTIZE", (raw,), (wide,), border=True)
    assert found(quantise, OperatorInfo(1, "CONV_2D", (wide,), (wide,))) == found()


def test_a_wide_bias_is_no_input_that_brings_the_range() -> None:
    operator = OperatorInfo(1, "FULLY_CONNECTED", (SCORES, BIAS), (tensor("y", -3.4e38, 6),))
    assert "the output of FULLY_CONNECTED #1" in found(operator).cause
