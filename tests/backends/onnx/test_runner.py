"""The runner against the plainest loop over a session that one would write."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.onnx import runtime
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.runtime import OPTIMISED, UNOPTIMISED, OnnxRuntime
from pytest_edgegate.core.environment import Processor
from pytest_edgegate.core.errors import BackendUnavailableError, InferenceError
from pytest_edgegate.data.feeding import arrange

RNG = np.random.default_rng(7)


def plain(path: Path, *arrays: np.ndarray, size: int = 1) -> list[np.ndarray]:
    """One run after the other, of *size* samples, by a session of its own."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    parts = [
        session.run(None, {n: a[at : at + size] for n, a in zip(names, arrays, strict=True)})
        for at in range(0, len(arrays[0]), size)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


DTYPES = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_of_every_dtype(build: Any, tmp_path: Path, dtype: str) -> None:
    nodes = [("Cast", ["x"], ["a"], {"to": 1}), ("Mul", ["a", "k"], ["y"])]
    path = build(tmp_path / "x.onnx", nodes, {"k": np.float32(1.5)}, dtypes={"x": dtype})
    x = RNG.integers(0, 2 if dtype == "bool" else 100, (7, 4)).astype(dtype)
    with OPTIMISED.open(path) as runner:
        assert runner.inputs[0].dtype == dtype
        [raw], [real] = runner.infer_raw((x,)), runner.infer((x.astype(np.float64),))
    [expected] = plain(path, x)
    np.testing.assert_array_equal(raw, expected)
    np.testing.assert_array_equal(real, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "bool"])
def test_outputs_of_every_dtype(onnx: ModuleType, build: Any, tmp_path: Path, dtype: str) -> None:
    code = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    path = build(tmp_path / "x.onnx", [("Cast", ["x"], ["y"], {"to": code})], dtypes={"y": dtype})
    x = RNG.integers(0, 2, (5, 4)).astype(np.float32)
    with OPTIMISED.open(path) as runner:
        [raw], [real] = runner.infer_raw((x,)), runner.infer((x,))
    assert (raw.dtype, real.dtype) == (dtype, np.float32)
    np.testing.assert_array_equal(real, x)


@pytest.mark.parametrize("count", [1, 2, 33, 100])
@pytest.mark.parametrize("kind", ["tiny", "int8", "half"])
def test_the_same_as_a_plain_loop(
    request: pytest.FixtureRequest, photos: np.ndarray, count: int, kind: str
) -> None:
    path = request.getfixturevalue(kind)
    x = np.resize(photos, (count, *photos.shape[1:]))
    [expected] = plain(path, x)
    with OPTIMISED.open(path) as runner:
        [made] = runner.infer((x,))
    np.testing.assert_allclose(made, expected, atol=1e-5)
    assert len(np.unique(made[:40], axis=0)) == min(count, 40)


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("count", [1, 4, 10])
def test_a_fixed_batch(build: Any, tmp_path: Path, size: int, count: int) -> None:
    weights = RNG.normal(size=(4, 3)).astype(np.float32)
    path = build(
        tmp_path / "x.onnx", [("MatMul", ["x", "w"], ["y"])], {"w": weights}, {"x": [size, 4]}
    )
    x = RNG.normal(size=(count, 4)).astype(np.float32)
    with OPTIMISED.open(path) as runner:
        [made] = runner.infer((x,))
    np.testing.assert_allclose(made, x @ weights, atol=1e-5)


def test_several_inputs_and_outputs(build: Any, tmp_path: Path) -> None:
    nodes = [("Sub", ["a", "b"], ["d"]), ("Add", ["a", "b"], ["s"])]
    path = build(tmp_path / "x.onnx", nodes, {}, {"b": ["batch", 4], "a": ["batch", 4]}, ["s", "d"])
    a, b = RNG.normal(size=(2, 70, 4)).astype(np.float32)
    with OPTIMISED.open(path) as runner:
        assert [each.name for each in (*runner.inputs, *runner.outputs)] == ["b", "a", "s", "d"]
        total, difference = runner.infer((b, a))
    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(difference, a - b)


@pytest.mark.parametrize("axes", [[0], [0, 1]])
def test_an_output_that_is_not_one_for_each_sample(
    build: Any, tmp_path: Path, axes: list[int]
) -> None:
    path = build(
        tmp_path / "x.onnx",
        [("ReduceSum", ["x", "n"], ["y"], {"keepdims": 0})],
        {"n": np.array(axes)},
    )
    with (
        OPTIMISED.open(path) as runner,
        pytest.raises(InferenceError, match="not one result for each sample") as raised,
    ):
        runner.infer((np.ones((7, 4), np.float32),))
    assert raised.value.remedy


