"""What a user reads of an emulated board: a red build, and one without the emulator."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pytest_edgegate.emulation.sysroot import Sysroot
from pytest_edgegate.testing.example import Example, Outcome

ROOT = Path(__file__).parents[3]
CONFTEST = f"""
import sys

import numpy as np
import pytest

from pytest_edgegate import EdgeData

sys.path.insert(0, {str(ROOT / "tests" / "emulated")!r})
from emulated import RUNTIMES


def pytest_edgegate_register(registry):
    for name, runtime in RUNTIMES.items():
        registry.add("runtime", name, runtime)


@pytest.fixture(scope="session")
def edge_data():
    found = np.load("digits.npz")
    return EdgeData(evaluation=(found["x"], found["y"]))
"""
DIGITS = ROOT / "example_project/models/digits_uint8.tflite"
TEST = """
import pytest


@pytest.mark.edge_budget({marked})
def test_steps(edge_gate):
    edge_gate.check({file!r}, {budgets})
"""


Played = Callable[..., Outcome]


@pytest.fixture
def played(tmp_path: Path, warm_python_m: str) -> Played:
    """Runs pytest on a file, with the gate's plugin and no other one."""

    def run(
        budgets: str,
        *more: str,
        file: Path = DIGITS,
        marked: str = "size='1 MB'",
        **env: str,
    ) -> Outcome:
        folder = tmp_path / "it"
        digits = runpy.run_path(str(ROOT / "example_project" / "digits.py"))["load_digits"]()
        folder.mkdir()
        np.savez(folder / "digits.npz", x=digits.x_evaluate[:60], y=digits.y_evaluate[:60])
        test = TEST.format(file=str(file), budgets=budgets, marked=marked)
        example = Example({"conftest.py": CONFTEST, "test_it.py": test}, warm_python_m)
        path = os.pathsep.join(filter(None, sys.path))
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path}
        forked = ("-p", "edgegate", "-p", "warm_python.forking")
        target = "--edge-target=raspberry-pi-5"
        return example.run_pytest(folder, *forked, target, *more, env={**alone, **env})

    return run


def test_without_the_emulator(tmp_path: Path, played: Played) -> None:
    """Both what is missing and the line to type; all else is judged."""
    ran = played(
        "accuracy_min=0.9, parity_agreement=0.9",
        EDGEGATE_SYSROOT=str(tmp_path / "nowhere"),
    )
    assert ran.status == 1
    assert "parity_agreement not measured (raspberry-pi-5" in ran.output
    assert (
        "parity_agreement: ai-edge-litert on an emulated cortex-a76 needs an ARM Python, which is "
        f"not made yet in {tmp_path / 'nowhere'}"
    ) in ran.output
    assert "  next: python -m pytest_edgegate sysroot\n" in ran.output
    assert "accuracy_min" in ran.output
    assert "by host:litert-xnnpack, n 60" in ran.output


@pytest.mark.slow
def test_with_it(sysroot: Sysroot, tmp_path: Path, played: Played) -> None:
    """A green build says what each figure rests on, and that no emulator was gated by accuracy."""
    ran = played("accuracy_min=0.9, parity_agreement=0.9", "-v")
    assert ran.status == 0
    told = " ".join(ran.output.split())
    assert "emulator:qemu-aarch64:cortex-a76, n 60: parity_agreement" in told
    assert "accuracy in an emulator, not gated: top1 " in told
    assert "parity, not gated" not in told
    assert "parity of digits_uint8.tflite in litert-xnnpack (emulator:qemu-aarch64" in told


def test_nothing_is_gated_by_an_emulator_that_is_not_here(tmp_path: Path, played: Played) -> None:
    """A call of edge_gate says what it did not compare, and takes no time for it."""
    nowhere = str(tmp_path / "nowhere")
    ran = played("accuracy_min=0.9", "-v", EDGEGATE_SYSROOT=nowhere)
    assert ran.status == 0
    told = " ".join(ran.output.split())
    assert "parity, not gated" not in told
    assert "not compared with an emulated board: python -m pytest_edgegate sysroot" in told


@pytest.mark.slow
@pytest.mark.parametrize("labels", [True, False])
def test_file_that_is_not_finite_on_the_board(
    labels: bool, sysroot: Sysroot, tmp_path: Path, played: Played
) -> None:
    """Its sums are within float16 at their ends, and over it on the way: what adds in float32 does
    not notice."""
    file = tmp_path / "over.onnx"
    write_overflowing(file)
    ran = played("accuracy_min=0.05" if labels else "size='1 MB'", file=file)
    told = " ".join(ran.output.split())
    assert (
        "caution: the outputs of onnxruntime-cortex-a76 (emulator:qemu-aarch64:cortex-a76) are not "
        "finite on 60 of 60 samples"
    ) in told
    assert ran.status == 0


def write_overflowing(file: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    weights = np.zeros((28 * 28 + 64, 10), np.float16)
    weights[: 28 * 28] = np.random.default_rng(0).normal(size=(28 * 28, 10)) / 100
    weights[-64:-32], weights[-32:] = 30_000, -30_000
    given = {
        "weights": weights,
        "more": np.array([0, 0, 0, 64], np.int64),
        "one": np.array(1, np.float16),
    }
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=kind.FLOAT16),
        helper.make_node("Flatten", ["half"], ["flat"]),
        helper.make_node("Pad", ["flat", "more", "one"], ["padded"]),
        helper.make_node("MatMul", ["padded", "weights"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["y"], to=kind.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "over",
        [helper.make_tensor_value_info("x", kind.FLOAT, ["n", 28, 28, 1])],
        [helper.make_tensor_value_info("y", kind.FLOAT, ["n", 10])],
        [onnx.numpy_helper.from_array(array, name) for name, array in given.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, file)


@pytest.mark.slow
def test_what_the_marker_gates_is_not_shown_by_a_call(
    sysroot: Sysroot, tmp_path: Path, played: Played
) -> None:
    ran = played("accuracy_min=0.9", "-v", marked="parity_agreement=0.9")
    assert ran.status == 0
    assert "parity_agreement" in ran.output
    assert "parity, not gated" not in ran.output
