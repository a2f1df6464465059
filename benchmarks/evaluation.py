"""Throughput of an evaluation against the best loop by hand, and its memory on a stream.

    python benchmarks/evaluation.py

The loops by hand get arrays of float samples, quantise them at once and keep the predicted class
of each: with set_tensor and get_tensor, and with views of the interpreter's own tensors.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from pytest_edgegate.backends.litert.runtime import XNNPACK
from pytest_edgegate.data.splits import make_split
from pytest_edgegate.measures.metrics import as_scoring
from pytest_edgegate.session.observing import observe

MODELS = Path(__file__).parent.parent / "example_project" / "models"
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


def seconds(loop: Callable[[Path, Any, Any], float], path: Path, x: Any, y: Any) -> float:
    start = time.perf_counter()
    loop(path, x, y)
    return time.perf_counter() - start


def throughput(path: Path) -> None:
    x, y = samples(SAMPLES)
    by_views(path, x, y)
    loops = (by_gate, by_views, by_set_tensor)
    rounds = [[seconds(loop, path, x, y) for loop in loops] for _ in range(ROUNDS)]
    ours, views, tensors = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(min(row[1:]) / row[0] for row in rounds)
    print(
        f"{path.name}: gate {ours / SAMPLES * 1e6:.1f} us a sample, "
        f"views {views / SAMPLES * 1e6:.1f}, set_tensor {tensors / SAMPLES * 1e6:.1f}; "
        f"throughput {ratio:.3f} of the best by hand"
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
    import resource

    split = make_split("evaluation", Stream(count), "benchmark")
    with XNNPACK.open(MODELS / "digits_uint8.tflite") as runner:
        seen = observe(runner, split, as_scoring("top1", indexable=False), "host")
    scores = sum(array.nbytes for array in seen.arrays.values()) // 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, scores)


def memory() -> None:
    peaks = {}
    for count in (5_000, 50_000):
        ran = subprocess.run(
            [sys.executable, __file__, str(count)], check=True, capture_output=True, text=True
        )
        peaks[count] = [int(each) for each in ran.stdout.split()]
        print(f"stream of {count:,}: peak {peaks[count][0] / 1e3:.1f} MB, "
              f"of it {peaks[count][1] / 1e3:.1f} MB per-sample scores")  # fmt: skip
    small, large = (peak - scores for peak, scores in peaks.values())
    print(f"without the scores, 50,000 to 5,000: {large / small:.3f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        peak_memory(int(sys.argv[1]))
    else:
        throughput(MODELS / "digits_uint8.tflite")
        throughput(MODELS / "digits_float_io.tflite")
        memory()
