"""The runner against the plainest loop over the interpreter that one would write."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ
from pytest_edgegate.backends.litert.inputs_outputs import conversion
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK, LiteRTRuntime
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.data.feeding import arrange, quantised
from pytest_edgegate.measures.metrics import TopN

Array = npt.NDArray[Any]
RUNTIMES = {"AUTO": XNNPACK, "BUILTIN_REF": REFERENCE}


def plain_loop(path: Path, samples: Array, resolver: str) -> tuple[Array, Array]:
    """(raw outputs, real outputs): quantise by hand, one set_tensor, invoke, get_tensor each."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = getattr(OpResolverType, resolver)
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    [given], [result] = interpreter.get_input_details(), interpreter.get_output_details()
    raw = []
    if given["dtype"] != np.float32:
        scale, zero = given["quantization"]
        limits = np.iinfo(given["dtype"])
        samples = np.clip(np.rint(samples / np.float32(scale) + zero), limits.min, limits.max)
    for sample in samples:
        interpreter.set_tensor(given["index"], sample[None].astype(given["dtype"]))
        interpreter.invoke()
        raw.append(interpreter.get_tensor(result["index"])[0])
    stacked = np.stack(raw)
    if result["dtype"] == np.float32:
        return stacked, stacked
    scale, zero = result["quantization"]
    return stacked, (stacked.astype(np.float32) - zero) * np.float32(scale)


@pytest.mark.parametrize("kind", ["float", "uint8", "int8"])
@pytest.mark.parametrize("resolver", RUNTIMES)
def test_the_same_as_a_plain_loop(
    files: dict[str, Path], samples: Array, kind: str, resolver: str
) -> None:
    raw, real = plain_loop(files[kind], samples, resolver)
    with RUNTIMES[resolver].open(files[kind]) as runner:
        fed = quantised(samples, runner.inputs[0])
        [seen_raw], [seen] = runner.infer_raw((fed,)), runner.infer((samples,))
    np.testing.assert_array_equal(seen_raw, raw)
    np.testing.assert_array_equal(seen, real)
    assert seen_raw.dtype == raw.dtype
    assert seen.dtype == np.float32
    assert len(np.unique(raw, axis=0)) > 10, "outputs that are all alike compare nothing"


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_integers_are_near_the_float_file(
    files: dict[str, Path], samples: Array, kind: str
) -> None:
    with XNNPACK.open(files["float"]) as exact, XNNPACK.open(files[kind]) as integer:
        [before], [after] = exact.infer((samples,)), integer.infer((samples,))
    assert np.abs(before - after).max() < 0.05
    assert (before.argmax(axis=1) == after.argmax(axis=1)).mean() > 0.9


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
def test_what_is_out_of_range_saturates(
    files: dict[str, Path], kind: str, runtime: LiteRTRuntime
) -> None:
    shape = (1, 6, 6, 2)
    with runtime.open(files[kind]) as runner:
        tensor = runner.inputs[0]
        limits = np.iinfo(tensor.dtype)
        for far, limit in ((1e6, limits.max), (-1e6, limits.min)):
            edge = (limit - tensor.zero_points[0]) * tensor.scales[0]
            [beyond] = runner.infer((np.full(shape, far, np.float32),))
            [at_edge] = runner.infer((np.full(shape, edge, np.float32),))
            np.testing.assert_array_equal(beyond, at_edge)


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
@pytest.mark.parametrize("batch", [4, None], ids=["static batch of 4", "free batch"])
@pytest.mark.parametrize("count", [1, 4, 10])
def test_batches_other_than_one(
    from_function: Callable[..., Path], runtime: LiteRTRuntime, batch: int | None, count: int
) -> None:
    path = from_function(lambda x: x * 2 + 1, (batch, 3))
    x = np.arange(count * 3, dtype=np.float32).reshape(count, 3)
    with runtime.open(path) as runner:
        assert runner.inputs[0].shape == (-1 if batch is None else batch, 3)
        [first] = runner.infer((x,))
        [again] = runner.infer((x[:1],))
    np.testing.assert_array_equal(first, x * 2 + 1)
    np.testing.assert_array_equal(again, x[:1] * 2 + 1)


