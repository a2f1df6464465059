"""False alarms, detection and seconds to a verdict of latency gates: this one and two others.

    python benchmarks/latency.py [runs of this, of pytest-benchmark, of benchmatrix] [idle|loaded]

Two ONNX models of equal layers: A, and B with a tenth more of them. Every run is a whole command,
as a build gives it, and fails at 5 %:

- edgegate: pytest with ``edge_gate.latency(candidate, ratio=1.05)``
- pytest-benchmark: ``--benchmark-compare-fail=min:5%`` against A, saved once at the start
- benchmatrix: ``collect-paired`` and ``compare --paired --fail-on-regression``, which also fails
  where it is undecided; in fewer runs, for it needs many processes in each

A against A must pass and A against B must fail. The ways take turns, so that all see the same
machine. "loaded" multiplies matrices on one other thread all the while. The two others are
installed by pip into a temporary folder, and see nothing of this plugin.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PEERS = ("pytest-benchmark==5.3.1", "benchmatrix==1.2.1", "py-cpuinfo==9.0.0")
LAYERS, MORE, SIDE, CHANNELS = 40, 44, 16, 16
LOAD = "import numpy as np; a = np.random.rand(600, 600)\nwhile True: a @ a"
OURS = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
import numpy as np
import pytest
from pytest_edgegate import EdgeData

@pytest.fixture(scope="session")
def edge_model():
    return "a.onnx"

@pytest.fixture(scope="session")
def edge_data():
    x = np.random.default_rng(0).random((64, 16, 16, 16), np.float32)
    return EdgeData(calibration=x, evaluation=(x, np.arange(64) % 16))
""",
    "test_same.py": """
def test_latency(edge_gate):
    edge_gate.latency("same.onnx", ratio=1.05)
""",
    "test_slower.py": """
def test_latency(edge_gate):
    edge_gate.latency("b.onnx", ratio=1.05)
""",
}
CALL = """
import os
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
sample = {"x": np.random.default_rng(0).random((1, 16, 16, 16), np.float32)}

def infer():
    session.run(None, sample)
"""
THEIRS = {
    "pytest.ini": "[pytest]\n",
    "test_benchmark.py": CALL + "\ndef test_latency(benchmark):\n    benchmark(infer)\n",
    "test_matrix.py": CALL
    + """
from benchmatrix import BenchmarkCase, make_benchmark_test

test_latency = make_benchmark_test(
    {"model": infer}, [BenchmarkCase.from_values("sample")], metrics=["single_call_latency"]
)
""",
}


def write_model(path: Path, layers: int, producer: str) -> None:
    """As many equal convolutions, each with its ReLU, and a mean over the image."""
    generator = np.random.default_rng(0)
    shape = (1, CHANNELS, SIDE, SIDE)
    nodes, weights = [], []
    at = "x"
    for layer in range(layers):
        kernel = generator.normal(0, 0.08, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"w{layer}"))
        nodes.append(helper.make_node("Conv", [at, f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"r{layer}"]))
        at = f"r{layer}"
    nodes.append(helper.make_node("ReduceMean", [at], ["y"], axes=[2, 3], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape[:2])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name=producer
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)


