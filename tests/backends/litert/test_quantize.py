"""Float .tflite files to int8 and float16, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.quantize import TRANSFORM
from pytest_edgegate.backends.litert.reader import READER
from pytest_edgegate.backends.litert.runtime import REFERENCE, XNNPACK, LiteRTRuntime
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.core.description import ModelDescription
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    CompressionError,
    ConfigurationError,
    EdgeGateError,
    UnsupportedError,
)
from pytest_edgegate.core.ports import Produced
from pytest_edgegate.core.recipe import Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.feeding import bare_name
from pytest_edgegate.planner import float_target
from pytest_edgegate.testing.contract import BackendCase, BackendContract, CaseData, surroundings

Array = npt.NDArray[Any]
Quantise = Callable[..., Produced]
KERNELS = pytest.mark.parametrize("runtime", [XNNPACK, REFERENCE], ids=["xnnpack", "reference"])


@pytest.fixture
def quantise(tmp_path: Path, coral: Target, data: EdgeData) -> Quantise:
    """Quantises a file by itself; for the board, by the samples of the small model."""

    def run(
        path: Path, step: Step | None = None, target: Target = coral, given: EdgeData = data
    ) -> Produced:
        model = READER.recognise(path, surroundings())
        assert model is not None
        out = tmp_path / f"out_{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        return TRANSFORM.apply(model, step or PTQ(), target, CaseData(given), out)

    return run


def _samples(*shape: int, count: int = 16) -> Array:
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)


def _calibration(*arrays: Array) -> EdgeData:
    """By the names that ``from_function`` gives the inputs; its files have them in any order."""
    named = {f"x{at}": each for at, each in enumerate(arrays)}
    return EdgeData(calibration=named if len(arrays) > 1 else arrays[0])


class LiteRTToLiteRT(BackendContract):
    """``case`` of a step and a board; one float file, one quantisation a class."""

    step: ClassVar[Step | None] = None
    board: ClassVar[str] = "coral"
    made: ClassVar[dict[Path, Produced]] = {}

    @pytest.fixture
    def case(
        self, files: dict[str, Path], data: EdgeData, request: pytest.FixtureRequest
    ) -> BackendCase:
        target = request.getfixturevalue(self.board)
        return BackendCase(
            reader=READER,
            model=files["float"],
            transform=TRANSFORM,
            step=self.step,
            target=float_target(target, "litert") if isinstance(self.step, Cast) else target,
            data=data,
            runtimes=(XNNPACK, REFERENCE),
            inspector=INSPECTOR,
        )


class TestPTQForCoral(LiteRTToLiteRT):
    step = PTQ()


class TestPTQForHost(LiteRTToLiteRT):
    step = PTQ(8, per_channel=False)
    board = "host"


class TestCastToFloat16(LiteRTToLiteRT):
    step = Cast("float16")
    board = "host"


def _weights(described: ModelDescription, kind: str) -> list[int]:
    """How many scales the weights of each operator of a kind have."""
    found = []
    for each in described.operators:
        if each.kind == kind and each.weights_at is not None:
            tensor = each.inputs[each.weights_at]
            assert tensor is not None
            found.append(len(tensor.scales))
    assert found
    return found


@KERNELS
def test_uint8_is_int8_and_128(
    files: dict[str, Path],
    samples: Array,
    quantise: Quantise,
    host: Target,
    coral: Target,
    runtime: LiteRTRuntime,
) -> None:
    board = replace(host, per_channel_dense=coral.per_channel_dense)
    signed = quantise(files["float"], target=board).main
    unsigned = quantise(files["float"]).main
    with runtime.open(signed) as one, runtime.open(unsigned) as other:
        assert [each.dtype for each in (*one.inputs, *one.outputs)] == ["int8", "int8"]
        assert [each.dtype for each in (*other.inputs, *other.outputs)] == ["uint8", "uint8"]
        assert [each.scales for each in other.outputs] == [each.scales for each in one.outputs]
        raw = np.random.default_rng(0).integers(-128, 128, size=(64, 6, 6, 2)).astype(np.int8)
        [expected] = one.infer_raw((raw,))
        [seen] = other.infer_raw(((raw.astype(np.int16) + 128).astype(np.uint8),))
        [real], [real_too] = one.infer((samples,)), other.infer((samples,))
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen.astype(int), expected.astype(int) + 128)
    np.testing.assert_array_equal(real, real_too)
    assert len(np.unique(expected, axis=0)) > 10, "outputs that are all alike compare nothing"


@KERNELS
def test_real_ends_round_as_the_board_does(
    files: dict[str, Path],
    samples: Array,
    quantise: Quantise,
    host: Target,
    runtime: LiteRTRuntime,
) -> None:
    integers = quantise(files["float"], target=host).main
    reals = quantise(files["float"], target=replace(host, default_io="float32")).main
    with runtime.open(integers) as one, runtime.open(reals) as other:
        assert [each.dtype for each in (*other.inputs, *other.outputs)] == ["float32", "float32"]
        [expected], [seen] = one.infer((samples,)), other.infer((samples,))
    np.testing.assert_allclose(seen, expected, atol=1e-6)
    inner = [each.kind for each in INSPECTOR.describe(reals).operators]
    assert inner[0] == "QUANTIZE"
    assert inner[-1] == "DEQUANTIZE"


def test_the_signature_follows_the_new_ends(
    files: dict[str, Path], samples: Array, quantise: Quantise
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    before = INSPECTOR.describe(files["float"])
    path = quantise(files["float"]).main
    described = INSPECTOR.describe(path)
    assert [each.name for each in (*described.inputs, *described.outputs)] == [
        each.name for each in (*before.inputs, *before.outputs)
    ]
    # The int8 tensors of before are still there, told apart by their names
    assert described.operators[0].outputs[0].name == f"{before.inputs[0].name}_int8"
    runner = Interpreter(model_path=str(path)).get_signature_runner()
    [(name, given)] = runner.get_input_details().items()
    assert given["dtype"] == np.uint8
    [result] = runner(**{name: np.zeros((1, 6, 6, 2), np.uint8)}).values()
    assert result.dtype == np.uint8


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("board", ["coral", "host"])
def test_scales_are_as_asked_and_as_the_board_takes_them(
    files: dict[str, Path],
    quantise: Quantise,
    request: pytest.FixtureRequest,
    board: str,
    per_channel: bool,
) -> None:
    target = request.getfixturevalue(board)
    made = quantise(files["float"], PTQ(per_channel=per_channel), target)
    described = INSPECTOR.describe(made.main)
    assert described.fully_quantized
    assert _weights(described, "CONV_2D") == [4 if per_channel else 1]
    assert _weights(described, "DEPTHWISE_CONV_2D") == [4 if per_channel else 1]
    several = per_channel and target.per_channel_dense
    assert _weights(described, "FULLY_CONNECTED") == [3 if several else 1]


@pytest.mark.parametrize("per_channel", [True, False])
def test_int8_is_near_the_float_file(
    files: dict[str, Path],
    samples: Array,
    quantise: Quantise,
    infer: Any,
    sqnr: Any,
    per_channel: bool,
) -> None:
    made = quantise(files["float"], PTQ(per_channel=per_channel))
    exact = infer(Produced(files["float"], ()), samples)["reference"][0]
    for [rounded] in infer(made, samples).values():
        assert sqnr(exact, rounded) > 30


def test_float16_halves_the_weights(
    files: dict[str, Path], samples: Array, quantise: Quantise, infer: Any, sqnr: Any
) -> None:
    made = quantise(files["float"], Cast("float16"))
    described = INSPECTOR.describe(made.main)
    weights = [each for each in described.operators if each.kind == "DEQUANTIZE"]
    assert len(weights) == 3
    assert {each.inputs[0].dtype for each in weights if each.inputs[0]} == {"float16"}
    assert [each.dtype for each in (*described.inputs, *described.outputs)] == ["float32"] * 2
    exact = infer(Produced(files["float"], ()), samples)["reference"][0]
    for [rounded] in infer(made, samples).values():
        assert sqnr(exact, rounded) > 60


def test_ranges_are_of_all_samples(from_function: Any, quantise: Quantise) -> None:
    """A moving average would depend on the order, and would forget the extremes."""
    path = from_function(lambda x: x * 0.5, (1, 4))
    values = _samples(4)
    values[3, 2], values[7, 1] = 20.0, -20.0
    forwards = quantise(path, given=_calibration(values)).main
    backwards = quantise(path, given=_calibration(values[::-1].copy())).main
    assert forwards.read_bytes() == backwards.read_bytes()
    [given] = INSPECTOR.describe(forwards).inputs
    assert given.scales[0] == pytest.approx(40 / 255, rel=1e-3)


def test_as_many_samples_as_the_step_says(from_function: Any, quantise: Quantise) -> None:
    path = from_function(lambda x: x * 0.5, (1, 4))
    values = np.concatenate([np.full((4, 4), 1.0), np.full((60, 4), 9.0)]).astype(np.float32)
    values[::2] *= -1
    few = INSPECTOR.describe(quantise(path, PTQ(1), given=_calibration(values)).main)
    many = INSPECTOR.describe(quantise(path, PTQ(64), given=_calibration(values)).main)
    assert few.inputs[0].scales[0] < many.inputs[0].scales[0]
    assert many.inputs[0].scales[0] == pytest.approx(18 / 255, rel=1e-3)


def test_tensorflow_is_not_imported(files: dict[str, Path], samples: Array, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", samples)
    program = """
