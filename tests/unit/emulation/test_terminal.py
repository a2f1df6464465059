"""What a user reads of an emulated board: a red build, and one without the emulator."""

from __future__ import annotations

import runpy
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
TEST = f"""
def test_steps(edge_gate):
    edge_gate.check({str(ROOT / "example_project/models/digits_uint8.tflite")!r}, {{budgets}})
"""


def played(folder: Path, budgets: str, *more: str, **env: str) -> Outcome:
    digits = runpy.run_path(str(ROOT / "example_project" / "digits.py"))["load_digits"]()
    folder.mkdir()
    np.savez(folder / "digits.npz", x=digits.x_evaluate[:60], y=digits.y_evaluate[:60])
    example = Example({"conftest.py": CONFTEST, "test_it.py": TEST.format(budgets=budgets)})
    return example.run_pytest(folder, "--edge-target=raspberry-pi-5", *more, env=env)


def test_without_the_emulator(tmp_path: Path) -> None:
    """Both what is missing and the line to type; all else is judged."""
    ran = played(
        tmp_path / "it",
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
def test_with_it(sysroot: Sysroot, tmp_path: Path) -> None:
    """A green build says what each figure rests on, and that no emulator was gated by accuracy."""
    ran = played(tmp_path / "it", "accuracy_min=0.9, parity_agreement=0.9", "-v")
    assert ran.status == 0
    told = " ".join(ran.output.split())
    assert "emulator:qemu-aarch64:cortex-a76, n 60: parity_agreement" in told
    assert "accuracy in an emulator, not gated: top1 " in told
    assert "parity of digits_uint8.tflite in litert-xnnpack (emulator:qemu-aarch64" in told
