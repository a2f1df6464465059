"""Models that keep something between calls: every sample is the first one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate.backends.litert.inspector import _state
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK, LiteRTRuntime
from pytest_edgegate.backends.litert.schema import state_of, unpack
from pytest_edgegate.backends.native_output import held_native_output

Array = npt.NDArray[Any]
Write = Callable[[Any, Any], Path]


@pytest.fixture(scope="module")
def written(
    tf: ModuleType, tf_keras: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A recurrent layer (variable tensors), and a sum of all that it has seen (a resource)."""
    folder = tmp_path_factory.mktemp("state")

    class Sum(tf.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.total = tf.Variable(tf.zeros([1, 4]))

        @tf.function
        def add(self, x: Any) -> Any:
            self.total.assign_add(x)
            return self.total * 1.0

        @tf.function
        def add_all(self, x: Any) -> Any:
            self.total.assign_add(tf.reduce_sum(x, axis=0, keepdims=True))
            return x + self.total

    with held_native_output():
        tf_keras.utils.set_random_seed(0)
        x = tf_keras.Input(batch_shape=(1, 5, 4))
        recurrent = tf_keras.Model(x, tf_keras.layers.LSTM(3)(x))
        total = Sum()
        function = total.add.get_concrete_function(tf.TensorSpec([1, 4], tf.float32))
        free = total.add_all.get_concrete_function(tf.TensorSpec([None, 4], tf.float32))
        contents = {
            "tensors": tf.lite.TFLiteConverter.from_keras_model(recurrent).convert(),
            "resources": _with_resources(tf, function, total),
            "free batch": _with_resources(tf, free, total),
        }
    for name, content in contents.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return {name: folder / f"{name}.tflite" for name in contents}


def _with_resources(tf: ModuleType, function: Any, owner: Any) -> bytes:
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], owner)
    converter.experimental_enable_resource_variables = True
    content: bytes = converter.convert()
    return content


KERNELS = pytest.mark.parametrize("runtime", [XNNPACK, REFERENCE], ids=["xnnpack", "reference"])


@KERNELS
def test_a_free_batch_is_the_first_one(written: dict[str, Path], runtime: LiteRTRuntime) -> None:
    samples = np.ones((3, 4), np.float32)
    with runtime.open(written["free batch"]) as runner:
        for _ in range(2):
            [output] = runner.infer((samples,))
            np.testing.assert_array_equal(output, np.full((3, 4), 4.0))


@KERNELS
@pytest.mark.parametrize("kind", ["tensors", "resources"])
def test_every_sample_is_the_first_one(
    written: dict[str, Path], runtime: LiteRTRuntime, kind: str
) -> None:
    with runtime.open(written[kind]) as runner:
        shape = runner.inputs[0].shape[1:]
        samples = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
        samples[3] = samples[0]
        [output] = runner.infer((samples,))
        [alone] = runner.infer((samples[3:],))
        [again] = runner.infer((samples[3:],))
    np.testing.assert_array_equal(output[0], output[3])
    np.testing.assert_allclose(alone[0], output[0], atol=1e-6)
    np.testing.assert_array_equal(alone, again)
    assert np.abs(output[0] - output[1]).max() > 1e-3


@pytest.mark.parametrize("kind", ["tensors", "resources"])
def test_the_interpreter_alone_remembers(written: dict[str, Path], kind: str) -> None:
    """Or the tests here would test nothing."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(written[kind]))
    interpreter.allocate_tensors()
    [given], [result] = interpreter.get_input_details(), interpreter.get_output_details()
    seen = []
    for _ in range(2):
        interpreter.set_tensor(given["index"], np.ones(given["shape"], np.float32))
        interpreter.invoke()
        seen.append(interpreter.get_tensor(result["index"]))
    assert np.abs(seen[0] - seen[1]).max() > 1e-3


def test_what_a_file_keeps(written: dict[str, Path], files: dict[str, Path]) -> None:
    assert state_of(written["tensors"]) == "tensors"
    assert state_of(written["resources"]) == "resources"
    assert {state_of(path) for path in files.values()} == {""}
    assert any(each.isVariable for each in unpack(written["tensors"]).subgraphs[0].tensors)


def test_variables_that_nothing_assigns_keep_no_state() -> None:
    handle, reading, assigning = (
        SimpleNamespace(kind=kind, inputs=(None,))
        for kind in ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")
    )
    assert _state(cast("Any", [handle, reading])) is None
    kept = _state(cast("Any", [handle, reading, assigning]))
    assert kept is not None
    assert kept.operators == ("VAR_HANDLE",)