def test_data_that_does_not_fit(tiny: Path) -> None:
    with (
        OPTIMISED.open(tiny) as runner,
        pytest.raises(InferenceError, match="opens but does not run") as raised,
    ):
        runner.infer((np.ones((2, 5, 8, 8), np.float32),))
    assert raised.value.remedy


@pytest.mark.parametrize("kind", ["tiny", "int8"])
def test_blocks_side_by_side_change_nothing(
    request: pytest.FixtureRequest,
    photos: np.ndarray,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = request.getfixturevalue(kind)
    x = np.resize(photos, (500, *photos.shape[1:]))
    monkeypatch.setattr(runtime, "usable_cores", lambda: 1)
    with OPTIMISED.open(path) as runner:
        [one_by_one] = runner.infer((x,))
    monkeypatch.setattr(runtime, "usable_cores", lambda: 4)
    with OPTIMISED.open(path) as runner:
        for _ in range(5):
            np.testing.assert_array_equal(runner.infer((x,))[0], one_by_one)


@pytest.mark.parametrize("kind", ["tiny", "int8", "half"])
def test_as_written_differs_slightly(
    request: pytest.FixtureRequest, photos: np.ndarray, kind: str
) -> None:
    path = request.getfixturevalue(kind)
    with OPTIMISED.open(path) as one, UNOPTIMISED.open(path) as other:
        [a], [b] = one.infer((photos,)), other.infer((photos,))
    assert np.abs(a - b).max() < 0.05 * np.abs(a).max()
    as_written = [each.kind for each in UNOPTIMISED.executed(path, (photos[:1],)) or ()]
    optimised = [each.kind for each in OPTIMISED.executed(path, (photos[:1],)) or ()]
    assert as_written != optimised


def test_executed_in_float(tiny: Path, photos: np.ndarray) -> None:
    executed = OPTIMISED.executed(tiny, (photos[:1],))
    assert executed is not None
    kinds = [each.kind.removeprefix("Fused") for each in executed if each.runs_in_float]
    assert kinds == ["Conv", "Conv", "Gemm"]
    assert not any(each.falls_back for each in executed)
    assert {each.device for each in executed} == {"CPUExecutionProvider"}


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "TensorrtExecutionProvider"])
def test_a_provider_that_is_not_installed(tiny: Path, provider: str) -> None:
    import onnxruntime

    if provider in onnxruntime.get_available_providers():
        pytest.skip("this machine has it")
    with pytest.raises(BackendUnavailableError, match=provider):
        OnnxRuntime("ORT_ENABLE_ALL", provider).open(tiny)


def test_a_provider_that_runs_nothing(tiny: Path, photos: np.ndarray) -> None:
    import onnxruntime

    name = "AzureExecutionProvider"
    if name not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has none")
    executed = OnnxRuntime("ORT_ENABLE_ALL", name).executed(tiny, (photos[:1],))
    assert executed
    assert all(each.falls_back for each in executed)


def test_a_live_object_has_no_file() -> None:
    class Live:
        path = None

    live: Any = Live()
    with pytest.raises(InferenceError, match="files only"):
        OPTIMISED.open(live)


