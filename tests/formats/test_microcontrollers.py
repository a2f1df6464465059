"""Whole gates for microcontrollers, with the real Vela and the real LiteRT-Micro."""

from __future__ import annotations

import copy
import importlib.util
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.backends.tflite_micro.runtime import RUNTIME
from pytest_edgegate.backends.tflite_micro.tool import TOOL as MICRO
from pytest_edgegate.backends.tflite_micro.tool import MicroTool
from pytest_edgegate.backends.vela.tool import TOOL as VELA
from pytest_edgegate.backends.vela.tool import Vela
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.exceeded import BudgetExceeded
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.gate import EdgeGate
from pytest_edgegate.item_gate import ItemGate
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Missing
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
DIGITS = EXAMPLE / "models" / "digits_uint8.tflite"
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("tflite_micro", "ethosu"))),
    reason="needs Vela and LiteRT-Micro: pip install 'pytest-edgegate[micro,vela]'",
)
Gates = Callable[..., EdgeGate]


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[Gates]:
    """A gate for a target; each is another run on one cache."""
    sessions = []
    digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
    data = EdgeData(evaluation=(digits.x_evaluate[:100], digits.y_evaluate[:100]))

    def make(target: str, vela: Vela = VELA, micro: MicroTool = MICRO) -> EdgeGate:
        registry = Registry()
        registry.add("tool", "vela", vela)
        registry.add("tool", "tflite-micro", micro)
        registry.add("runtime", "tflite-micro", RUNTIME)
        session = EdgeSession(Settings(cache=tmp_path / "cache", root=tmp_path), registry)
        sessions.append(session)
        case = session.case(Given(Missing("edge_model"), data), session.target(target))
        return EdgeGate(ItemGate(session, case))

    yield make
    for each in sessions:
        each.close()


def by_metric(verdicts: Any) -> dict[str, Verdict]:
    return {each.budget.metric: each for each in verdicts}


def value(verdict: Verdict) -> tuple[float, str]:
    assert verdict.measured is not None
    return verdict.measured.value, verdict.measured.source


def red(gate: EdgeGate, path: Path, **budgets: Any) -> dict[str, Verdict]:
    with pytest.raises(BudgetExceeded) as raised:
        gate.check(path, **budgets)
    return by_metric(raised.value.verdicts)


def test_an_ethos_u_by_vela(gates: Gates) -> None:
    asked = {"memory": "40 kB", "flash": "40 kB", "latency_p95": "300 us", "mapped_ops": 1}
    found = by_metric(gates("ethos-u55-128").check(DIGITS, **asked, accuracy_min=0.9))
    assert value(found["memory"]) == (32_384, "vendor:vela")
    assert value(found["flash"]) == (38_368, "vendor:vela")
    assert value(found["latency_p95"]) == (0.000221544, "vendor:vela")
    assert value(found["mapped_ops"]) == (1, "vendor:vela")
    assert "110,772 cycles" in found["latency_p95"].note
    assert found["accuracy_min"].outcome is Outcome.PASS
    artifact = found["memory"].artifact
    assert artifact is not None
    assert artifact.compiled is not None
    assert artifact.compiled.name == "digits_uint8_vela.tflite"