import sys
import numpy as np
from pathlib import Path
from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.litert.quantize import TRANSFORM
from pytest_edgegate.backends.litert.reader import READER
from pytest_edgegate.registry import Registry
from pytest_edgegate.testing.contract import CaseData, surroundings
file, folder = map(Path, sys.argv[1:])
data = CaseData(EdgeData(calibration=np.load(folder / "x.npy")))
coral = Registry().get("target", "coral")
made = TRANSFORM.apply(READER.recognise(file, surroundings()), PTQ(), coral, data, folder)
assert made.main.stat().st_size > 1000
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"tensorflow", "keras", "tf_keras", "torch", "jax"}))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(files["float"]), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_a_file_without_a_signature(
    files: dict[str, Path], samples: Array, quantise: Quantise, infer: Any, tmp_path: Path
) -> None:
    model = unpack(files["float"])
    model.signatureDefs = []
    old = tmp_path / "old.tflite"
    old.write_bytes(pack(model))
    made = quantise(old)
    assert [each.signatureKey for each in unpack(made.main).signatureDefs] == [b"serving_default"]
    usual = infer(quantise(files["float"]), samples)
    for kernels, [output] in infer(made, samples).items():
        np.testing.assert_array_equal(output, usual[kernels][0])


def test_weights_behind_the_flatbuffer(
    files: dict[str, Path], quantise: Quantise, tmp_path: Path
) -> None:
    """Where converters put those of large models."""
    model = unpack(files["float"])
    largest = max(model.buffers, key=lambda each: 0 if each.data is None else len(each.data))
    weights = bytes(largest.data)
    largest.data, largest.size, largest.offset = None, len(weights), 2**20
    start = len(pack(model))
    largest.offset = start
    path = tmp_path / "float.tflite"
    path.write_bytes(pack(model) + weights)
    assert quantise(path).main.read_bytes() == quantise(files["float"]).main.read_bytes()


