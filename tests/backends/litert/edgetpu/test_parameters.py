"""The bytes of parameters: the formulas, each rule that is a guess, and real pairs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.backends.litert.edgetpu.parameters import Parameters, parameters, rules
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.core.description import OperatorInfo, TensorInfo
from pytest_edgegate.mapping.prediction import predicted
from pytest_edgegate.targets.folder import built_in

PAIRS = os.environ.get("EDGEGATE_CORAL_PAIRS", "")
IMAGE = TensorInfo("x", (1, 8, 8, 3), "int8")


def layer(
    kind: str, weights: tuple[int, ...], *, per_channel: bool = False, bias: bool | None = True
) -> OperatorInfo:
    """*bias*: None for a layer without one, False for one of zeros."""
    scales = (0.1,) * (2 if per_channel else 1)
    constants = [TensorInfo("w", weights, "int8", constant=True, scales=scales)]
    if bias is not None:
        constants.append(TensorInfo("b", weights[:1], "int32", constant=True))
    options = (("zero_bias", not bias),)
    return OperatorInfo(0, kind, (IMAGE, *constants), (IMAGE,), options, weights_at=1)


def other(kind: str, *constants: tuple[int, ...], out: tuple[int, ...] = (1, 8)) -> OperatorInfo:
    held = (TensorInfo("c", each, "int8", constant=True) for each in constants)
    return OperatorInfo(0, kind, (IMAGE, *held), (TensorInfo("y", out, "int8"),))


@pytest.mark.parametrize(
    ("operator", "cached"),
    [
        # 16 outputs of 3*3 taps of 4 inputs, and a bias of 4 bytes
        (layer("CONV_2D", (16, 3, 3, 3)), 16 * (36 + 4)),
        (layer("CONV_2D", (16, 3, 3, 3), bias=None), 16 * 36),
        (layer("CONV_2D", (17, 1, 1, 8)), 32 * (8 + 4)),
        (layer("CONV_2D", (65, 1, 1, 8)), 128 * (8 + 4)),
        (layer("CONV_2D", (64, 1, 1, 8)), 64 * (8 + 4)),
        (layer("CONV_2D", (1, 1, 1, 8)), 64),
        (layer("CONV_2D", (16, 1, 1, 8), per_channel=True), 16 * (8 + 12)),
        (layer("DEPTHWISE_CONV_2D", (1, 3, 3, 16)), 640),
        (layer("DEPTHWISE_CONV_2D", (1, 3, 3, 5)), 320),
        (layer("DEPTHWISE_CONV_2D", (1, 3, 3, 16), per_channel=True), 768),
        (layer("FULLY_CONNECTED", (10, 7)), 16 * 12),
        (layer("FULLY_CONNECTED", (10, 7), per_channel=True), 320),
        (other("SOFTMAX", out=(1, 1001)), 3 * 16_064 + 64),
        (other("RESHAPE"), 0),
        (other("TILE"), 0),
    ],
)
def test_what_is_cached(operator: OperatorInfo, cached: int) -> None:
    found = parameters([operator])
    assert (found.cached, found.streamed) == (cached, 0)
    assert found.guesses == ()


@pytest.mark.parametrize(
    ("sizes", "streamed"),
    [([(1, 64)], 0), ([(1, 65)], 192), ([(1, 48, 48, 1)], 2_368), ([(128,), (65,)], 384), ([], 0)],
)
def test_constants_of_elementwise_operators_are_streamed(
    sizes: list[tuple[int, ...]], streamed: int
) -> None:
    for kind in ("ADD", "MUL", "SUB"):
        assert parameters([other(kind, *sizes)]) == Parameters(0, streamed)


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (layer("CONV_2D", (2, 1, 1, 8)), "2 to 7 output channels"),
        (layer("CONV_2D", (7, 1, 1, 8)), "2 to 7 output channels"),
        (layer("CONV_2D", (16, 1, 1, 8), bias=False), "a bias of zeros"),
        (layer("TRANSPOSE_CONV", (16, 1, 1, 8)), "counted like CONV_2D"),
        (other("SOFTMAX", out=(1, 10)), "1,001 classes only"),
        (other("MEAN"), "it was not seen compiled"),
        (other("SPLIT"), "more than the rules say"),
        (other("MAXIMUM", (1, 99)), "counted like those of ADD"),
    ],
)
def test_a_rule_that_is_a_guess_is_named_with_the_operator(
    operator: OperatorInfo, said: str
) -> None:
    [guess] = parameters([operator]).guesses
    assert guess.startswith(f"{operator.kind} #0: ")
    assert said in guess


def test_no_guess_without_what_it_is_about() -> None:
    assert parameters([other("MAXIMUM")]).guesses == ()
    assert parameters([layer("CONV_2D", (8, 1, 1, 8))]).guesses == ()


def test_one_layer_with_scales_for_each_channel_decides_for_all() -> None:
    mixed = [
        layer("CONV_2D", (16, 1, 1, 8), per_channel=True),
        layer("CONV_2D", (16, 1, 1, 8)),
        layer("FULLY_CONNECTED", (16, 8)),
    ]
    found = parameters(mixed)
    assert found.cached == 2 * 16 * (8 + 12) + 16 * (8 + 4)
    assert "not seen in one file" in found.guesses[0]


def test_what_does_not_fit_is_streamed_and_a_guess() -> None:
    large = layer("FULLY_CONNECTED", (1_024, 4_096))
    one = 1_024 * 4_100
    assert parameters([large]) == Parameters(one, 0)
    two = parameters([large, replace(large, index=1)])
    memory = rules().memory["bytes"]
    assert (two.cached, two.streamed) == (memory, 2 * one - memory)
    assert "which layers are streamed then is not known" in two.guesses[0]


def test_large_activations_may_leave_no_room_for_parameters() -> None:
    small = layer("FULLY_CONNECTED", (1_024, 3_600))
    wide = TensorInfo("x", (1, 224, 224, 32), "int8")
    beside = parameters([small, replace(small, index=1, inputs=(wide,), outputs=(wide,))])
    assert (parameters([small]).guesses, len(beside.guesses)) == ((), 1)
    assert (beside.cached, beside.streamed) == (parameters([small]).cached, 0)
    assert parameters([replace(other("RESHAPE"), inputs=(wide,), outputs=(wide,))]).guesses == ()


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (-1, 3, 3, 3)])
def test_weights_of_another_shape_than_the_operator_has(shape: tuple[int, ...]) -> None:
    assert parameters([layer("CONV_2D", shape)]).cached == 0


def _pairs() -> Iterator[Any]:
    expected = {
        "mobilenet_v1_0.25_128_quant": (31, 31, 566_912),
        "deeplabv3_mnv2_dm05_pascal_quant": (64, 72, 766_720),
    }
    for name, known in expected.items():
        yield pytest.param(Path(PAIRS) / f"{name}.tflite", *known, id=name)


@pytest.mark.skipif(not PAIRS, reason="EDGEGATE_CORAL_PAIRS names no folder of compiled pairs")
@pytest.mark.parametrize(("path", "mapped", "total", "cached"), list(_pairs()))
def test_real_files(path: Path, mapped: int, total: int, cached: int) -> None:
    found = predicted(INSPECTOR.describe(path), built_in()["coral"])
    assert (len(found.mapped), len(found.placements)) == (mapped, total)
    assert parameters(each.operator for each in found.mapped) == Parameters(cached, 0)