def test_a_second_run_starts_no_program(gates: Gates) -> None:
    first = by_metric(gates("ethos-u55-128").check(DIGITS, memory="40 kB"))
    again = by_metric(
        gates("ethos-u55-128", vela=Vela(["/no/such/vela"])).check(DIGITS, memory=32_384)
    )
    assert value(again["memory"]) == value(first["memory"])
    assert again["memory"].measured is not None
    assert again["memory"].measured.cached


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
def test_another_version_of_vela_is_asked_anew(
    gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates("ethos-u55-128").check(DIGITS, memory="40 kB")
    monkeypatch.setattr(Vela, "version", lambda self: "99.0")
    found = red(gates("ethos-u55-128", vela=Vela(["/no/such/vela"])), DIGITS, memory="40 kB")
    assert found["memory"].outcome is Outcome.NOT_MEASURED
    assert "/no/such/vela can't be started" in found["memory"].reason


def test_what_breaks_is_named_with_what_to_do(gates: Gates) -> None:
    found = red(gates("ethos-u55-128"), DIGITS, memory="20 kB", latency_p50="100 us")
    memory, latency = found["memory"], found["latency_p50"]
    assert "31,392 bytes alive while it runs" in memory.details[0]
    assert memory.remedy.startswith("give the model smaller inputs, or fewer filters where")
    assert "busy at the same time: the NPU 100,060" in latency.details[0]
    assert latency.details[1].endswith("14,112 cycles")
    assert latency.remedy.startswith("give those layers fewer filters or smaller inputs")


def test_vela_is_not_installed(gates: Gates) -> None:
    found = red(gates("ethos-u55-128", vela=Vela(package="no-vela")), DIGITS, memory="40 kB")
    assert found["memory"].outcome is Outcome.NOT_MEASURED
    assert found["memory"].reason.endswith("is not installed")
    assert found["memory"].remedy == "pip install 'pytest-edgegate[vela]'"


def test_a_contract_without_vela_says_what_it_did_not_look_at(gates: Gates) -> None:
    found = by_metric(gates("ethos-u55-128", vela=Vela(package="no-vela")).check(DIGITS))
    assert "caution: which operators run on the chip is not looked at" in found["contract"].note
    assert "pip install 'pytest-edgegate[vela]'" in found["contract"].note
    found = by_metric(gates("ethos-u55-128").check(DIGITS))
    assert "not looked at" not in found["contract"].note


@pytest.fixture
def failing(tmp_path: Path) -> Vela:
    """A mock of Vela that reports an error and ends as if there were none."""
    program = tmp_path / "mock_vela.py"
    program.write_text("print('Error: cannot')")
    return Vela([sys.executable, str(program)])


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
def test_a_contract_is_not_green_where_vela_fails(gates: Gates, failing: Vela) -> None:
    found = red(gates("ethos-u55-128", vela=failing), DIGITS)
    contract = found["contract"]
    assert contract.outcome is Outcome.NOT_MEASURED
    assert contract.reason.startswith("which operators run on the chip is not known: vela ended ")
    assert contract.reason.endswith("reports one: Error: cannot")
    assert contract.remedy.startswith("run it by hand to see more: vela --accelerator-config ")


@pytest.mark.filterwarnings("ignore::pytest_edgegate.core.errors.EdgeGateWarning")
def test_a_budget_on_mapped_ops_is_red_where_vela_fails(gates: Gates, failing: Vela) -> None:
    found = red(gates("ethos-u55-128", vela=failing), DIGITS, mapped_ops=1)
    assert found["mapped_ops"].outcome is Outcome.NOT_MEASURED
    assert found["contract"].outcome is Outcome.NOT_MEASURED


def test_a_contract_with_an_old_vela_says_what_it_did_not_look_at(
    gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vela, "version", lambda self: "3.12.0")
    found = by_metric(gates("ethos-u55-128").check(DIGITS))
    assert "not looked at: ethos-u-vela 3.12.0 is too old" in found["contract"].note
    assert "pip install --upgrade ethos-u-vela" in found["contract"].note


def test_names_that_vela_does_not_know_end_the_test_before_any_work(
    gates: Gates, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.edgegate.targets.bad]\n"
        'from = "ethos-u55-128"\n'
        'tool.vela = {system_config = "Nope"}\n'
    )
    gate = gates("bad", vela=Vela(["/no/such/vela"]))
    with pytest.raises(ConfigurationError, match="system_config = 'Nope' vela knows Ethos_U55"):
        gate.check(DIGITS)


def test_the_time_of_vela_is_an_estimate(gates: Gates) -> None:
    """A compiler's figure: no run has taken it."""
    found = red(gates("ethos-u55-128"), DIGITS, latency_p50="300 us", latency_p95="100 us")
    assert (found["latency_p50"].outcome, found["latency_p50"].proven) == (Outcome.PASS, False)
    assert (found["latency_p95"].outcome, found["latency_p95"].proven) == (Outcome.FAIL, False)
    assert found["latency_p95"].remedy.startswith("give those layers fewer filters")


