"""ONNX Runtime, with its graph optimisation as deployed, and without."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.damaged import damaged
from pytest_edgegate.backends.lookups import beyond_table
from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.onnx.inspector import INSPECTOR
from pytest_edgegate.backends.onnx.not_readable import not_readable
from pytest_edgegate.backends.tools import needed, said_of
from pytest_edgegate.core.defaults import FileRuntime
from pytest_edgegate.core.description import ExecutedOperator, ModelDescription, TensorInfo
from pytest_edgegate.core.environment import has_saturating_sums, processor, usable_cores
from pytest_edgegate.core.errors import BackendUnavailableError, InferenceError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.runners import (
    Block,
    QuantisingRunner,
    check_per_sample,
    each_by_itself,
    have_no_batch,
    joined,
    without_batch,
)
from pytest_edgegate.data.splits import Array
from pytest_edgegate.tidy.scratch import SCRATCH

BLOCK = 64
"""Samples per block with a free batch: with fewer, starting a run dominates for small models."""
BLOCK_BYTES = 4_000_000
"""Bytes of inputs per block: activations are much larger, and large samples gain nothing."""
THREADS = 1
"""Threads per operator. Blocks run in parallel instead, which does not affect results."""
_EXACT_SUMS = "session.x64quantprecision"
"""The entry of ONNX Runtime's session configuration by which its kernels for x86 without VNNI add
up products of uint8 and int8 without saturation, as those of every other processor do."""
_SHARED = "Attempt to replace the existing tensor"
"""What ONNX Runtime says where exact sums are asked of a file whose layers share weights."""
_KEEP_BATCH = (
    "export the model with its batch dimension kept to the end; one that has none takes samples "
    "of the whole shape of its input"
)
_FLOAT_KERNELS = frozenset(
    {
        "Conv",
        "FusedConv",
        "ConvTranspose",
        "Gemm",
        "FusedGemm",
        "MatMul",
        "FusedMatMul",
        "LSTM",
        "GRU",
        "RNN",
        "Attention",
        "MultiHeadAttention",
        "NhwcFusedConv",
    }
)
"""Operators that multiply and accumulate in float after the optimisation."""


class OnnxRuntime(FileRuntime):
    """One provider of ONNX Runtime, with or without its graph optimisation."""

    formats = ("onnx",)
    title = "ONNX Runtime"
    takes = "an .onnx file"

    def __init__(self, level: str, provider: str = "CPUExecutionProvider") -> None:
        self._level = level
        self._provider = provider
        gpu = provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider")
        self.packages = ("onnxruntime-gpu", "onnxruntime") if gpu else ("onnxruntime",)
        self.options = {
            _EXACT_SUMS: "1",
            "optimisation": level,
            "provider": provider,
            "threads": THREADS,
            "block": BLOCK,
            "block_bytes": BLOCK_BYTES,
        }

    def open_file(self, path: Path) -> Runner:
        described = INSPECTOR.describe(path)  # says what is wrong with a file better than ORT
        return OnnxRunner(path, self._session(path, self._options()), described)

    def executed(
        self, model: Path, batch: tuple[Array, ...]
    ) -> tuple[ExecutedOperator, ...] | None:
        """Every operator of one profiled run, and the provider that ran it."""
        with tempfile.TemporaryDirectory(dir=SCRATCH.folder()) as folder:
            options = self._options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._session(model, options)
            given = session.get_inputs()
            names = [each.name for each in given]
            batch = without_batch([each.shape for each in given], batch)
            with held_native_output():
                _run(model, session, dict(zip(names, batch, strict=True)))
                events = json.loads(Path(session.end_profiling()).read_text())
        return tuple(self._operator(each) for each in events if _is_kernel(each))

    def kernels(self, model: Path | None, described: ModelDescription) -> str:
        saturates = has_saturating_sums(processor())
        if not saturates or described.is_float or self._provider != "CPUExecutionProvider":
            return ""
        if model is None:
            return (
                "caution: this processor has no VNNI: int8 sums of ONNX Runtime saturate unless "
                f'{_EXACT_SUMS} is "1", as here where no layers of the file share weights or zero '
                "points; set it on devices without VNNI, too"
            )
        if not self._sums_exactly(model):
            return (
                "caution: this processor has no VNNI, and int8 sums of ONNX Runtime saturate here: "
                f"the layers of the file share weights or zero points, at which {_EXACT_SUMS} "
                "fails; give each layer its own, or measure on the device's processor"
            )
        return (
            "this processor has no VNNI: int8 sums of ONNX Runtime saturate unless "
            f'{_EXACT_SUMS} is "1", as here; set it on devices without VNNI, too'
        )

    def _sums_exactly(self, path: Path) -> bool:
        """Whether the file opens with exact sums."""
        try:
            self._opened(path, self._options())
        except Exception as error:  # noqa: BLE001 - of no common base; another fault is told later
            return _SHARED not in str(error)
        return True

    def _operator(self, event: dict[str, Any]) -> ExecutedOperator:
        arguments = event["args"]
        kind, device = str(arguments["op_name"]), str(arguments["provider"])
        types = [next(iter(each)) for each in arguments.get("input_type_shape", []) if each]
        return ExecutedOperator(
            kind=kind,
            name=str(event["name"]).removesuffix("_kernel_time"),
            device=device,
            falls_back=device != self._provider,
            runs_in_float=kind in _FLOAT_KERNELS and types[:1] not in (["uint8"], ["int8"]),
        )

    def _options(self) -> Any:
        ort = import_onnxruntime()
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, self._level)
        options.intra_op_num_threads = options.inter_op_num_threads = THREADS
        options.log_severity_level = 4
        options.add_session_config_entry(_EXACT_SUMS, "1")
        return options

    def _session(self, path: Path, options: Any) -> Any:
        ort = import_onnxruntime()
        if self._provider not in ort.get_available_providers():
            raise BackendUnavailableError(
                "onnxruntime-gpu", f"{self._provider} of ONNX Runtime", "onnx"
            )
        try:
            try:
                session = self._opened(path, options)
            except Exception as error:
                if _SHARED not in str(error):
                    raise
                with held_native_output():  # it warns that the entry is changed
                    options.add_session_config_entry(_EXACT_SUMS, "0")
                session = self._opened(path, options)
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise _not_opened(path, error) from error
        if self._provider not in session.get_providers():
            raise InferenceError(
                f"{path.name}: ONNX Runtime gave up {self._provider} when it opened the file",
                "look at its own log for the library that it misses (CUDA, cuDNN or TensorRT)",
            )
        return session

    def _opened(self, path: Path, options: Any) -> Any:
        ort = import_onnxruntime()
        with held_native_output():
            return ort.InferenceSession(str(path), options, providers=[self._provider])


class OnnxRunner(QuantisingRunner):
    """An opened session. Where the batch is free, blocks of samples run side by side."""

    def __init__(self, path: Path, session: Any, described: ModelDescription) -> None:
        self._path = path
        self._session = session
        for each in (*session.get_inputs(), *session.get_outputs()):
            if not each.type.startswith("tensor("):
                raise _no_tensor(path, each)
        scales = {each.name: each for each in (*described.inputs, *described.outputs)}
        self.inputs = tuple(_info(each, scales) for each in session.get_inputs())
        self.outputs = tuple(_info(each, scales) for each in session.get_outputs())
        self._names = [each.name for each in self.inputs]
        self._wanted = [each.name for each in self.outputs]
        self._fixed = max((each.shape[0] for each in self.inputs if each.shape), default=-1)
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        self._session = None
        if self._pool is not None:
            self._pool.shutdown()

    def infer_raw(self, batch: tuple[Array, ...]) -> tuple[Array, ...]:
        if have_no_batch(self.inputs, batch):
            return each_by_itself(self._alone, batch)
        count = len(batch[0])
        size = self._fixed if self._fixed > 0 else _block_size(batch)
        starts = range(0, count, size)
        if len(starts) == 1 or usable_cores() == 1:
            parts = [self._block(batch, start, size) for start in starts]
        else:
            self._pool = self._pool or ThreadPoolExecutor(usable_cores())
            parts = list(self._pool.map(lambda start: self._block(batch, start, size), starts))
        return joined(parts)

    def once(self, sample: tuple[Array, ...]) -> Callable[[], object]:
        if have_no_batch(self.inputs, sample):
            fed = tuple(each[0] for each in self.repeated(sample, 1))
        else:
            fed = self.repeated(sample, max(self._fixed, 1))
        feeds = dict(zip(self._names, fed, strict=True))
        return partial(self._session.run, self._wanted, feeds)

    def _alone(self, sample: tuple[Array, ...]) -> Sequence[Array]:
        """The outputs of one sample in a file without a batch axis."""
        feeds = dict(zip(self._names, sample, strict=True))
        return _run(self._path, self._session, feeds, self._wanted)

    def _block(self, batch: tuple[Array, ...], start: int, size: int) -> Sequence[Array]:
        """Outputs of up to *size* samples; a fixed batch is filled up with its last sample."""
        block = Block.of(batch, start, size, self._fixed)
        feeds = dict(zip(self._names, block.arrays, strict=True))
        try:
            results = _run(self._path, self._session, feeds, self._wanted)
        except InferenceError as error:
            beyond = beyond_table(error, self._path.name, self.inputs, block.arrays)
            if beyond is not None:
                raise beyond from error.__cause__
            raise
        check_per_sample(self._path, self.outputs, results, len(block), _KEEP_BATCH)
        return [made[: block.count] for made in results]


def _block_size(batch: tuple[Array, ...]) -> int:
    """A power of two, so that blocks are the same ones however a batch comes in portions."""
    sample = sum(array[:1].nbytes for array in batch)
    fitting = max(1, min(BLOCK, BLOCK_BYTES // max(sample, 1)))
    return 1 << (fitting.bit_length() - 1)


def import_onnxruntime() -> ModuleType:
    """The onnxruntime module. Raises BackendUnavailableError where it is not installed."""
    known: ModuleType | None = sys.modules.get("onnxruntime")
    if known is not None:
        return known
    # its telemetry keeps the number of a session in the folder for temporary files
    with (
        needed("onnxruntime", "an .onnx file", "onnx"),
        held_native_output(),
        SCRATCH.temporary_environment(),
    ):
        import onnxruntime
    onnxruntime.disable_telemetry_events()  # no telemetry about users' models
    module: ModuleType = onnxruntime
    return module


def _run(
    path: Path, session: Any, feeds: dict[str, Array], wanted: list[str] | None = None
) -> list[Array]:
    try:
        results: list[Array] = session.run(wanted, feeds)
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        raise InferenceError(
            f"{path.name} opens but does not run: {said_of(path, error)}",
            "open it in a model viewer at the operator that is named, and export it again",
        ) from error
    return results


def _is_kernel(event: dict[str, Any]) -> bool:
    return event.get("cat") == "Node" and str(event["name"]).endswith("_kernel_time")


def _info(value: Any, described: dict[str, TensorInfo]) -> TensorInfo:
    known = described.get(value.name)
    shape = tuple(size if isinstance(size, int) else -1 for size in value.shape)
    scales, zeros = ((), ()) if known is None else (known.scales, known.zero_points)
    return TensorInfo(value.name, shape, _dtype(value.type), scales=scales, zero_points=zeros)


def _dtype(text: str) -> str:
    """numpy's name for ``tensor(float)`` and the like."""
    name = text.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(name, name)


def _no_tensor(path: Path, value: Any) -> InferenceError:
    return InferenceError(
        f"{path.name}: {value.name!r} is a {value.type}, and a gate compares tensors",
        "export the model with tensors as inputs and outputs (a classifier without ZipMap)",
    )


def _not_opened(path: Path, error: Exception) -> InferenceError:
    return not_readable(path, str(error)) or damaged(path, said_of(path, error))


OPTIMISED = OnnxRuntime("ORT_ENABLE_ALL")
UNOPTIMISED = OnnxRuntime("ORT_DISABLE_ALL")
CUDA = OnnxRuntime("ORT_ENABLE_ALL", "CUDAExecutionProvider")
TENSORRT = OnnxRuntime("ORT_ENABLE_ALL", "TensorrtExecutionProvider")