def test_weights_start_at_multiples_of_16(files: dict[str, Path], quantise: Quantise) -> None:
    schema, content = import_schema(), quantise(files["float"]).main.read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    buffers = [model.Buffers(at) for at in range(model.BuffersLength())]
    kept = [bytes(each.DataAsNumpy()) for each in buffers if each.DataLength()]
    assert len(kept) >= 6
    long = [each for each in kept if len(each) >= 24]  # short ones are found by chance elsewhere
    assert long
    assert all(content.index(each) % 16 == 0 for each in long)


@pytest.mark.parametrize("step", [PTQ(16), Cast("float16")], ids=str)
def test_metadata_and_the_files_behind_the_model_are_kept(
    files: dict[str, Path], quantise: Quantise, tmp_path: Path, step: Any
) -> None:
    model, schema = unpack(files["float"]), import_schema()
    entry, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(b"what the inputs mean", np.uint8)
    model.buffers.append(buffer)
    entry.name, entry.buffer = b"TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [*(model.metadata or ()), entry]
    source = tmp_path / "described.tflite"
    source.write_bytes(pack(model))
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\nbird\n")
    made = [quantise(source, step).main.read_bytes() for _ in range(2)]
    assert made[0] == made[1]
    path = tmp_path / "again.tflite"
    path.write_bytes(made[0])
    content = unpack(path)
    kept = {each.name: content.buffers[each.buffer].data for each in content.metadata}
    assert bytes(kept[b"TFLITE_METADATA"]) == b"what the inputs mean"
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt") == b"cat\ndog\nbird\n"
    with XNNPACK.open(path) as runner:
        assert runner.inputs[0].shape[1:] == (6, 6, 2)


def test_files_behind_the_model_that_can_not_be_read_are_told(
    files: dict[str, Path], quantise: Quantise, tmp_path: Path
) -> None:
    source = tmp_path / "described.tflite"
    source.write_bytes(files["float"].read_bytes())
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("../labels.txt", "cat")
    facts = quantise(source, Cast("float16")).facts
    assert "the files behind described.tflite are left out" in facts["note"]


