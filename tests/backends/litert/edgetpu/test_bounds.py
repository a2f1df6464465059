"""How many bytes of parameters a compiled file may hold of its source."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_edgegate.backends.litert.edgetpu.bounds import beyond
from pytest_edgegate.backends.litert.edgetpu.package import (
    CompiledFile,
    Executable,
    Package,
    read_compiled,
)
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.core.description import OperatorInfo, TensorInfo


def held(size: int) -> CompiledFile:
    return CompiledFile((Package(12, (Executable(1, size, 0, "beagle"),)),))


def operator(
    kind: str, weights: tuple[int, ...], name: str = "y", channels: int = 8
) -> OperatorInfo:
    taken = TensorInfo("x", (1, 8, 8, channels), "int8")
    constant = TensorInfo("w", weights, "int8", constant=True)
    made = TensorInfo(name, (1, 8, 8, channels), "int8")
    return OperatorInfo(0, kind, (taken, constant, None), (made,))


CONVOLUTION = operator("CONV_2D", (64, 3, 3, 64))
"""36,864 bytes of weights."""


def is_beyond(size: int, *source: OperatorInfo, left: tuple[OperatorInfo, ...] = ()) -> bool:
    return bool(beyond(held(size), source, left))


def test_each_weight_takes_a_byte_at_least_and_hardly_more() -> None:
    assert is_beyond(36_863, CONVOLUTION)
    assert not is_beyond(36_864, CONVOLUTION)
    assert not is_beyond(46_080, CONVOLUTION)
    assert is_beyond(60_000, CONVOLUTION)
    assert "at least 36,864" in beyond(held(10), [CONVOLUTION], ())


def test_weights_that_are_shared_are_counted_once() -> None:
    again = replace(CONVOLUTION, outputs=(TensorInfo("z", (1, 8, 8, 8), "int8"),))
    assert not is_beyond(36_864, CONVOLUTION, again)
    assert not is_beyond(2 * 36_864, CONVOLUTION, again)


def test_what_stays_on_the_cpu_is_not_held() -> None:
    other = operator("CONV_2D", (64, 3, 3, 64), "z")
    assert is_beyond(36_864, CONVOLUTION, other)
    assert not is_beyond(36_864, CONVOLUTION, other, left=(other,))
    renamed = replace(other, outputs=(TensorInfo("other", (1, 8, 8, 8), "int8"),))
    assert not is_beyond(0, CONVOLUTION, other, left=(renamed,)), "any of the kind may be left"


def test_what_the_rules_do_not_know_may_hold_more() -> None:
    """An LSTM was seen with 43,968 bytes cached and 576 streamed, of which the rules say 9,664."""
    lstm = operator("UNIDIRECTIONAL_SEQUENCE_LSTM", (128, 128))
    rest = operator("FULLY_CONNECTED", (64, 150), "z")
    assert not is_beyond(43_968 + 576, lstm, rest)
    assert not is_beyond(9_664, lstm, rest)
    assert is_beyond(1_000_000, lstm, rest)
    split = OperatorInfo(0, "SPLIT", CONVOLUTION.inputs[:1], CONVOLUTION.outputs)
    assert not is_beyond(40_000, CONVOLUTION, replace(split, outputs=()))


PAIRS = os.environ.get("EDGEGATE_CORAL_PAIRS", "")
NAMES = ("mobilenet_v1_0.25_128_quant", "deeplabv3_mnv2_dm05_pascal_quant")


@pytest.mark.skipif(not PAIRS, reason="EDGEGATE_CORAL_PAIRS names no folder of compiled pairs")
@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_real_files_are_of_their_own_source_only(source: str, name: str) -> None:
    described = INSPECTOR.describe(Path(PAIRS) / f"{source}.tflite")
    path = Path(PAIRS) / f"{name}_edgetpu.tflite"
    left = INSPECTOR.describe(path).beside_the_chip
    assert bool(beyond(read_compiled(path), described.operators, left)) == (source != name)