@pytest.fixture
def normalised(tmp_path: Path) -> Path:
    """The digits with one of their operators replaced by one that no Ethos-U has."""
    kinds, model = import_schema().BuiltinOperator, unpack(DIGITS)
    [graph] = model.subgraphs
    normed = next(
        each
        for each in graph.operators
        if model.operatorCodes[each.opcodeIndex].builtinCode == kinds.ADD
    )
    code = copy.copy(model.operatorCodes[normed.opcodeIndex])
    code.builtinCode = code.deprecatedBuiltinCode = kinds.L2_NORMALIZATION
    code.version = 2
    normed.opcodeIndex = len(model.operatorCodes)
    model.operatorCodes.append(code)
    normed.inputs, normed.builtinOptions, normed.builtinOptionsType = normed.inputs[:1], None, 0
    after = next(each for each in graph.operators if normed.outputs[0] in each.inputs)
    for at in (*normed.outputs, *after.outputs):  # of one scale with the maxima taken of it
        made = graph.tensors[at].quantization
        made.scale, made.zeroPoint = [1 / 128], [0]
    path = tmp_path / "normalised.tflite"
    path.write_bytes(pack(model))
    return path


def test_an_operator_on_the_cpu_is_red_in_the_contract(gates: Gates, normalised: Path) -> None:
    found = red(gates("ethos-u55-128"), normalised, memory="60 kB")
    contract = found["contract"]
    assert contract.outcome is Outcome.FAIL
    assert contract.details[0].startswith("L2_NORMALIZATION #9 ")
    assert contract.details[0].endswith(
        f'left to the CPU by vela {VELA.version()} ("Unsupported opType")'
    )
    assert "its compiler decides" in contract.remedy


def test_a_budget_on_mapped_ops_decides_in_its_place(gates: Gates, normalised: Path) -> None:
    found = by_metric(gates("ethos-u55-128").check(normalised, mapped_ops=0.9))
    assert found["contract"].outcome is Outcome.PASS
    assert "as mapped_ops decides: 1 x L2_NORMALIZATION" in found["contract"].note
    assert value(found["mapped_ops"]) == (18 / 19, "vendor:vela")
    assert found["mapped_ops"].note.endswith(
        "of 19 operators, 1 runs on the CPU (L2_NORMALIZATION)"
    )


def test_what_vela_refuses_is_red_in_the_contract(gates: Gates, tmp_path: Path) -> None:
    program = tmp_path / "mock_vela.py"
    words = "Compilation failed: Error: ARGMAX\\n - IFM has to be 8bit\\nFailed to parse it"
    program.write_text(f"raise RuntimeError('{words}')\n")
    vela = Vela([sys.executable, str(program)])
    found = red(gates("ethos-u55-128", vela=vela), DIGITS, memory="60 kB")
    assert found["contract"].details == (
        "vela refuses digits_uint8.tflite: RuntimeError: Compilation failed: Error: ARGMAX - IFM "
        "has to be 8bit Failed to parse it",
    )
    assert found["contract"].remedy.startswith("make the file as the compiler takes it")
    assert found["memory"].outcome is Outcome.NOT_MEASURED


def test_a_compiled_file_with_its_source(gates: Gates, tmp_path: Path) -> None:
    checked = gates("ethos-u55-128").check(DIGITS, memory="40 kB")[0].artifact
    assert checked is not None
    assert checked.compiled is not None
    twin = Path(shutil.copy(checked.compiled, tmp_path / "ours_vela.tflite"))
    asked = {"memory": "40 kB", "mapped_ops": 1, "latency_p50": "300 us", "accuracy_min": 0.9}
    found = by_metric(gates("ethos-u55-128").check(twin, source=DIGITS, **asked))
    assert value(found["memory"]) == (32_384, "vendor:vela")
    assert value(found["latency_p50"]) == (0.000221544, "vendor:vela")
    assert value(found["mapped_ops"]) == (1, "vendor:vela")
    assert found["accuracy_min"].outcome is Outcome.PASS


@pytest.mark.parametrize("source", [DIGITS, None])
def test_a_file_compiled_for_another_accelerator(
    gates: Gates, tmp_path: Path, source: Path | None
) -> None:
    checked = gates("ethos-u85-256").check(DIGITS, memory="40 kB")[0].artifact
    assert checked is not None
    assert checked.compiled is not None
    twin = Path(shutil.copy(checked.compiled, tmp_path / "ours_vela.tflite"))
    given = {} if source is None else {"source": source}
    found = red(gates("ethos-u55-128"), twin, **given, mapped_ops=1, size="1 MB")
    contract = found["contract"]
    assert contract.outcome is Outcome.FAIL
    assert contract.details == (
        "ours_vela.tflite is compiled for an Arm Ethos-U85-256, and the driver of ethos-u55-128 "
        "refuses what is made for another chip",
    )
    assert "gate it for a target whose machine is that chip (ethos-u85-256)" in contract.remedy
    assert found["mapped_ops"].outcome is Outcome.NOT_MEASURED
    assert found["size"].outcome is Outcome.PASS
    assert by_metric(gates("ethos-u85-256").check(twin))["contract"].outcome is Outcome.PASS