def test_tensors_that_share_a_name(
    files: dict[str, Path], samples: Array, quantise: Quantise, infer: Any, tmp_path: Path
) -> None:
    """The quantizer tells tensors by their names: one range for all of them would be wrong."""
    model = unpack(files["float"])
    graph = model.subgraphs[0]
    for operator in graph.operators[:-1]:
        graph.tensors[operator.outputs[0]].name = b"same"
    path = tmp_path / "shared.tflite"
    path.write_bytes(pack(model))
    usual = infer(quantise(files["float"]), samples)
    for kernels, [output] in infer(quantise(path), samples).items():
        np.testing.assert_array_equal(output, usual[kernels][0])


def test_a_tensor_that_nothing_uses(
    files: dict[str, Path], samples: Array, quantise: Quantise, infer: Any, tmp_path: Path
) -> None:
    model = unpack(files["float"])
    graph = model.subgraphs[0]
    unused = unpack(files["float"]).subgraphs[0].tensors[graph.outputs[0]]
    unused.name, graph.tensors = b"unused", [unused, *graph.tensors]
    for each in (graph, *graph.operators):
        each.inputs, each.outputs = each.inputs + 1, each.outputs + 1
    for entry in (*model.signatureDefs[0].inputs, *model.signatureDefs[0].outputs):
        entry.tensorIndex += 1
    path = tmp_path / "unused.tflite"
    path.write_bytes(pack(model))
    usual = infer(quantise(files["float"]), samples)
    for kernels, [output] in infer(quantise(path), samples).items():
        np.testing.assert_array_equal(output, usual[kernels][0])


def test_two_inputs_of_one_shape(from_function: Any, quantise: Quantise, infer: Any) -> None:
    path = from_function(lambda a, b: (a - 3 * b, a + b), (1, 4), (1, 4))
    one, other = _samples(4), _samples(4)[::-1] * 10
    made = quantise(path, given=_calibration(one, other))
    described = INSPECTOR.describe(made.main)
    by_name = {"x0": one, "x1": other}
    fed = [by_name[bare_name(each.name)] for each in described.inputs]
    scales = {bare_name(each.name): each.scales[0] for each in described.inputs}
    assert scales["x1"] == pytest.approx(10 * scales["x0"], rel=0.01)
    exact = infer(Produced(path, ()), *fed)["reference"]
    for outputs in infer(made, *fed).values():
        for output, expected in zip(outputs, exact, strict=True):
            np.testing.assert_allclose(output, expected, atol=0.05 * np.abs(expected).max())


def test_a_free_batch_is_fixed(
    tf: ModuleType, from_function: Any, quantise: Quantise, infer: Any
) -> None:
    """What reads its own shape must not: a board has no such operators."""

    def pairs(x: Any) -> Any:
        return tf.reshape(x * 2.0, tf.stack([tf.shape(x)[0], 2, 2]))

    path = from_function(pairs, (None, 4))
    kinds = {each.kind for each in INSPECTOR.describe(path).operators}
    assert {"SHAPE", "PACK"} <= kinds
    values = _samples(4)
    made = quantise(path, given=_calibration(values))
    described = INSPECTOR.describe(made.main)
    assert [each.shape for each in described.inputs] == [(1, 4)]
    assert [each.shape for each in described.outputs] == [(1, 2, 2)]
    assert {"SHAPE", "PACK", "STRIDED_SLICE"}.isdisjoint(e.kind for e in described.operators)
    for [output] in infer(made, values).values():
        np.testing.assert_allclose(output, (values * 2).reshape(-1, 2, 2), atol=0.05)


def _refused(quantise: Quantise, path: Path, **how: Any) -> EdgeGateError:
    with pytest.raises(EdgeGateError) as raised:
        quantise(path, **how)
    assert raised.value.remedy
    return raised.value


def test_a_free_size_that_is_no_batch(from_function: Any, quantise: Quantise) -> None:
    path = from_function(lambda x: x * 2.0, (None, None))
    error = _refused(quantise, path, given=_calibration(_samples(4)))
    assert isinstance(error, UnsupportedError)
    assert "the input 'x0' has the dynamic shape (-1, -1)" in error.message


def test_a_file_that_is_quantised_in_part(
    files: dict[str, Path], quantise: Quantise, tmp_path: Path
) -> None:
    halves = quantise(files["float"], Cast("float16")).main
    error = _refused(quantise, halves)
    assert isinstance(error, UnsupportedError)
    assert f"{halves.name} is quantised in part: DEQUANTIZE #0" in error.message
    assert "give the float file" in error.remedy
    assert isinstance(_refused(quantise, files["int8"]), UnsupportedError)