def test_nothing_is_left_behind(
    tiny: Path, photos: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """No profile, no optimised model, no line in the terminal."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tiny.parent.iterdir())
    OPTIMISED.executed(tiny, (photos[:1],))
    with OPTIMISED.open(tiny) as runner:
        runner.infer((photos,))
    assert sorted(tiny.parent.iterdir()) == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_inputs_stay_as_they_are(tiny: Path, photos: np.ndarray) -> None:
    """Samples that may not be written to, and that do not lie one after the other."""
    strided = np.repeat(photos, 2, axis=3)[..., ::2]
    assert not strided.flags.c_contiguous
    strided.setflags(write=False)
    with OPTIMISED.open(tiny) as runner:
        for run in (runner.infer, runner.infer_raw):
            np.testing.assert_array_equal(run((strided,))[0], run((photos,))[0])


@pytest.mark.parametrize("keep", [0, 1], ids=["fewer axes", "as many axes"])
def test_a_file_without_a_batch_takes_one_sample_after_the_other(
    build: Any, tmp_path: Path, keep: int
) -> None:
    node = ("ReduceMax", ["x"], ["y"], {"keepdims": keep})
    path = build(tmp_path / "flat.onnx", [node], {}, {"x": [8, 6]})
    x = np.random.default_rng(0).random((5, 8, 6)).astype(np.float32)
    with OPTIMISED.open(path) as runner:
        [fed] = arrange((x,), None, runner.inputs, "evaluation")
        [made] = runner.infer((fed,))
        runner.once((x[:1],))()
    np.testing.assert_array_equal(made, x.max((1, 2), keepdims=bool(keep)))
    assert OPTIMISED.executed(path, (x[:1],))


def test_sizes_that_a_file_leaves_free_are_those_of_the_samples(build: Any, tmp_path: Path) -> None:
    node = ("GlobalMaxPool", ["x"], ["y"], {})
    path = build(tmp_path / "free.onnx", [node], {}, {"x": [1, 3, "height", "width"]})
    with OPTIMISED.open(path) as runner:
        for sides in ((6, 4), (3, 5)):
            x = np.random.default_rng(0).random((3, 3, *sides)).astype(np.float32)
            [made] = runner.infer((x,))
            np.testing.assert_array_equal(made, x.max((2, 3), keepdims=True))


OTHER_CHIP = Processor("an older chip", "x86_64", ("avx2",))
NEWER_CHIP = Processor("a newer chip", "x86_64", ("avx2", "avx512_vnni"))


@pytest.mark.parametrize(
    ("chip", "told"),
    [(OTHER_CHIP, True), (NEWER_CHIP, False), (Processor("arm", "aarch64", ()), False)],
)
def test_saturating_kernels_are_told(
    int8: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, chip: Processor, told: bool
) -> None:
    monkeypatch.setattr(runtime, "processor", lambda: chip)
    said = OPTIMISED.kernels(int8, INSPECTOR.describe(int8))
    assert ("set it on devices without VNNI" in said) is told
    assert OPTIMISED.kernels(tiny, INSPECTOR.describe(tiny)) == ""
    of_others = OPTIMISED.kernels(None, INSPECTOR.describe(int8))
    assert ("as here where no layers" in of_others) is told
    assert runtime.CUDA.kernels(int8, INSPECTOR.describe(int8)) == ""


def test_the_sums_of_a_file_are_exact_on_every_processor(build: Any, tmp_path: Path) -> None:
    """255 * 127 twice is more than 16 bits hold."""
    nodes = [
        ("QuantizeLinear", ["x", "one", "zero_of_x"], ["q"]),
        ("DequantizeLinear", ["q", "one", "zero_of_x"], ["a"]),
        ("DequantizeLinear", ["w", "one", "zero_of_w"], ["b"]),
        ("MatMul", ["a", "b"], ["c"]),
        ("QuantizeLinear", ["c", "wide", "zero_of_x"], ["d"]),
        ("DequantizeLinear", ["d", "wide", "zero_of_x"], ["y"]),
    ]
    arrays = {
        "one": np.float32(1),
        "wide": np.float32(1024),
        "zero_of_x": np.uint8(0),
        "zero_of_w": np.int8(0),
        "w": np.full((8, 8), 127, np.int8),
    }
    path = build(tmp_path / "sums.onnx", nodes, arrays, {"x": ["batch", 8]})
    with OPTIMISED.open(path) as runner:
        (made,) = runner.infer((np.full((2, 8), 255, np.float32),))
    assert np.abs(made - 8 * 255 * 127).max() <= 1024


def test_a_file_that_can_not_have_exact_sums_is_opened_without(
    int8: Path, monkeypatch: pytest.MonkeyPatch, photos: np.ndarray
) -> None:
    """As ONNX Runtime does with shared zero points on x86 without VNNI."""
    import onnxruntime as ort

    opening, asked = ort.InferenceSession, []

    def session(path: str, options: Any, **more: Any) -> Any:
        asked.append(options.get_session_config_entry("session.x64quantprecision"))
        if asked[-1] == "1":
            raise RuntimeError("Attempt to replace the existing tensor")
        return opening(path, options, **more)

    monkeypatch.setattr(ort, "InferenceSession", session)
    monkeypatch.setattr(runtime, "processor", lambda: OTHER_CHIP)
    assert "saturate here: the layers" in OPTIMISED.kernels(int8, INSPECTOR.describe(int8))
    asked.clear()
    with OPTIMISED.open(int8) as runner:
        runner.infer((photos[:1],))
    assert asked == ["1", "0"]
