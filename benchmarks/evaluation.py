"""Throughput of an evaluation against the best loop by hand, its memory on a stream, and what an
early decision saves.

    python benchmarks/evaluation.py

The loops by hand get arrays of float samples, quantise them at once and keep the predicted class
of each: LiteRT with set_tensor and get_tensor, and with views of the interpreter's own tensors;
ONNX Runtime in batches of several sizes, on one thread and on all. A file that others made is
evaluated in a worker: it is measured beside, with the worker started.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from pytest_edgegate import PTQ, EdgeData
from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.backends.onnx.runtime import OPTIMISED
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.data.splits import make_split
from pytest_edgegate.measures.metrics import as_scoring
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.measuring.scored_pass import observe
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.remote import RemoteRunner

MODELS = Path(__file__).parent.parent / "example_project" / "models"
sys.path.insert(0, str(MODELS.parent))
from digits import load_digits  # noqa: E402

WORKERS = Workers(120.0)
SAMPLES, ROUNDS = 5_000, 7


def samples(count: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    return generator.random((count, 28, 28, 1), np.float32), generator.integers(0, 10, count)


def opened(path: Path) -> tuple[Any, Any, Any]:
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter, interpreter.get_input_details()[0], interpreter.get_output_details()[0]


def quantise(x: Any, detail: Any) -> Any:
    if detail["dtype"] is np.float32:
        return x
    scale, zero = detail["quantization"]
    return np.clip(np.rint(x / np.float32(scale) + zero), 0, 255).astype(detail["dtype"])


def by_set_tensor(path: Path, x: Any, y: Any) -> float:
    interpreter, ins, outs = opened(path)
    feed, right = quantise(x, ins), 0
    for at in range(len(feed)):
        interpreter.set_tensor(ins["index"], feed[at : at + 1])
        interpreter.invoke()
        right += interpreter.get_tensor(outs["index"])[0].argmax() == y[at]
    return right / len(feed)


def by_views(path: Path, x: Any, y: Any) -> float:
    interpreter, ins, outs = opened(path)
    feed = quantise(x, ins)
    kept = np.empty((len(feed), 10), outs["dtype"])
    view_in, view_out = interpreter.tensor(ins["index"]), interpreter.tensor(outs["index"])
    for at in range(len(feed)):
        view_in()[0] = feed[at]
        interpreter.invoke()
        kept[at] = view_out()[0]
    return float((kept.argmax(axis=1) == y).mean())


def by_gate(path: Path, x: Any, y: Any) -> float:
    scoring = as_scoring("top1", indexable=True)
    with XNNPACK.open(path) as runner:
        seen = observe(runner, make_split("evaluation", (x, y), None), scoring, "host")
    return scoring.estimate(seen).value


def by_gate_in_a_worker(path: Path, x: Any, y: Any) -> float:
    scoring = as_scoring("top1", indexable=True)
    entry = "pytest_edgegate.backends.litert.runtime:XNNPACK"
    with RemoteRunner(WORKERS, entry, path, path.name) as runner:
        seen = observe(runner, make_split("evaluation", (x, y), None), scoring, "host")
    return scoring.estimate(seen).value


def started(folder: Path, early_after: float) -> EdgeSession:
    settings = Settings(cache=folder, reference_check=False, root=folder, early_after=early_after)
    return EdgeSession(settings, Registry())


def onnx_files(folder: Path) -> list[Path]:
    """The torch model of the example, in float and in int8, as a gate makes it."""
    session = started(folder, 10.0)
    x, y = samples(200)
    data = EdgeData(calibration=x.transpose(0, 3, 1, 2), evaluation=(x.transpose(0, 3, 1, 2), y))
    subject = Given(MODELS.parent / "torch_model" / "digits.pt2", data)
    target = session.target("onnx-cpu")
    case = session.case(subject, target)
    return [session.compress(case, recipe).path for recipe in ((), (PTQ(),))]


def by_batches(size: int, threads: int) -> Callable[[Path, Any, Any], float]:
    """A loop by hand over ONNX Runtime; 0 threads: as many as there are cores."""

    def loop(path: Path, x: Any, y: Any) -> float:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        opened = onnxruntime.InferenceSession(str(path), options)
        name = opened.get_inputs()[0].name
        parts = [
            opened.run(None, {name: x[at : at + size]})[0].argmax(axis=1)
            for at in range(0, len(x), size)
        ]
        return float((np.concatenate(parts) == y).mean())

    return loop


def by_gate_onnx(path: Path, x: Any, y: Any) -> float:
    scoring = as_scoring("top1", indexable=True)
    with OPTIMISED.open(path) as runner:
        seen = observe(runner, make_split("evaluation", (x, y), None), scoring, "host")
    return scoring.estimate(seen).value


def onnx_throughput(path: Path, kind: str) -> None:
    x, y = samples(SAMPLES)
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    ways = [(size, threads) for size in (1, 32, 256) for threads in (1, 0)]
    loops = [by_gate_onnx, *(by_batches(*way) for way in ways)]
    rounds = [[seconds(loop, path, x, y) for loop in loops] for _ in range(ROUNDS)]
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    best = int(np.argmin(medians[1:]))
    size, threads = ways[best]
    ratio = statistics.median(row[best + 1] / row[0] for row in rounds)
    print(
        f"{path.name} {kind}: gate {medians[0] / SAMPLES * 1e6:.1f} us a sample, best by hand "
        f"{medians[best + 1] / SAMPLES * 1e6:.1f} (batch {size}, "
        f"{'all cores' if threads == 0 else 'one thread'}); throughput {ratio:.3f} of it"
    )


def seconds(loop: Callable[[Path, Any, Any], float], path: Path, x: Any, y: Any) -> float:
    start = time.perf_counter()
    loop(path, x, y)
    return time.perf_counter() - start


def throughput(path: Path) -> None:
    x, y = samples(SAMPLES)
    by_views(path, x, y)
    by_gate_in_a_worker(path, x, y)
    loops = (by_gate, by_gate_in_a_worker, by_views, by_set_tensor)
    rounds = [[seconds(loop, path, x, y) for loop in loops] for _ in range(ROUNDS)]
    ours, remote, views, tensors = (
        statistics.median(column) for column in zip(*rounds, strict=True)
    )
    ratio = statistics.median(min(row[2:]) / row[0] for row in rounds)
    away = statistics.median(min(row[2:]) / row[1] for row in rounds)
    print(
        f"{path.name}: gate {ours / SAMPLES * 1e6:.1f} us a sample, "
        f"views {views / SAMPLES * 1e6:.1f}, set_tensor {tensors / SAMPLES * 1e6:.1f}; "
        f"throughput {ratio:.3f} of the best by hand; in a worker {remote / SAMPLES * 1e6:.1f} us, "
        f"throughput {away:.3f}"
    )


def to_verdict(count: int) -> None:
    """Seconds that a gate of the int8 digits takes, in full and with an early decision."""
    digits = load_digits()
    some = np.random.default_rng(0).integers(0, len(digits.x_evaluate), count)
    data = EdgeData(
        calibration=digits.x_train[:200],
        evaluation=(digits.x_evaluate[some], digits.y_evaluate[some]),
    )
    for limit in (0.01, 0.002):
        found = []
        for early_after in (float("inf"), 0.0):
            with tempfile.TemporaryDirectory() as folder:
                session = started(Path(folder), early_after)
                subject, target = Given(MODELS / "digits.keras", data), session.target("coral")
                case = session.case(subject, target)
                artifact = session.compress(case, (PTQ(),))
                start = time.perf_counter()
                (verdict,) = session.judge(case, artifact, (Budget("accuracy_drop", limit),))
                took = time.perf_counter() - start
                session.close()
                assert verdict.measured is not None
                found.append((took, str(verdict.outcome), verdict.measured.n))
        (full, said, n), (early, also, few) = found
        print(
            f"drop of at most {limit} on {count:,} samples: {full:.2f} s in full ({said}, n {n:,}),"
            f" {early:.2f} s early ({also}, n {few:,}): {full / early:.1f} times as fast"
        )


class Stream:
    """Batches made as they are asked for: nothing is held."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        generator = np.random.default_rng(0)
        for _ in range(0, self.count, 250):
            yield generator.random((250, 28, 28, 1), np.float32), generator.integers(0, 10, 250)