def test_several_signatures(files: dict[str, Path], quantise: Quantise, tmp_path: Path) -> None:
    model = unpack(files["float"])
    second = unpack(files["float"])
    model.subgraphs += second.subgraphs
    model.signatureDefs += second.signatureDefs
    model.signatureDefs[1].signatureKey, model.signatureDefs[1].subgraphIndex = b"other", 1
    path = tmp_path / "two.tflite"
    path.write_bytes(pack(model))
    assert "two.tflite has several signatures" in _refused(quantise, path).message


def test_token_ids_stay_as_they_are(
    tf: ModuleType, quantise: Quantise, infer: Any, tmp_path: Path
) -> None:
    table = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, 3], tf.int32)])
    def look_up(ids: Any) -> Any:
        return tf.reduce_mean(tf.gather(table, ids), axis=1)

    path = tmp_path / "tokens.tflite"
    converter = tf.lite.TFLiteConverter.from_concrete_functions([look_up.get_concrete_function()])
    path.write_bytes(converter.convert())
    ids = np.random.default_rng(0).integers(0, 10, size=(16, 3)).astype(np.int32)
    made = quantise(path, given=_calibration(ids))
    described = INSPECTOR.describe(made.main)
    assert [each.dtype for each in described.inputs] == ["int32"]
    assert [each.dtype for each in described.outputs] == ["uint8"]
    for [output] in infer(made, ids).values():
        np.testing.assert_allclose(output, table[ids].mean(axis=1), atol=0.05)


def test_what_has_no_int8_form_stays_float_and_is_seen(
    tf: ModuleType, from_function: Any, quantise: Quantise
) -> None:
    path = from_function(lambda x: tf.sin(x * 2.0) + 1.0, (1, 4))
    described = INSPECTOR.describe(quantise(path, given=_calibration(_samples(4))).main)
    assert not described.fully_quantized
    sine = next(each for each in described.operators if each.kind == "SIN")
    assert sine.outputs[0].dtype == "float32"


@pytest.mark.parametrize("shape", ["its input", "one tensor twice", "an inner tensor"])
def test_ends_that_are_used_twice(
    tf: ModuleType, from_function: Any, quantise: Quantise, infer: Any, shape: str
) -> None:
    def function(x: Any) -> Any:
        y = x * 2.0
        return {
            "its input": (x + 0.0, y),
            "one tensor twice": (y, y),
            "an inner tensor": (y, y + 1.0),
        }[shape]

    path, values = from_function(function, (1, 4)), _samples(4)
    exact = infer(Produced(path, ()), values)["reference"]
    for outputs in infer(quantise(path, given=_calibration(values)), values).values():
        for output, expected in zip(outputs, exact, strict=True):
            np.testing.assert_allclose(output, expected, atol=0.06)


def test_another_method_is_refused_before_any_work(coral: Target) -> None:
    refusal = TRANSFORM.refuse(PTQ(50, method="entropy"), coral)
    assert refusal is not None
    assert "not by 'entropy'" in refusal[0]
    assert refusal[1] == "write PTQ(50)"
    assert TRANSFORM.refuse(PTQ(50), coral) is None
    assert TRANSFORM.refuse(Cast("float16"), coral) is None


def test_samples_that_do_not_fit(files: dict[str, Path], quantise: Quantise) -> None:
    error = _refused(quantise, files["float"], given=_calibration(_samples(5)))
    assert isinstance(error, ConfigurationError)
    assert "edge_data.calibration: samples of shape (5,) do not fit" in error.message


def test_a_failure_of_the_quantizer_names_the_operator(
    files: dict[str, Path], quantise: Quantise, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ai_edge_quantizer.quantizer import Quantizer

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no parameters\nfor DEPTHWISE_CONV_2D")

    monkeypatch.setattr(Quantizer, "quantize", fail)
    error = _refused(quantise, files["float"])
    assert isinstance(error, CompressionError)
    assert " at DEPTHWISE_CONV_2D #1 (" in error.message
    assert error.message.endswith("ValueError: no parameters for DEPTHWISE_CONV_2D")
    assert "--tb=long" in error.remedy


def test_a_missing_package(
    files: dict[str, Path], quantise: Quantise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    error = _refused(quantise, files["float"])
    assert isinstance(error, BackendUnavailableError)
    assert "pytest-edgegate[litert]" in error.remedy


def test_nothing_is_printed(
    files: dict[str, Path], quantise: Quantise, capfd: pytest.CaptureFixture[str]
) -> None:
    quantise(files["float"])
    assert capfd.readouterr() == ("", "")
