"""LiteRT-Micro computes what LiteRT's reference kernels do, and tells what it does not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.litert.runtime import REFERENCE
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.backends.tflite_micro.runtime import RUNTIME
from pytest_edgegate.core.errors import CrashedError, InferenceError
from pytest_edgegate.data.splits import Array
from pytest_edgegate.registry import Registry
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.remote import RemoteRunner

from .conftest import needs_micro

pytestmark = needs_micro
ENTRY = "pytest_edgegate.backends.tflite_micro.runtime:RUNTIME"
MOBILENET = "Hybrid models are not supported"


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(60)
    yield made
    made.close()


def noise_for(path: Path, count: int = 50) -> tuple[Array, ...]:
    """Samples in the dtypes of the file, over their whole range."""
    draws = np.random.default_rng(0)
    with REFERENCE.open(path) as runner:
        shapes = [(count, *(each.shape[1:])) for each in runner.inputs]
        dtypes = [np.dtype(each.dtype) for each in runner.inputs]
    return tuple(
        draws.normal(size=shape).astype(dtype)
        if dtype.kind == "f"
        else draws.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape, dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    )


def both(path: Path, samples: tuple[Array, ...]) -> list[tuple[Array, Array]]:
    """Each output by LiteRT-Micro and by the reference kernels, in the dtypes of the file."""
    with RUNTIME.open(path) as micro, REFERENCE.open(path) as reference:
        found = zip(micro.infer_raw(samples), reference.infer_raw(samples), strict=True)
        return list(found)


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_integers_are_those_of_the_reference_kernels_bit_for_bit(
    files: dict[str, Path], name: str
) -> None:
    for micro, reference in both(files[name], noise_for(files[name])):
        assert micro.dtype == reference.dtype
        assert len(np.unique(micro)) > 10
        np.testing.assert_array_equal(micro, reference)


def test_a_network_with_every_kind_of_layer(digits: Path) -> None:
    [(micro, reference)] = both(digits, noise_for(digits))
    np.testing.assert_array_equal(micro, reference)


def test_floats(files: dict[str, Path]) -> None:
    [(micro, reference)] = both(files["float"], noise_for(files["float"]))
    np.testing.assert_allclose(micro, reference, atol=1e-5)


def test_a_fixed_batch_above_one(from_function: Callable[..., Path], tf: Any) -> None:
    path = from_function(lambda x: tf.nn.relu(x) * 3, (4, 8))
    samples = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    [(micro, reference)] = both(path, (samples,))
    assert micro.shape == (6, 8)
    np.testing.assert_array_equal(micro, reference)


def test_samples_without_a_batch(from_function: Callable[..., Path], tf: Any) -> None:
    path = from_function(lambda x: tf.exp(tf.nn.relu(x)), (8,))
    samples = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    [(micro, reference)] = both(path, (samples,))
    assert micro.shape == (6, 8)
    np.testing.assert_allclose(micro, reference, rtol=1e-5)


def test_several_inputs_and_outputs(from_function: Callable[..., Path], tf: Any) -> None:
    path = from_function(lambda x, y: (x + y, tf.nn.relu(x * y)), (1, 8), (1, 8))
    draws = np.random.default_rng(0)
    samples = tuple(draws.normal(size=(5, 8)).astype(np.float32) for _ in range(2))
    for micro, reference in both(path, samples):
        np.testing.assert_allclose(micro, reference, atol=1e-6)


def test_samples_of_another_shape(digits: Path) -> None:
    with RUNTIME.open(digits) as runner, pytest.raises(InferenceError) as raised:
        runner.infer_raw((np.zeros((3, 28, 27, 1), np.uint8),))
    assert "digits.tflite in LiteRT-Micro takes inputs of the shapes (1, 28, 28, 1)" in str(
        raised.value
    )
    assert raised.value.remedy == "give samples of these shapes"


def test_an_output_that_is_not_one_for_each_sample(
    from_function: Callable[..., Path], tf: Any
) -> None:
    path = from_function(lambda x: tf.reshape(x, (8, 1)) * 2, (1, 8))
    said = r"shape \(8, 1\), not one result for each sample"
    with RUNTIME.open(path) as runner, pytest.raises(InferenceError, match=said):
        runner.infer_raw((np.zeros((3, 8), np.float32),))


def test_tensors_larger_than_the_file(from_function: Callable[..., Path], tf: Any) -> None:
    kernel = np.ones((3, 3, 1, 16), np.float32)
    path = from_function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"), (1, 128, 128, 1))
    assert path.stat().st_size < 10_000
    samples = np.random.default_rng(0).normal(size=(1, 128, 128, 1)).astype(np.float32)
    [(micro, reference)] = both(path, (samples,))
    np.testing.assert_allclose(micro, reference, atol=1e-5)


def test_every_sample_of_a_model_with_state_is_the_first(
    from_function: Callable[..., Path], tf: Any
) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)

    class Sum(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.total = tf.Variable(np.zeros((1, 4), np.float32))

        def __call__(self, x: Any) -> Any:
            return self.total.assign_add(x @ weights)

    path = _with_state(tf, Sum(), from_function)
    samples = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    with RUNTIME.open(path) as runner:
        [together] = runner.infer_raw((samples,))
        alone = [runner.infer_raw((samples[at : at + 1],))[0] for at in range(3)]
    np.testing.assert_array_equal(together, np.concatenate(alone))
    assert np.abs(np.diff(together, axis=0)).max() > 0


def _with_state(tf: Any, module: Any, from_function: Callable[..., Path]) -> Path:
    """A file whose variable stays in it."""
    from pytest_edgegate.backends.native_output import held_native_output

    path = from_function(lambda x: x, (1, 4)).with_name("state.tflite")
    with held_native_output():
        spec = tf.TensorSpec((1, 4), tf.float32, "x")
        concrete = tf.function(module.__call__).get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        converter.experimental_enable_resource_variables = True
        path.write_bytes(converter.convert())
    return path


def test_every_operator_that_it_lacks_is_named(lacking: Path) -> None:
    with pytest.raises(InferenceError) as raised:
        RUNTIME.open(lacking)
    message = raised.value.message
    assert message.startswith("function.tflite has the operators TOPK_V2, SIGN, which LiteRT-Micro")
    assert "the file is not damaged" in message
    assert raised.value.remedy.startswith("replace the layers of those operators by others")


def test_a_custom_operator_is_named(digits: Path) -> None:
    model = unpack(digits)
    code = next(
        each
        for each in model.operatorCodes
        if each.builtinCode == import_schema().BuiltinOperator.MEAN
    )
    code.builtinCode = code.deprecatedBuiltinCode = import_schema().BuiltinOperator.CUSTOM
    code.customCode = b"OurMean"
    digits.write_bytes(pack(model))
    with pytest.raises(InferenceError, match=r"has the operator OurMean, which LiteRT-Micro"):
        RUNTIME.open(digits)


def test_a_kernel_that_does_not_take_the_numbers_is_named(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """Files with weights in uint8 are of a scheme that converters used before 2020."""
    schema, model = import_schema(), unpack(files["int8"])
    for tensor in model.subgraphs[0].tensors:
        if tensor.type == schema.TensorType.INT8:
            tensor.type = schema.TensorType.UINT8
    path = tmp_path / "old.tflite"
    path.write_bytes(pack(model))
    with pytest.raises(InferenceError) as raised:
        RUNTIME.open(path)
    assert "refuses old.tflite at CONV_2D #0 (of uint8, uint8, int32): " in raised.value.message
    assert MOBILENET in raised.value.message
    assert raised.value.remedy.startswith("quantise the model to int8")


def test_a_compiled_file(digits: Path) -> None:
    model = unpack(digits)
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = import_schema().BuiltinOperator.CUSTOM
    code.customCode = b"ethos-u"
    digits.write_bytes(pack(model))
    with pytest.raises(InferenceError, match="is compiled for an Arm Ethos-U, and no CPU runs it"):
        RUNTIME.open(digits)


def test_a_softmax_that_would_end_the_process(digits: Path) -> None:
    model = unpack(digits)
    kinds = import_schema().BuiltinOperator
    for each in model.subgraphs[0].operators:
        if model.operatorCodes[each.opcodeIndex].builtinCode == kinds.SOFTMAX:
            model.subgraphs[0].tensors[each.inputs[0]].quantization.scale = [1e-9]
    digits.write_bytes(pack(model))
    with pytest.raises(
        InferenceError, match=r"the input scale 1e-09, which LiteRT-Micro can't run"
    ):
        RUNTIME.open(digits)


@pytest.mark.parametrize("content", [b"", b"hello", "cut"])
def test_a_damaged_file(digits: Path, content: bytes | str) -> None:
    whole = digits.read_bytes()
    digits.write_bytes(whole[:5000] if isinstance(content, str) else content)
    with pytest.raises(InferenceError, match=r"digits\.tflite can't be opened"):
        RUNTIME.open(digits)


def test_a_crash_ends_the_worker_and_not_the_session(crashing: Path, workers: Workers) -> None:
    samples = np.zeros((1, 28, 28, 1), np.uint8)
    named = "crashing.tflite in tflite-micro"
    with (
        RemoteRunner(workers, ENTRY, crashing, named) as runner,
        pytest.raises(CrashedError) as raised,
    ):
        runner.infer_raw((samples,))
    assert "crashing.tflite in tflite-micro ended the process that ran it (SIGSEGV)" in str(
        raised.value
    )


def test_it_is_registered_for_workers() -> None:
    assert Registry().entry("runtime", "tflite-micro") == ENTRY