class Ways:
    """What a build calls: True where it is red. Files lie in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.theirs, packages = folder / "ours", folder / "theirs", folder / "packages"
        for project, files in ((self.ours, OURS), (self.theirs, THEIRS)):
            project.mkdir()
            for name, text in files.items():
                (project / name).write_text(text)
            for name, layers in (("a", LAYERS), ("same", LAYERS), ("b", MORE)):
                write_model(project / f"{name}.onnx", layers, name)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                packages,
                *PEERS,
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(packages),
            "PYTEST_ADDOPTS": "-p no:edgegate",
        }
        self.collected = 0

    def edgegate(self, candidate: str) -> str:
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--edge-target=onnx-cpu",
                "--edge-report-json=report.json",
                f"test_{candidate}.py",
            ],
            cwd=self.ours,
            capture_output=True,
            text=True,
            check=False,
        )
        verdicts = json.loads((self.ours / "report.json").read_text())["verdicts"]
        (verdict,) = (each for each in verdicts if each["budget"]["metric"] == "latency_ratio")
        assert ran.returncode == (verdict["outcome"] != "pass"), ran.stdout
        return f"{verdict['outcome']}{'' if verdict['proven'] else ', not proven'}"

    def save_baseline(self) -> None:
        self._benchmark("a", "--benchmark-save=a")

    def pytest_benchmark(self, candidate: str) -> str:
        code = self._benchmark(candidate, "--benchmark-compare", "--benchmark-compare-fail=min:5%")
        return "fail" if code else "pass"

    def _benchmark(self, model: str, *options: str) -> int:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "test_benchmark.py", *options],
            cwd=self.theirs,
            env={**self.environment, "MODEL": f"{FILES[model]}.onnx"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0 or "Performance has regressed" in ran.stdout + ran.stderr, ran
        return ran.returncode

    def benchmatrix(self, candidate: str) -> str:
        self.collected += 1
        pairs = self.theirs / f"pairs{self.collected}"
        pytest = [sys.executable, "-m", "pytest", "-q", "--benchmark-only", "test_matrix.py"]
        baseline, other = (
            ["env", f"MODEL={model}.onnx", *pytest] for model in ("a", FILES[candidate])
        )
        matrix = [sys.executable, "-m", "benchmatrix"]
        subprocess.run(
            [*matrix, "collect-paired", "--output", pairs, "--", *baseline, ":::", *other],
            cwd=self.theirs,
            env=self.environment,
            capture_output=True,
            check=True,
        )
        ran = subprocess.run(
            [
                *matrix,
                "compare",
                pairs,
                "--paired",
                "--threshold",
                "5%",
                "--format",
                "json",
                "--fail-on-regression",
            ],
            cwd=self.theirs,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode == 0:
            return "pass"
        return "inconclusive" if '"inconclusive"' in ran.stdout else "fail"


NAMES = ("edgegate", "pytest-benchmark", "benchmatrix")
FILES = {"a": "a", "same": "same", "slower": "b"}


@contextmanager
def load(loaded: bool) -> Iterator[None]:
    if not loaded:
        yield
        return
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    busy = subprocess.Popen([sys.executable, "-c", LOAD], env=environment)
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def compare(ways: Ways, runs: list[int]) -> None:
    each_way = (ways.edgegate, ways.pytest_benchmark, ways.benchmatrix)
    named: dict[str, tuple[Callable[[str], str], int]] = dict(
        zip(NAMES, zip(each_way, runs, strict=True), strict=True)
    )
    said: dict[tuple[str, str], list[str]] = {}
    took: dict[tuple[str, str], list[float]] = {}
    ways.save_baseline()
    for run in range(max(runs)):
        for name, (way, times) in named.items():
            for candidate in ("same", "slower") if run < times else ():
                start = time.perf_counter()
                said.setdefault((name, candidate), []).append(way(candidate))
                took.setdefault((name, candidate), []).append(time.perf_counter() - start)
            if run == times - 1:
                for candidate in ("same", "slower"):
                    print_row(name, candidate, said[name, candidate], took[name, candidate])


def print_row(name: str, candidate: str, said: list[str], seconds: list[float]) -> None:
    """At once: a long run that is stopped has told what it knows."""
    red = sum(not each.startswith("pass") for each in said)
    counts = ", ".join(f"{each} {said.count(each)}" for each in sorted(set(said)))
    print(
        f"| {name} | {candidate} | {red} of {len(said)} | {statistics.median(seconds):.1f} | "
        f"{max(seconds):.1f} | {counts} |",
        flush=True,
    )


def main(runs: list[int], conditions: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for condition in conditions:
            place = Path(folder) / condition
            place.mkdir()
            with load(condition == "loaded"):
                print(f"\n{condition}")
                print("| way | candidate | red | median s | longest s | what they said |")
                print("|---|---|---|---|---|---|")
                compare(Ways(place), runs)


if __name__ == "__main__":
    given = sys.argv[1:]
    counts = [int(each) for each in given if each.isdigit()]
    named = [each for each in given if not each.isdigit()]
    main(counts or [100, 100, 10], named or ["idle", "loaded"])
