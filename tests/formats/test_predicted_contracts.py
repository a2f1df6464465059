"""Contracts of a chip whose compiler is not here: what our rules decide, and what they may not."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.edgetpu.tool import TOOL
from pytest_edgegate.core.errors import EdgeGateWarning
from pytest_edgegate.core.exceeded import BudgetExceeded
from pytest_edgegate.gate import EdgeGate
from pytest_edgegate.item_gate import ItemGate
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Missing
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
DIGITS = EXAMPLE / "models" / "digits_uint8.tflite"
BOARD = """
[tool.edgegate.targets.narrow]
from = "coral"
mapping = {activations = ["int16"]}

[tool.edgegate.targets.ruled]
from = "raspberry-pi"
[tool.edgegate.targets.ruled.mapping]
name = "my-rules"
compiler = "1"
runtime = "1"
activations = ["int8", "uint8"]
most_dimensions = 3
[tool.edgegate.targets.perhaps]
from = "coral"
mapping = {largest_seen = 9}
"""
"""Chips that take nothing of the file, and of which little is known."""
VENDOR = ((None, "vendor"),)
Gates = Callable[..., EdgeGate]


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gates]:
    """A gate for a target; *evidence*: what edge_evidence asks for."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no compiler, wherever the tests run
    (tmp_path / "pyproject.toml").write_text(BOARD)
    sessions = []
    digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
    data = EdgeData(evaluation=(digits.x_evaluate[:50], digits.y_evaluate[:50]))

    def make(target: str, evidence: Any = ()) -> EdgeGate:
        registry = Registry()
        registry.add("tool", "edgetpu", TOOL)
        settings = Settings(cache=tmp_path / "cache", root=tmp_path, evidence=evidence)
        session = EdgeSession(settings, registry)
        sessions.append(session)
        case = session.case(Given(Missing("edge_model"), data), session.target(target))
        return EdgeGate(ItemGate(session, case))

    yield make
    for each in sessions:
        each.close()


def outcomes(gate: EdgeGate, **budgets: Any) -> dict[str, Any]:
    try:
        verdicts = gate.check(DIGITS, **budgets)
    except BudgetExceeded as raised:
        verdicts = list(raised.verdicts)
    return {each.budget.metric: each for each in verdicts}


def test_its_source_says_that_rules_have_decided(gates: Gates) -> None:
    found = outcomes(gates("coral"))["contract"]
    assert str(found.outcome) == "pass"
    assert found.measured.source == "predicted:edgetpu-rules"


def test_a_target_without_rules_for_its_chip_has_that_of_the_file(gates: Gates) -> None:
    assert outcomes(gates("raspberry-pi"))["contract"].measured.source == "file"


def test_where_the_vendors_evidence_is_asked_for_no_contract_is_predicted(gates: Gates) -> None:
    found = outcomes(gates("coral", VENDOR))["contract"]
    assert str(found.outcome) == "not_measured"
    assert "predicted:edgetpu-rules" in found.reason
    assert "apt-get install edgetpu-compiler" in found.remedy


def test_a_target_with_rules_alone_has_no_evidence_of_a_vendor(gates: Gates) -> None:
    found = outcomes(gates("ruled", VENDOR))["contract"]
    assert str(found.outcome) == "not_measured"
    assert "no tool of the vendor is named for mapped_ops of ruled" in found.reason
    assert "tools.mapped_ops" in found.remedy


def test_a_compiler_that_fails_is_told_where_the_vendors_evidence_is_asked_for(
    gates: Gates, tmp_path: Path
) -> None:
    mock = tmp_path / "edgetpu_compiler"
    mock.write_text("#!/bin/sh\nexit 3\n")
    mock.chmod(0o755)
    with pytest.warns(EdgeGateWarning, match="edgetpu_compiler"):
        found = outcomes(gates("coral", VENDOR))["contract"]
    assert str(found.outcome) == "not_measured"
    assert "edgetpu_compiler printed nothing" in found.reason
    assert "apt-get" not in found.remedy


def test_what_the_rules_refuse_stays_red(gates: Gates) -> None:
    found = outcomes(gates("narrow", VENDOR))["contract"]
    assert str(found.outcome) == "fail"


def test_a_budget_on_mapped_operators_decides_in_place_of_the_contract(gates: Gates) -> None:
    found = outcomes(gates("narrow"), mapped_ops=0.5)
    assert {name: str(each.outcome) for name, each in found.items()} == {
        "contract": "pass",
        "mapped_ops": "fail",
    }


def test_one_without_a_figure_decides_nothing(gates: Gates) -> None:
    found = outcomes(gates("narrow", VENDOR), mapped_ops=0.5)
    assert {name: str(each.outcome) for name, each in found.items()} == {
        "contract": "fail",
        "mapped_ops": "not_measured",
    }


def test_what_is_a_guess_is_told(gates: Gates) -> None:
    assert "a guess" not in outcomes(gates("coral"))["contract"].note
    found = outcomes(gates("perhaps"))["contract"]
    assert str(found.outcome) == "pass"
    assert "a guess where QUANTIZE #0" in found.note
    assert "large activation tensors" in found.note
