"""Keras models trained with int8 simulated: the .onnx file that it ends in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import QAT
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.runtime import OPTIMISED, UNOPTIMISED
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

from .conftest import Ask, refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(
    trained_keras: Any, digits: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Produced]:
    @cache
    def make(name: str) -> Produced:
        source = READER.recognise(trained_keras, surroundings())
        assert source is not None
        target = Registry().get("target", name)
        out = tmp_path_factory.mktemp("qat")
        return TRANSFORM.apply(source, QAT(1, lr=1e-4), target, CaseData(digits.data), out)

    return make


@pytest.fixture(scope="module")
def produced(made: Callable[[str], Produced]) -> Produced:
    return made("onnx-cpu")


def test_its_ends_are_the_models_own(produced: Produced) -> None:
    described = INSPECTOR.describe(produced.main)
    ends = [(each.name, each.shape, each.dtype) for each in described.inputs + described.outputs]
    assert ends == [("image", (1, 8, 8, 1), "float32"), ("scores", (1, 10), "float32")]


def test_every_convolution_runs_in_int8(produced: Produced, digits: Any) -> None:
    executed = OPTIMISED.executed(produced.main, (digits.x[:1],))
    assert executed is not None
    kinds = Counter(each.kind for each in executed)
    assert (kinds["QLinearConv"], kinds["QGemm"], kinds["QLinearSoftmax"]) == (2, 1, 1)
    assert not {"Conv", "FusedConv", "Gemm", "MatMul"} & set(kinds)


def test_weights_are_int8_with_a_scale_for_each_channel(produced: Produced) -> None:
    weights = [
        (each.kind, each.inputs[1].dtype, len(each.inputs[1].scales))
        for each in INSPECTOR.describe(produced.main).operators
        if each.kind in ("Conv", "Gemm") and each.inputs[1] is not None
    ]
    assert weights == [("Conv", "int8", 8), ("Conv", "int8", 8), ("Gemm", "int8", 1)]


def test_it_has_learnt_and_is_what_was_simulated(produced: Produced, digits: Any) -> None:
    x, y = digits.x[-300:], digits.y[-300:]
    for runtime in (OPTIMISED, UNOPTIMISED):
        with runtime.open(produced.main) as runner:
            [scores] = runner.infer((x,))
        assert np.mean(scores.argmax(1) == y) > 0.9
    assert produced.facts["agreement"]["mean_steps"] < 0.5
    assert produced.facts["agreement"]["largest_steps"] < 8


def test_a_jetson_gets_symmetric_activations_and_biases_in_float(
    made: Callable[[str], Produced], jetson: Target, digits: Any
) -> None:
    """It is trained so: what is simulated has the steps of the file."""
    produced = made("jetson-nano")
    assert refused(produced.main, jetson) == []
    x, y = digits.x[-300:], digits.y[-300:]
    with UNOPTIMISED.open(produced.main) as runner:
        [scores] = runner.infer((x,))
    assert np.mean(scores.argmax(1) == y) > 0.9
    assert produced.facts["agreement"]["mean_steps"] < 0.5
    assert produced.facts["agreement"]["largest_steps"] < 8


def test_gates_run_in_integers(gated_keras: Any, digits: Any, tmp_path: Path) -> None:
    source = READER.recognise(gated_keras, surroundings())
    assert source is not None
    target = Registry().get("target", "onnx-cpu")
    case = CaseData(digits.data)
    produced = TRANSFORM.apply(source, QAT(1, lr=1e-4), target, case, tmp_path)
    x, y = digits.x[-300:], digits.y[-300:]
    executed = OPTIMISED.executed(produced.main, (x[:1],))
    assert executed is not None
    kinds = Counter(each.kind for each in executed)
    assert (kinds["QLinearMul"], kinds["QLinearAdd"]) == (6, 4)
    assert not {"Add", "Clip", "Conv", "Gemm", "HardSwish", "MatMul", "Mul", "Relu"} & set(kinds)
    with OPTIMISED.open(produced.main) as runner:
        [scores] = runner.infer((x,))
    exact = np.mean(np.asarray(gated_keras(x)).argmax(1) == y)
    assert np.mean(scores.argmax(1) == y) >= exact - 0.02
    assert produced.facts["agreement"]["mean_steps"] < 0.5


def test_nvidias_parser_takes_it(made: Callable[[str], Produced], nvidia: Ask) -> None:
    assert nvidia(made("jetson-nano").main) == ""