def peak_memory(count: int) -> None:
    """Runs in a process of its own, and prints its peak in kB."""
    split = make_split("evaluation", Stream(count), "benchmark")
    with XNNPACK.open(MODELS / "digits_uint8.tflite") as runner:
        seen = observe(runner, split, as_scoring("top1", indexable=False), "host")
    scores = sum(array.nbytes for array in seen.arrays.values()) // 1024
    status = Path("/proc/self/status").read_text()  # ru_maxrss counts what the parent held, too
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(peak.split()[1], scores)


def memory() -> None:
    peaks = {}
    for count in (5_000, 50_000):
        ran = subprocess.run(
            [sys.executable, __file__, str(count)], check=True, capture_output=True, text=True
        )
        peaks[count] = [int(each) for each in ran.stdout.split()]
        print(
            f"stream of {count:,}: peak {peaks[count][0] / 1e3:.1f} MB, "
            f"of it {peaks[count][1] / 1e3:.1f} MB per-sample scores"
        )
    small, large = (peak - scores for peak, scores in peaks.values())
    print(f"without the scores, 50,000 to 5,000: {large / small:.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        peak_memory(int(sys.argv[1]))
    else:
        throughput(MODELS / "digits_uint8.tflite")
        throughput(MODELS / "digits_float_io.tflite")
        with tempfile.TemporaryDirectory() as folder:
            for path, kind in zip(onnx_files(Path(folder)), ("float", "int8"), strict=True):
                onnx_throughput(path, kind)
        to_verdict(100_000)
        memory()