def test_an_output_without_the_batch_is_refused_not_cut(
    from_function: Callable[..., Path], tf: Any
) -> None:
    """One sample gives four numbers and no batch dimension: row 0 alone would be a quarter."""
    path = from_function(lambda x: tf.reshape(x, (4,)) * 2, (1, 4))
    x = np.ones((3, 4), np.float32)
    with pytest.raises(InferenceError), XNNPACK.open(path) as runner:
        runner.infer((x,))


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
@pytest.mark.parametrize("batch", [1, 2], ids=["one", "two"])
def test_sizes_that_a_file_leaves_free_are_those_of_the_samples(
    from_function: Callable[..., Path], tf: Any, runtime: LiteRTRuntime, batch: int
) -> None:
    """And the next samples may have others; the file itself names a size of 1 by 1."""
    path = from_function(lambda x: tf.nn.avg_pool2d(x, 2, 1, "VALID"), (batch, None, None, 3))
    with runtime.open(path) as runner:
        assert runner.inputs[0].shape == (batch, -1, -1, 3)
        for sides in ((6, 4), (3, 5)):
            x = np.random.default_rng(0).random((3, *sides, 3)).astype(np.float32)
            [made] = runner.infer((x,))
            expected = tf.nn.avg_pool2d(x, 2, 1, "VALID").numpy()
            np.testing.assert_allclose(made, expected, atol=1e-6)
            runner.once((x[:1],))()


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
@pytest.mark.parametrize("shape", [(1, None, None, 3), (None, None, None, 3)], ids=["one", "free"])
def test_sizes_that_a_file_names_need_not_be_any_that_it_runs_with(
    from_function: Callable[..., Path],
    tf: Any,
    runtime: LiteRTRuntime,
    shape: tuple[int | None, ...],
) -> None:
    """A file names 1 where a size is free, and no window of 3 fits into that."""
    x = np.random.default_rng(0).random((3, 8, 7, 3)).astype(np.float32)
    path = from_function(_shrunk, shape)
    with runtime.open(path) as runner:
        runner.once((x[:1],))()
        [made] = runner.infer((x,))
        with pytest.raises(InferenceError, match="opens but does not run"):
            runner.infer((x[:, :2, :2],))
        [again] = runner.infer((x,))
    np.testing.assert_allclose(made, _shrunk(tf.constant(x)).numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made, again)


def _shrunk(x: Any) -> Any:
    import tensorflow as tf

    kernel = tf.constant(np.linspace(-1, 1, 54, dtype=np.float32).reshape(3, 3, 3, 2))
    for stride in (2, 1):
        x = tf.nn.conv2d(x, kernel if stride == 2 else kernel[:, :, :2], stride, "VALID")
    return tf.reduce_mean(x, axis=[1, 2])


FLAT: dict[str, tuple[Callable[[Any], Any], tuple[int | None, ...]]] = {
    "to numbers": (lambda x: x[0] * 2, (8, 6)),
    "to one number": (lambda x: x[0, 0] * 2, (8, 6)),
    "to its own shape": (lambda x: x * 2, (8, 6)),
    "of any length": (lambda x: x[:4] * 2, (None,)),
}
"""Functions of a single sample."""


@pytest.mark.parametrize("name", FLAT)
def test_a_file_without_a_batch_takes_one_sample_after_the_other(
    from_function: Callable[..., Path], name: str
) -> None:
    function, shape = FLAT[name]
    path = from_function(function, shape)
    x = np.random.default_rng(0).random((5, *(size or 16 for size in shape))).astype(np.float32)
    with XNNPACK.open(path) as runner:
        [fed] = arrange((x,), None, runner.inputs, "evaluation")
        [made] = runner.infer((fed,))
        runner.once((x[:1],))()
    np.testing.assert_array_equal(made, np.stack([function(each) for each in x]))