def test_a_compiled_file_beside_its_source(gates: Gates, tmp_path: Path) -> None:
    checked = gates("ethos-u55-128").check(DIGITS, memory="40 kB")[0].artifact
    assert checked is not None
    assert checked.compiled is not None
    twin = Path(shutil.copy(checked.compiled, tmp_path / "ours_vela.tflite"))
    alone = red(gates("ethos-u55-128"), twin, memory="40 kB")["memory"]
    assert 'edge_gate.check("ours_vela.tflite", source="ours.tflite", ...)' in alone.remedy
    shutil.copy(DIGITS, tmp_path / "ours.tflite")
    found = by_metric(gates("ethos-u55-128").check(twin, memory="40 kB", latency_p99="300 us"))
    assert value(found["memory"]) == (32_384, "vendor:vela")
    assert value(found["latency_p99"]) == (0.000221544, "vendor:vela")
    assert "makes the same file of ours.tflite" in found["contract"].note


def test_a_compiled_file_beside_a_source_that_it_is_not_the_same_of(
    gates: Gates, tmp_path: Path
) -> None:
    """It has nothing beside the chip's program, and its other figures are not known."""
    checked = gates("ethos-u55-128").check(DIGITS, memory="40 kB")[0].artifact
    assert checked is not None
    assert checked.compiled is not None
    shutil.copy(checked.compiled, tmp_path / "ours_vela.tflite")
    model = unpack(DIGITS)
    large = max(model.buffers, key=lambda each: 0 if each.data is None else len(each.data))
    large.data = large.data[::-1].copy()
    (tmp_path / "ours.tflite").write_bytes(pack(model))
    twin = tmp_path / "ours_vela.tflite"
    found = by_metric(gates("ethos-u55-128").check(twin, mapped_ops=1, size="1 MB"))
    assert value(found["mapped_ops"]) == (1, "vendor:vela")
    assert found["contract"].outcome is Outcome.PASS
    assert "is not what vela" in found["contract"].note
    again = red(gates("ethos-u55-128"), twin, mapped_ops=1, memory="40 kB")
    assert again["memory"].outcome is Outcome.NOT_MEASURED
    assert again["mapped_ops"].outcome is Outcome.PASS


def test_a_cortex_m_by_lite_rt_micro(gates: Gates) -> None:
    asked = {"memory": 38_096, "flash": "60 kB", "parity_lsb": 0, "parity_agreement": 1}
    found = by_metric(gates("cortex-m").check(DIGITS, **asked, accuracy_min=0.9))
    assert value(found["memory"]) == (38_096, "vendor:tflite-micro")
    assert value(found["flash"]) == (DIGITS.stat().st_size, "vendor:tflite-micro")
    assert value(found["parity_lsb"])[0] == 0
    assert value(found["accuracy_min"])[1] == "host:tflite-micro"
    assert "64-bit pointers" in found["memory"].note


def test_a_cortex_m_has_no_latency_here(gates: Gates) -> None:
    found = red(gates("cortex-m"), DIGITS, latency_p95="6 ms")
    assert found["latency_p95"].outcome is Outcome.NOT_MEASURED
    assert "measure on the board" in found["latency_p95"].remedy


def test_an_arena_over_its_budget_names_the_layers(gates: Gates) -> None:
    found = red(gates("cortex-m"), DIGITS, memory="30 kB", flash="30 kB")
    assert found["memory"].details[0].startswith("ADD #9 (digits_1/residual_relu_1/Relu")
    assert found["memory"].details[0].endswith("28,224 bytes of inputs and outputs")
    assert found["flash"].details[0].startswith("CONV_2D #14 ")


def test_lite_rt_micro_is_not_installed(gates: Gates) -> None:
    micro = MicroTool(package="no-micro")
    found = red(gates("cortex-m", micro=micro), DIGITS, memory="40 kB")
    assert found["memory"].outcome is Outcome.NOT_MEASURED
    assert found["memory"].remedy == "pip install 'pytest-edgegate[micro]'"
