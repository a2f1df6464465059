"""Models of mixed precision are refused with what to type, before any work on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, QAT, Cast, Distill, EdgeData, Prune
from pytest_edgegate.backends.keras.distill import TRANSFORM as DISTILL
from pytest_edgegate.backends.keras.prune import TRANSFORM as PRUNE
from pytest_edgegate.backends.keras.reader import READER
from pytest_edgegate.backends.litert.from_keras import TRANSFORM as TO_LITERT
from pytest_edgegate.backends.litert.qat_from_keras import TRANSFORM as QUANTISE
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.compress import TRANSFORM as QUANTISE_ONNX
from pytest_edgegate.backends.onnx.from_keras import TRANSFORM as TO_ONNX
from pytest_edgegate.backends.onnx.reader import READER as ONNX_READER
from pytest_edgegate.core.errors import UnsupportedError
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings

X = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
DATA = EdgeData(train=(X, np.arange(32) % 3), calibration=X)


@pytest.fixture(scope="module")
def network(keras: ModuleType) -> Callable[[str], Any]:
    def build(policy: str) -> Any:
        dtype = keras.dtype_policies.get(policy)
        image = keras.Input((4,))
        hidden = keras.layers.Dense(8, activation="relu", name="hidden", dtype=dtype)(image)
        return keras.Model(image, keras.layers.Dense(3, name="scores", dtype="float32")(hidden))

    return build


def refusal(transform: Any, model: object, step: Step | None, host: Target, out: Path) -> str:
    source = READER.recognise(model, surroundings())
    assert source is not None
    with pytest.raises(UnsupportedError) as raised:
        transform.apply(source, step, host, CaseData(DATA), out)
    assert "set_dtype_policy('float32')" in raised.value.remedy
    assert "new.set_weights(old.get_weights())" in raised.value.remedy
    return raised.value.message


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
@pytest.mark.parametrize(
    ("transform", "step"),
    [(PRUNE, Prune(0.5)), (DISTILL, Distill()), (QUANTISE, QAT()), (TO_LITERT, PTQ())],
    ids=["prune", "distill", "qat", "litert"],
)
def test_other_floats_are_no_start_of_a_recipe(
    network: Any, policy: str, transform: Any, step: Step, host: Target, tmp_path: Path
) -> None:
    said = refusal(transform, network(policy), step, host, tmp_path)
    dtype = policy.removeprefix("mixed_")
    assert f"computes in {dtype} (its " in said
    assert "hidden" in said
    assert "recipes start from float32" in said


def test_a_saved_graph_shows_it_without_its_layers(
    network: Any, host: Target, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    with held_native_output():
        network("mixed_float16").export(folder, verbose=False)
    assert "computes in float16 (its MatMul" in refusal(TO_LITERT, folder, None, host, tmp_path)


def test_onnx_has_no_layers_of_bfloat16(network: Any, host: Target, tmp_path: Path) -> None:
    said = refusal(TO_ONNX, network("mixed_bfloat16"), None, host, tmp_path)
    assert "computes in bfloat16 (its MatMul" in said


@pytest.mark.parametrize("target", ["onnx-cpu", "jetson-nano"])
@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_int8_onnx_starts_from_float32(
    network: Any, policy: str, target: str, tmp_path: Path
) -> None:
    """Its float export is right, and is what the quantiser refuses."""
    board = Registry().get("target", target)
    source = READER.recognise(network(policy), surroundings())
    assert source is not None
    (tmp_path / "float").mkdir()
    made = TO_ONNX.apply(source, None, board, CaseData(DATA), tmp_path / "float")
    exported = ONNX_READER.recognise(made.main, surroundings())
    assert exported is not None
    with pytest.raises(UnsupportedError, match="has float16 weights") as raised:
        QUANTISE_ONNX.apply(exported, PTQ(16), board, CaseData(DATA), tmp_path)
    assert "int8 starts from float32" in raised.value.message
    assert "set_dtype_policy('float32') of keras.config" in raised.value.remedy


@pytest.mark.parametrize("step", [None, Cast("float16"), PTQ(16)])
def test_float32_with_a_cast_at_its_input_is_healthy(
    keras: ModuleType, step: Step | None, host: Target, tmp_path: Path
) -> None:
    """A layer that only casts multiplies nothing."""
    image = keras.Input((4,))
    cast = keras.layers.Rescaling(1.0, dtype="float32")(image)
    source = READER.recognise(keras.Model(image, keras.layers.Dense(3)(cast)), surroundings())
    assert source is not None
    assert TO_LITERT.apply(source, step, host, CaseData(DATA), tmp_path).main.exists()