def test_samples_with_an_axis_too_many_are_not_taken_for_it(
    from_function: Callable[..., Path],
) -> None:
    for batch in (1, None):
        path = from_function(lambda x: x * 2, (batch, 3))
        with XNNPACK.open(path) as runner, pytest.raises(ConfigurationError):
            arrange((np.zeros((5, 1, 3), np.float32),), None, runner.inputs, "evaluation")


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
def test_several_inputs_and_outputs(
    from_function: Callable[..., Path], runtime: LiteRTRuntime
) -> None:
    path = from_function(lambda x0, x1: (x0 - 2 * x1, x0 * 3), (1, 3), (1, 3))
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    with runtime.open(path) as runner:
        order = [0 if "x0" in each.name else 1 for each in runner.inputs]
        outputs = runner.infer(tuple((x, x + 1)[at] for at in order))
    expected = [x - 2 * (x + 1), x * 3]
    for output in outputs:
        assert any(np.array_equal(output, each) for each in expected)
    assert not np.array_equal(*outputs)


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
def test_of_equal_scores_the_lowest_index_wins(
    from_function: Callable[..., Path], tf: Any, runtime: LiteRTRuntime
) -> None:
    path = from_function(lambda x: tf.concat([x, x, x + 1, x + 1], axis=1), (1, 1))
    with runtime.open(path) as runner:
        [scores] = runner.infer((np.zeros((2, 1), np.float32),))
    figures = TopN(1).observe(scores, np.array([2, 3]))
    assert list(figures["predicted"]) == [2, 2]
    assert list(figures["rank"]) == [0, 1]


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=RUNTIMES)
def test_equal_integer_scores(
    keras: Any, convert: Any, coral: Any, data: Any, samples: Array, runtime: LiteRTRuntime
) -> None:
    image = keras.Input((6, 6, 2))
    flat = keras.layers.Flatten()(image)
    dense = keras.layers.Dense(4, kernel_initializer="ones", activation="softmax")
    path = convert(keras.Model(image, dense(flat)), PTQ(), coral, data)
    with runtime.open(path) as runner:
        [scores] = runner.infer((samples,))
    figures = TopN(1).observe(scores, np.full(len(samples), 1))
    assert (figures["predicted"] == 0).all()
    assert (figures["rank"] == 1).all()


@pytest.mark.parametrize("name", ["XNNPACK", "REFERENCE"])
def test_logits_that_collapsed_do_not_end_the_process(
    files: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """A last layer of zeros gets a scale of 8e-9, which a CHECK in native code may not survive."""
    model = unpack(files["uint8"])
    codes = [each.builtinCode for each in model.operatorCodes]
    softmax = codes.index(import_schema().BuiltinOperator.SOFTMAX)
    graph = model.subgraphs[0]
    [operator] = [each for each in graph.operators if each.opcodeIndex == softmax]
    graph.tensors[operator.inputs[0]].quantization.scale = np.array([8e-9], np.float32)
    path = tmp_path / "collapsed.tflite"
    path.write_bytes(pack(model))
    program = f"""
from pathlib import Path
from pytest_edgegate.backends.litert.runtime import {name}
from pytest_edgegate.core.errors import EdgeGateError
try:
    {name}.open(Path({str(path)!r}))
except EdgeGateError:
    pass
"""
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert ran.returncode == 0


def quantizer(path: Path, dtype: str, scale: float, zero: int, size: int) -> Path:
    """A file whose only operator is QUANTIZE, from float32 to *dtype*."""
    schema = import_schema()
    given, made = schema.TensorT(), schema.TensorT()
    for tensor, name, kind in ((given, b"x", "FLOAT32"), (made, b"q", dtype.upper())):
        tensor.name, tensor.shape = name, np.array([1, size], np.int32)
        tensor.type = getattr(schema.TensorType, kind)
    made.quantization = schema.QuantizationParametersT()
    made.quantization.scale = np.array([scale], np.float32)
    made.quantization.zeroPoint = np.array([zero], np.int64)
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [graph]
    model.operatorCodes = []
    graph.tensors, graph.operators = [given, made], [conversion(schema, model, "QUANTIZE", 0, 1)]
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([1], np.int32)
    path.write_bytes(pack(model))
    return path


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"), [("int8", 0.0397987552, -11), ("uint8", 1 / 255, 0)]
)
@pytest.mark.parametrize("ties", [False, True])
def test_inputs_are_quantised_to_the_bit_as_by_quantize(
    tmp_path: Path, dtype: str, scale: float, zero: int, ties: bool
) -> None:
    random, size = np.random.default_rng(4), 1 << 18
    limits = np.iinfo(dtype)
    values = random.integers(limits.min, limits.max, size) - zero + (0.5 if ties else 0.0)
    spread = 0 if ties else random.normal(0, 1, size)
    samples = ((values + spread) * scale).astype(np.float32)[None]
    path = quantizer(tmp_path / "q.tflite", dtype, scale, zero, size)
    tensor = TensorInfo("x", (1, size), dtype, scales=(scale,), zero_points=(zero,))
    [raw], _ = plain_loop(path, samples, "AUTO")
    np.testing.assert_array_equal(quantised(samples, tensor)[0], raw)
    [by_reference], _ = plain_loop(path, samples, "BUILTIN_REF")
    apart = np.abs(by_reference.astype(int) - raw)
    assert apart.max() <= 1
    assert ties or (apart > 0).mean() < 1e-4
