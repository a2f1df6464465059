"""int8 that really runs in integers, and float16."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pytest_edgegate import PTQ, Cast, EdgeData
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx import compress as compressing
from pytest_edgegate.backends.onnx.compress import TRANSFORM
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.reader import READER
from pytest_edgegate.backends.onnx.runtime import OPTIMISED, UNOPTIMISED
from pytest_edgegate.core.errors import CompressionError, ConfigurationError, UnsupportedError
from pytest_edgegate.core.target import Target
from pytest_edgegate.measures.contract import in_file, when_executed
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.testing.contract import CaseData, surroundings

from .conftest import IMAGE, SMALL, small_arrays

RNG = np.random.default_rng(5)


def outputs(path: Path, *arrays: np.ndarray) -> np.ndarray:
    with OPTIMISED.open(path) as runner:
        [made] = runner.infer(arrays)
    return made


def sqnr(exact: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10((exact**2).mean() / ((exact - other) ** 2).mean()))


def faults(path: Path, target: Target, sample: np.ndarray) -> tuple[list[str], list[str]]:
    """(by the file, by the run): what does not run in integers."""
    executed = OPTIMISED.executed(path, (sample,))
    assert executed
    described = INSPECTOR.describe(path)
    by_file, by_run = in_file(described, target, "int8"), when_executed(executed, "int8", target)
    return list(map(str, by_file)), list(map(str, by_run))


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_every_operator_runs_in_integers(
    tiny: Path, compress: Any, cpu: Target, photos: np.ndarray, method: str, per_channel: bool
) -> None:
    path = compress(tiny, PTQ(16, method=method, per_channel=per_channel))
    assert faults(path, cpu, photos[:1]) == ([], [])
    kinds = [each.kind for each in OPTIMISED.executed(path, (photos[:1],)) or ()]
    assert kinds.count("QLinearConv") == 2
    assert kinds.count("QGemm") == 1
    assert sqnr(outputs(tiny, photos), outputs(path, photos)) > 15


@pytest.mark.parametrize("method", ["entropy", "percentile"])
def test_histograms_are_made_of_a_part_of_the_samples_at_a_time(
    tiny: Path, compress: Any, photos: np.ndarray, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    from onnxruntime.quantization.calibrate import HistogramCalibrater

    collect, held = HistogramCalibrater.collect_data, []

    def watched(self: Any, reader: Any) -> None:
        given = list(iter(reader.get_next, None))
        held.append(len(given))
        left = iter(given)
        collect(self, SimpleNamespace(get_next=lambda: next(left, None)))

    whole = outputs(compress(tiny, PTQ(16, method=method)), photos)
    monkeypatch.setattr(HistogramCalibrater, "collect_data", watched)
    monkeypatch.setattr(compressing, "_AT_ONCE", 5 * activations(tiny))
    parts = compress(tiny, PTQ(16, method=method))
    assert held == [4, 4, 4, 4]
    assert sqnr(whole, outputs(parts, photos)) > 15


def activations(path: Path) -> int:
    """The bytes of all activations of a sample."""
    made = (each for one in INSPECTOR.describe(path).operators for each in one.outputs)
    return sum(4 * int(np.prod(each.shape[1:])) for each in made)


def test_numbers_of_the_file(int8: Path, tiny: Path) -> None:
    described = INSPECTOR.describe(int8)
    convolution = next(each for each in described.operators if each.kind == "Conv")
    given, weights = convolution.inputs[0], convolution.inputs[1]
    assert given is not None
    assert weights is not None
    assert (given.dtype, weights.dtype) == ("uint8", "int8")
    assert len(weights.scales) == 8
    assert set(weights.zero_points) == {0}
    assert described.fully_quantized
    assert not INSPECTOR.describe(tiny).fully_quantized
    assert [each.dtype for each in (*described.inputs, *described.outputs)] == ["float32"] * 2


def test_symmetric_int8_for_tensorrt(
    tiny: Path, compress: Any, jetson: Target, photos: np.ndarray
) -> None:
    path = compress(tiny, PTQ(), jetson)
    for operator in INSPECTOR.describe(path).operators:
        for tensor in operator.inputs:
            if operator.accumulates and tensor is not None and tensor.dtype == "int8":
                assert set(tensor.zero_points) == {0}
    assert list(in_file(INSPECTOR.describe(path), jetson, "int8")) == []
    assert not any(
        tensor is not None and tensor.dtype == "uint8"
        for operator in INSPECTOR.describe(path).operators
        for tensor in operator.inputs
    )


def test_shapes_are_left_out(onnx: ModuleType, int8: Path, half: Path) -> None:
    """Everyone infers them again, and they are a share of a small file."""
    assert not any(onnx.load(path).graph.value_info for path in (int8, half))


def test_what_the_cpu_leaves_in_float_of_int8_activations_is_named(
    tiny: Path, compress: Any, jetson: Target, cpu: Target, photos: np.ndarray
) -> None:
    """ReLU at least: symmetric int8 has no bound at zero that it could become on x86."""
    path = compress(tiny, PTQ(), jetson)
    by_file, by_run = faults(path, cpu, photos[:1])
    executed = OPTIMISED.executed(path, (photos[:1],)) or ()
    left = [each.kind for each in executed if each.kind in ("Conv", "FusedConv", "Gemm")]
    assert [each.split("weights ")[1] for each in by_file] == [
        f"{name}.b are float32" for name in ("conv", "deep", "head")
    ]
    assert len(by_run) == len(left)
    if platform.machine() == "x86_64":
        assert "Relu" in [each.kind for each in executed]
    assert sqnr(outputs(tiny, photos), outputs(path, photos)) > 15


def test_a_convolution_left_in_float_is_named(
    onnx: ModuleType, tiny: Path, cpu: Target, photos: np.ndarray, tmp_path: Path
) -> None:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Samples(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(photos[:4])

        def get_next(self) -> Any:
            sample = next(self._left, None)
            return None if sample is None else {"x": sample[None]}

    model = onnx.load(tiny)
    for at, node in enumerate(model.graph.node):
        node.name = f"n{at}"
    onnx.save(model, tmp_path / "named.onnx")
    with held_native_output():
        quantize_static(
            tmp_path / "named.onnx",
            tmp_path / "mixed.onnx",
            Samples(),
            nodes_to_exclude=["n0", "n1"],
        )
    by_file, by_run = faults(tmp_path / "mixed.onnx", cpu, photos[:1])
    assert len(by_file) == len(by_run) == 1
    assert re.fullmatch(r"Conv #\d+ \(a\): runs in float", by_file[0])
    assert "Conv" in by_run[0]
    assert not INSPECTOR.describe(tmp_path / "mixed.onnx").fully_quantized


def test_a_scale_for_each_channel_is_better_where_channels_differ(
    build: Any, compress: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    path = build(tmp_path / "spread.onnx", SMALL, small_arrays(spread=True), IMAGE)
    exact = outputs(path, photos)
    fine = sqnr(exact, outputs(compress(path, PTQ()), photos))
    coarse = sqnr(exact, outputs(compress(path, PTQ(per_channel=False)), photos))
    assert fine > coarse + 3


def test_a_percentile_that_can_not_be_had(tiny: Path, compress: Any, photos: np.ndarray) -> None:
    still = EdgeData(calibration=np.concatenate([np.zeros_like(photos[:4]), photos[:4] * 1e9]))
    try:
        compress(tiny, PTQ(8, method="percentile"), None, still)
    except CompressionError as error:
        assert "minmax" in error.remedy  # noqa: PT017 - other versions of the tool may do it


def test_too_many_bins(tiny: Path, compress: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime.quantization as tool

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("Too many bins for data range. Cannot create 128 finite-sized bins.")

    monkeypatch.setattr(tool, "quantize_static", fail)
    with pytest.raises(CompressionError, match="percentile calibration failed") as raised:
        compress(tiny, PTQ(8, method="percentile"))
    assert "PTQ(method='minmax')" in raised.value.remedy


def test_a_method_that_it_does_not_know(cpu: Target) -> None:
    from pytest_edgegate.backends.onnx.compress import METHODS

    assert TRANSFORM.refuse(PTQ(), cpu) is None
    assert TRANSFORM.refuse(Cast("float16"), cpu) is None
    assert set(METHODS) == {"minmax", "entropy", "percentile"}


def test_an_old_opset(
    build: Any, compress: Any, cpu: Target, photos: np.ndarray, tmp_path: Path
) -> None:
    path = build(tmp_path / "old.onnx", SMALL, small_arrays(), IMAGE, opset=11)
    with pytest.raises(UnsupportedError, match="opset 11") as raised:
        compress(path, PTQ())
    assert "PTQ(per_channel=False)" in raised.value.remedy
    made = compress(path, PTQ(per_channel=False))
    assert sqnr(outputs(path, photos), outputs(made, photos)) > 15
    assert faults(made, cpu, photos[:1]) == ([], [])


def test_integer_inputs_stay_integers(build: Any, compress: Any, tmp_path: Path) -> None:
    nodes = [
        ("Gather", ["table", "words"], ["a"]),
        ("ReduceMean", ["a", "axes"], ["b"], {"keepdims": 0}),
        ("Gemm", ["b", "w"], ["y"]),
    ]
    table = RNG.normal(size=(20, 6)).astype(np.float32)
    arrays = {"table": table, "axes": np.array([1]), "w": RNG.normal(size=(6, 3)).astype("f4")}
    path = build(
        tmp_path / "words.onnx", nodes, arrays, {"words": ["batch", 5]}, dtypes={"words": "int64"}
    )
    words = RNG.integers(0, 20, (30, 5))
    made = compress(path, PTQ(), None, EdgeData(calibration=words))
    assert INSPECTOR.describe(made).inputs[0].dtype == "int64"
    assert sqnr(outputs(path, words), outputs(made, words)) > 15


def test_several_inputs(build: Any, compress: Any, tmp_path: Path) -> None:
    nodes = [("Add", ["a", "b"], ["s"]), ("MatMul", ["s", "w"], ["y"])]
    arrays = {"w": RNG.normal(size=(4, 3)).astype(np.float32)}
    ends = {"b": ["batch", 4], "a": ["batch", 4]}
    path = build(tmp_path / "two.onnx", nodes, arrays, ends)
    a, b = RNG.normal(size=(2, 30, 4)).astype(np.float32)
    b *= 100
    made = compress(path, PTQ(), None, EdgeData(calibration={"a": a, "b": b}))
    assert [each.name for each in INSPECTOR.describe(made).inputs] == ["b", "a"]
    assert sqnr(outputs(path, b, a), outputs(made, b, a)) > 25


def fails(onnx: ModuleType, source: Path, out: Path) -> None:
    raise Exception("Incomplete symbolic shape inference")  # as ONNX Runtime's own does


def writes_what_does_not_run(onnx: ModuleType, source: Path, out: Path) -> None:
    model = onnx.load(source)
    model.graph.node[0].input[0] = "nobody"
    onnx.save(model, out)


def writes_another_model(onnx: ModuleType, source: Path, out: Path) -> None:
    model = onnx.load(source)
    bias = next(each for each in model.graph.initializer if each.name == "head.b")
    values = onnx.numpy_helper.to_array(bias) + np.float32(1)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, out)


PREPARATIONS: dict[str, tuple[Callable[..., None], str]] = {
    "fails": (fails, "Exception: Incomplete symbolic shape inference"),
    "does not run": (writes_what_does_not_run, "what it makes does not run"),
    "is another model": (writes_another_model, "what it makes computes something else"),
}


@pytest.mark.parametrize("kind", PREPARATIONS)
def test_what_the_preparation_breaks_is_quantised_without_it_and_told(
    onnx: ModuleType,
    tiny: Path,
    photo_data: EdgeData,
    photos: np.ndarray,
    cpu: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    import onnxruntime.quantization.shape_inference as tool

    def prepare(source: str, out: str, **_: Any) -> None:
        PREPARATIONS[kind][0](onnx, Path(source), Path(out))

    monkeypatch.setattr(tool, "quant_pre_process", prepare)
    source = READER.recognise(tiny, surroundings())
    assert source is not None
    made = TRANSFORM.apply(source, PTQ(16), cpu, CaseData(photo_data), tmp_path)
    [note] = made.notes
    assert note.startswith("tiny.onnx was quantised without ONNX Runtime's quant_pre_process (")
    assert PREPARATIONS[kind][1] in note
    assert "/" not in note
    assert sqnr(outputs(tiny, photos), outputs(made.main, photos)) > 15
    assert INSPECTOR.describe(made.main).fully_quantized


def test_what_can_not_be_quantised_after_the_preparation_is_quantised_without_it(
    tiny: Path,
    photo_data: EdgeData,
    photos: np.ndarray,
    cpu: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import onnxruntime.quantization as tool

    quantize = tool.quantize_static

    def fail(path: str, *arguments: Any, **keywords: Any) -> None:
        if Path(path).name == "ready.onnx":
            raise ValueError(f"The truth value of an array in {path} is ambiguous")
        quantize(path, *arguments, **keywords)

    monkeypatch.setattr(tool, "quantize_static", fail)
    source = READER.recognise(tiny, surroundings())
    assert source is not None
    made = TRANSFORM.apply(source, PTQ(16), cpu, CaseData(photo_data), tmp_path)
    [note] = made.notes
    assert "(ValueError: The truth value of an array in ready.onnx is ambiguous)" in note
    assert sqnr(outputs(tiny, photos), outputs(made.main, photos)) > 15


def test_a_healthy_preparation_is_used_and_nothing_is_told(
    tiny: Path, photo_data: EdgeData, cpu: Target, tmp_path: Path
) -> None:
    source = READER.recognise(tiny, surroundings())
    assert source is not None
    assert TRANSFORM.apply(source, PTQ(16), cpu, CaseData(photo_data), tmp_path).notes == ()


def test_what_can_be_quantised_neither_way_is_told_as_it_failed_first(
    tiny: Path, compress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime.quantization as tool

    failed: list[str] = []

    def fail(path: str, *_: Any, **__: Any) -> None:
        failed.append(Path(path).name)
        raise ValueError(f"no luck with {failed[-1]}")

    monkeypatch.setattr(tool, "quantize_static", fail)
    with pytest.raises(CompressionError, match=r"no luck with ready\.onnx"):
        compress(tiny, PTQ(8))
    assert failed == ["ready.onnx", "whole.onnx"]


BAKED = [
    ("Conv", ["x", "conv.w", "conv.b"], ["a"], {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}),
    ("Relu", ["a"], ["b"]),
    ("GlobalAveragePool", ["b"], ["e"]),
    ("Reshape", ["e", "one"], ["f"]),
    ("Gemm", ["f", "head.w", "head.b"], ["y"], {"transB": 1}),
]


def test_a_batch_of_one_in_the_graph_is_calibrated_one_by_one(
    build: Any, compress: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    arrays = {**small_arrays(), "one": np.array([1, 8])}
    path = build(tmp_path / "baked.onnx", BAKED, arrays, IMAGE)
    made = compress(path, PTQ())
    singles = [outputs(path, photo[None]) for photo in photos]
    quantised = [outputs(made, photo[None]) for photo in photos]
    assert sqnr(np.concatenate(singles), np.concatenate(quantised)) > 15
    assert INSPECTOR.describe(made).inputs[0].shape[0] == -1


@pytest.mark.parametrize("shape", [(10, 3, 9, 8), (10, 8, 8), (10, 1, 8, 8)])
def test_samples_that_do_not_fit_are_told_before_any_work(
    tiny: Path, compress: Any, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    import onnxruntime.quantization.shape_inference as tool

    monkeypatch.setattr(tool, "quant_pre_process", lambda *_, **__: pytest.fail("work was done"))
    data = EdgeData(calibration=np.zeros(shape, np.float32))
    with pytest.raises(ConfigurationError, match="do not fit"):
        compress(tiny, PTQ(), None, data)


def test_float16(half: Path, tiny: Path, photos: np.ndarray) -> None:
    described = INSPECTOR.describe(half)
    assert [each.dtype for each in (*described.inputs, *described.outputs)] == ["float32"] * 2
    assert described.parameters == INSPECTOR.describe(tiny).parameters
    assert 40 < sqnr(outputs(tiny, photos), outputs(half, photos)) < 90


def test_float16_is_half_as_large(build: Any, compress: Any, tmp_path: Path) -> None:
    nodes = [("MatMul", ["x", "w"], ["a"]), ("Relu", ["a"], ["b"]), ("MatMul", ["b", "v"], ["y"])]
    arrays = {"w": RNG.normal(size=(4, 500)), "v": RNG.normal(size=(500, 4))}
    path = build(tmp_path / "wide.onnx", nodes, {n: a.astype("f4") for n, a in arrays.items()})
    assert compress(path, Cast("float16")).stat().st_size < path.stat().st_size * 0.53


def test_weights_beyond_float16_are_refused(build: Any, compress: Any, tmp_path: Path) -> None:
    """The tool would cut them to 65504 in silence."""
    arrays = small_arrays()
    arrays["head.w"] = arrays["head.w"] * np.float32(1e6)
    path = build(tmp_path / "large.onnx", SMALL, arrays, IMAGE)
    with pytest.raises(CompressionError, match=r"weights head\.w .* 65504") as raised:
        compress(path, Cast("float16"))
    assert raised.value.remedy


def test_masks_beyond_float16_are_cut(build: Any, compress: Any, tmp_path: Path) -> None:
    nodes = [("Where", ["c", "x", "low"], ["m"]), ("Softmax", ["m"], ["y"])]
    arrays = {"c": np.array([True, True, False, True]), "low": np.float32(-3e38)}
    path = build(tmp_path / "mask.onnx", nodes, arrays)
    made = outputs(compress(path, Cast("float16")), np.ones((1, 4), np.float32))
    np.testing.assert_allclose(made, [[1 / 3, 1 / 3, 0, 1 / 3]], atol=1e-3)


@pytest.mark.parametrize("runtime", [OPTIMISED, UNOPTIMISED], ids=["optimised", "as written"])
def test_an_overflow_at_the_end_shows(
    build: Any, compress: Any, tmp_path: Path, runtime: Any
) -> None:
    path = build(tmp_path / "steep.onnx", [("Mul", ["x", "k"], ["y"])], {"k": np.float32(1e3)})
    made = compress(path, Cast("float16"))
    with runtime.open(made) as runner:
        [steep] = runner.infer((np.full((1, 4), 100, np.float32),))
    assert not np.isfinite(steep).any() or (steep == 1e5).all()


@pytest.mark.parametrize("step", [PTQ(16), Cast("float16")], ids=str)
def test_metadata_is_kept(
    onnx: ModuleType, tiny: Path, compress: Any, tmp_path: Path, step: Any
) -> None:
    model = onnx.load(tiny)
    onnx.helper.set_model_props(model, {"names": "cat, dog", "stride": "32"})
    onnx.save(model, tmp_path / "named.onnx")
    made = onnx.load(compress(tmp_path / "named.onnx", step))
    assert {each.key: each.value for each in made.metadata_props} == {
        "names": "cat, dog",
        "stride": "32",
    }


@pytest.mark.parametrize(
    ("method", "meant"), [("kl", "entropy"), ("percentil", "percentile"), ("min_max", "minmax")]
)
def test_a_method_under_another_name(method: str, meant: str) -> None:
    refused = TRANSFORM.refuse(PTQ(method=method), built_in()["onnx-cpu"])
    assert refused is not None
    assert f"by {method!r}, did you mean {meant!r}?" in refused[0]
