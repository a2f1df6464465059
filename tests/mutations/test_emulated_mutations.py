"""Files that give other results on a board's processor than here, which only its kernels show."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulated import needs_sysroot, registry_with_emulators

from pytest_edgegate import Cast, EdgeData
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.reports.failure import explain
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
A72, A76 = ("emulator:qemu-aarch64:cortex-a72", "emulator:qemu-aarch64:cortex-a76")
BUDGETS = (Budget("accuracy_drop", 0.01), Budget("parity_abs", 0.001))


class Gate:
    """The gate over the torch model of the example, on 250 digits."""

    def __init__(self, folder: Path) -> None:
        digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
        samples = digits.x_evaluate[:250].transpose(0, 3, 1, 2)
        data = EdgeData(evaluation=(samples, digits.y_evaluate[:250]))
        settings = Settings(targets=(), cache=folder / "cache", root=folder)
        self.session = EdgeSession(settings, registry_with_emulators())
        self.subject = Given(EXAMPLE / "torch_model" / "digits.pt2", data)

    def judge(self, target: str, recipe: Recipe) -> dict[str, Verdict]:
        case = self.session.case(self.subject, self.session.target(target))
        artifact = self.session.compress(case, recipe)
        verdicts = self.session.judge(case, artifact, BUDGETS, contract=True)
        return {each.budget.metric: each for each in verdicts}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    needs_sysroot()
    made = Gate(tmp_path_factory.mktemp("gate"))
    yield made
    made.session.close()


@pytest.mark.slow
def test_float16_differs_on_a_cortex_a76(gate: Gate) -> None:
    """It has half-precision arithmetic, in which ONNX Runtime then adds; a Cortex-A72 and this
    host compute the same file in float32."""
    four = gate.judge("raspberry-pi-4", (Cast("float16"),))
    assert not any(each.red for each in four.values())
    parity = four["parity_abs"].measured
    assert parity is not None
    assert parity.value < 1e-4
    assert A72 in (parity.source, parity.remark.split()[-1])

    five = gate.judge("raspberry-pi-5", (Cast("float16"),))
    assert [metric for metric, each in five.items() if each.red] == ["parity_abs"]
    found = five["parity_abs"].measured
    assert found is not None
    assert (found.source, found.n) == (A76, 200)
    assert found.value > 0.01
    text = explain([each.record for each in five.values()])
    assert A76 in text
    assert "largest difference: sample #" in text


@pytest.mark.slow
def test_float32_does_not(gate: Gate) -> None:
    verdicts = gate.judge("raspberry-pi-5", ())
    assert not any(each.red for each in verdicts.values())
    told = verdicts["contract"].note
    assert f"in onnxruntime-cortex-a76 ({A76})" in told
    assert "on 200 samples" in told
