"""Gates on raspberry-pi-5: with its emulator, without it, and with one that fails."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from emulated import RUNTIMES, beside, registry_with_emulators, removed_in

from pytest_edgegate import EdgeData
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.emulation.emulator import Emulator
from pytest_edgegate.emulation.sysroot import Sysroot
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.recording import Recorded
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[3] / "example_project"
FILE = EXAMPLE / "models/digits_uint8.tflite"
SOURCE = "emulator:qemu-aarch64:cortex-a76"
AGREEMENT, SIZE = Budget("parity_agreement", 0.95), Budget("size", 60_000)
LINE = "python -m pytest_edgegate sysroot"


class Gate:
    """A session over a finished int8 file, on 220 digits."""

    def __init__(self, folder: Path, data: EdgeData) -> None:
        self._given = Given(FILE, data)
        self._folder = folder
        self.session = self._started()

    def _started(self) -> EdgeSession:
        settings = Settings(targets=(), cache=self._folder / "cache", root=self._folder)
        return EdgeSession(settings, registry_with_emulators())

    def again(self) -> None:
        """The next run."""
        self.session.close()
        self.session = self._started()

    def case(self, *budgets: Budget) -> Case:
        return self.session.case(self._given, self.session.target("raspberry-pi-5"), budgets)

    def artifact(self) -> Artifact:
        return self.session.adopt(FILE, self.session.target("raspberry-pi-5"))

    def judge(self, *budgets: Budget) -> dict[str, Verdict]:
        case = self.case(*budgets)
        parity = any(each.kind.in_every_runtime for each in budgets)
        verdicts = self.session.judge(
            case, self.artifact(), budgets, contract=True, show_parity=not parity
        )
        return {each.budget.metric: each for each in verdicts}


@pytest.fixture(scope="module")
def digits() -> EdgeData:
    found = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
    return EdgeData(evaluation=(found.x_evaluate[:220], found.y_evaluate[:220]))


@pytest.fixture
def gate(tmp_path: Path, digits: EdgeData) -> Iterator[Gate]:
    made = Gate(tmp_path, digits)
    yield made
    made.session.close()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no folder of an ARM Python."""
    monkeypatch.setenv("EDGEGATE_SYSROOT", str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_emulator_gates_parity_and_shows_accuracy(
    sysroot: Sysroot, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run starts no emulator."""
    for _ in range(2):
        found = gate.judge(AGREEMENT, Budget("accuracy_min", 0.9))
        measured = found["parity_agreement"].measured
        assert measured is not None
        assert (measured.source, measured.n) == (SOURCE, 200)
        assert (
            "an emulator is given 200 samples and 300 s at most" in found["parity_agreement"].note
        )
        of_all = found["accuracy_min"].measured
        assert of_all is not None
        assert (of_all.source, of_all.n) == ("host:litert-xnnpack", 220)
        told = found["contract"].note
        assert "accuracy in an emulator, not gated: top1 0.9" in told
        assert f" in litert-cortex-a76 ({SOURCE}), 0.9" in told
        assert told.endswith(" here, on 200 samples")
        gate.again()
        monkeypatch.setattr(Emulator, "start", lambda self: pytest.fail("an emulator is started"))


@pytest.mark.slow
def test_a_slow_emulator_is_given_fewer_samples(sysroot: Sysroot, gate: Gate) -> None:
    """As many as fit into its time, and the accuracy beside it is of the same ones."""
    hours = iter(range(0, 10**6, 100))
    gate.session.observer.runtimes._clock = lambda: next(hours)
    found = gate.judge(AGREEMENT)
    measured = found["parity_agreement"].measured
    assert measured is not None
    assert (measured.source, measured.n) == (SOURCE, 16)
    assert "given 200 samples and 300 s at most" in found["parity_agreement"].note
    assert found["contract"].note.endswith(" on 16 samples")


@pytest.mark.slow
def test_accepted_figure_names_the_emulator(sysroot: Sysroot, gate: Gate) -> None:
    case, artifact = gate.case(AGREEMENT), gate.artifact()
    verdicts = gate.session.judge(case, artifact, (AGREEMENT,))
    recorded = Recorded()
    gate.session.record(recorded, case, artifact, verdicts)
    [entry] = recorded.artifacts.values()
    figure = entry.figures["parity_agreement"]
    assert figure.source == SOURCE
    assert figure.packages == RUNTIMES["litert-cortex-a76"].versions()


@pytest.mark.slow
def test_without_a_parity_budget_it_is_shown(sysroot: Sysroot, gate: Gate) -> None:
    found = gate.judge(SIZE)
    told = found["contract"].note
    assert "parity, not gated: agreement 1.000 on " in told
    assert "(litert-xnnpack, litert-reference, litert-cortex-a76)" in told
    assert "accuracy in an emulator, not gated: top1 " in told


@pytest.mark.slow
def test_packages_of_other_versions_are_told(
    sysroot: Sysroot, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of parity that is gated, and of that which is shown."""
    monkeypatch.setenv("EDGEGATE_SYSROOT", str(tmp_path))
    manifest = beside(sysroot, tmp_path) / "sysroot.json"
    said = json.loads(manifest.read_text())
    here = said["packages"]["ai-edge-litert"]
    said["packages"] |= {"ai-edge-litert": "2.2.9", "onnx": "1.0"}
    manifest.unlink()
    manifest.write_text(json.dumps(said))
    told = f"caution: ai-edge-litert 2.2.9 in the emulator and {here} here: what differs may be"
    assert told in gate.judge(AGREEMENT)["parity_agreement"].note
    assert told in gate.judge(SIZE)["contract"].note
    assert "onnx 1.0" not in gate.judge(SIZE)["contract"].note


@pytest.mark.slow
def test_exact_parity_of_a_part_is_not_proven(sysroot: Sysroot, gate: Gate) -> None:
    hours = iter(range(0, 10**6, 100))
    gate.session.observer.runtimes._clock = lambda: next(hours)
    verdict = gate.judge(Budget("parity_within_lsb", 0.5))["parity_within_lsb"]
    assert (verdict.outcome, verdict.proven) == (Outcome.PASS, False)
    assert "compared on 16 of the 200 samples that an emulator is given" in verdict.note


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["interpreter.py", "_pywrap_litert_interpreter_wrapper.so"])
def test_a_package_of_the_emulator_that_is_broken(
    broken: str, sysroot: Sysroot, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is mended there, not by pip here."""
    monkeypatch.setenv("EDGEGATE_SYSROOT", str(tmp_path))
    copy = beside(sysroot, tmp_path)
    removed_in(copy, f"site/ai_edge_litert/{broken}")
    verdict = gate.judge(AGREEMENT)["parity_agreement"]
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert "the emulated ARM Python is not whole: " in verdict.reason
    assert verdict.remedy == f"{LINE} --again"
    told = gate.judge(SIZE)["contract"].note
    assert "parity, not gated: digits_uint8.tflite in litert-cortex-a76" in told
    assert f"{LINE} --again" in told


@pytest.mark.parametrize("package", ["ai_edge_litert", "numpy"])
def test_half_a_folder(
    package: str, sysroot: Sysroot, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEGATE_SYSROOT", str(tmp_path))
    copy = beside(sysroot, tmp_path)
    removed_in(copy, f"site/{package}")
    verdict = gate.judge(AGREEMENT)["parity_agreement"]
    assert verdict.outcome is Outcome.NOT_MEASURED
    missing = copy / "site" / package / "__init__.py"
    assert verdict.reason.endswith(f"{copy} is not whole: there is no {missing}")
    assert verdict.remedy == LINE


def test_without_the_folder(nowhere: None, gate: Gate) -> None:
    """Parity is not measured, with the line to type; all else is."""
    found = gate.judge(AGREEMENT, SIZE, Budget("accuracy_min", 0.9))
    parity = found.pop("parity_agreement")
    assert parity.outcome is Outcome.NOT_MEASURED
    assert parity.reason.startswith("ai-edge-litert on an emulated cortex-a76 needs an ARM Python")
    assert parity.remedy == LINE
    assert {each.outcome for each in found.values()} == {Outcome.PASS}
    [ahead] = gate.session.unmeasurable(gate.case(AGREEMENT, SIZE))
    assert (ahead.budget, ahead.remedy) == (AGREEMENT, LINE)


def test_without_the_folder_nothing_is_gated_by_it(nowhere: None, gate: Gate) -> None:
    told = gate.judge(SIZE)["contract"].note
    assert "(litert-xnnpack, litert-reference), not compared with an emulated board: " in told
    assert LINE in told
    assert "accuracy in an emulator" not in told


@pytest.mark.slow
def test_an_emulator_that_dies_is_no_verdict(
    sysroot: Sysroot, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error of the gate, which names it."""
    crashing = tmp_path / "qemu"
    crashing.write_text("#!/bin/sh\necho 'qemu: uncaught target signal 11' >&2\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    command = Emulator.command
    monkeypatch.setattr(Emulator, "command", lambda self: [str(crashing), *command(self)[1:]])
    with pytest.raises(InferenceError) as error:
        gate.judge(AGREEMENT)
    assert f"in litert-cortex-a76 ({SOURCE}) ended the process that ran it" in error.value.message
    assert error.value.message.endswith("(SIGSEGV): qemu: uncaught target signal 11")
    assert error.value.remedy.endswith("python -m pytest_edgegate sysroot --again")
    told = gate.judge(SIZE)["contract"].note
    assert f"parity, not gated: digits_uint8.tflite in litert-cortex-a76 ({SOURCE})" in told


def test_emulated_runtime_is_not_the_first(nowhere: None, gate: Gate) -> None:
    five = gate.session.target("raspberry-pi-5")
    alone = replace(five, runtimes={"litert": ("litert-cortex-a76",), "onnx": ("onnxruntime",)})
    case = replace(gate.case(SIZE), target=alone)
    with pytest.raises(ConfigurationError) as error:
        gate.session.judge(case, gate.artifact(), (SIZE,), contract=True)
    assert "'raspberry-pi-5' lists litert-cortex-a76 first" in error.value.message
    assert error.value.remedy.startswith("list a runtime of this machine first")


def test_latency_is_never_of_an_emulator(nowhere: None, gate: Gate) -> None:
    verdict = gate.judge(Budget("latency_p95", 0.1))["latency_p95"]
    measured = verdict.measured
    assert measured is None or measured.source.startswith("host:")  # on a board with Linux
