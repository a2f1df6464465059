"""Files that were compiled for a chip, with the file that they were compiled from."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from edgetpu_files import CACHING, SOURCE, compiled, executable, package

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.edgetpu.tool import TOOL
from pytest_edgegate.core.errors import ConfigurationError, InferenceError
from pytest_edgegate.core.exceeded import BudgetExceeded
from pytest_edgegate.gate import EdgeGate
from pytest_edgegate.item_gate import ItemGate
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Missing
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
NARROW = """
[tool.edgegate.targets.narrow]
from = "coral"
mapping = {activations = ["int16"]}
"""
"""A chip that takes nothing of the digits, by its rules."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSession]:
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "pyproject.toml").write_text(NARROW)
    settings = Settings(cache=folder / "cache", root=folder)
    registry = Registry()
    registry.add("tool", "edgetpu", TOOL)
    made = EdgeSession(settings, registry)
    yield made
    made.close()


@pytest.fixture
def gate(session: EdgeSession) -> EdgeGate:
    return gate_for(session, "coral")


def gate_for(session: EdgeSession, target: str) -> EdgeGate:
    digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
    data = EdgeData(evaluation=(digits.x_evaluate[:100], digits.y_evaluate[:100]))
    case = session.case(Given(Missing("edge_model"), data), session.target(target))
    return EdgeGate(ItemGate(session, case))


def found(verdicts: Any) -> dict[tuple[str, str], str]:
    return {(each.artifact.path.name, each.budget.metric): str(each.outcome) for each in verdicts}


def test_what_it_hides_is_judged_on_its_source(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite")
    verdicts = gate.check(path, source=SOURCE, size="110 kB", accuracy_min=0.9)
    assert found(verdicts) == {
        ("digits_edgetpu.tflite", "contract"): "pass",
        ("digits_edgetpu.tflite", "size"): "pass",
        ("digits_uint8.tflite", "contract"): "pass",
        ("digits_uint8.tflite", "accuracy_min"): "pass",
    }


def test_its_source_may_be_red(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite")
    with pytest.raises(BudgetExceeded) as raised:
        gate.check(path, source=SOURCE, size="1 kB", accuracy_min=0.999)
    red = {
        metric for (_, metric), outcome in found(raised.value.verdicts).items() if outcome == "fail"
    }
    assert red == {"size", "accuracy_min"}


def test_without_its_source_it_is_not_measured(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite")
    with pytest.raises(BudgetExceeded, match=r'source="digits\.tflite", accuracy_min='):
        gate.check(path, accuracy_min=0.9)


def test_another_source_is_an_error(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite", scale=2.0)
    with pytest.raises(ConfigurationError) as raised:
        gate.check(path, source=SOURCE, accuracy_min=0.9)
    told = raised.value.message
    assert "was not compiled from digits_uint8.tflite: their inputs differ: " in told
    assert told.count(" has scale 0.0") == 2
    assert told.endswith(" where it is compiled")


def test_a_source_is_only_for_compiled_files(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite")
    with pytest.raises(ConfigurationError, match="is not compiled for a chip, and source= is for"):
        gate.check(SOURCE, source=SOURCE, accuracy_min=0.9)
    with pytest.raises(ConfigurationError, match="is compiled for the Edge TPU itself"):
        gate.check(path, source=path, accuracy_min=0.9)


def test_its_figures_are_judged_without_a_cpu_and_those_of_the_vendor(
    gate: EdgeGate, tmp_path: Path
) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite")
    contract, *verdicts = gate.check(path, size="110 kB", mapped_ops=1, streamed_bytes=0)
    assert [(each.budget.metric, str(each.outcome)) for each in verdicts] == [
        ("size", "pass"),
        ("mapped_ops", "pass"),
        ("streamed_bytes", "pass"),
    ]
    sources = [each.measured.source for each in verdicts if each.measured]
    assert sources == ["file", *["vendor:edgetpu_compiler"] * 2]
    assert "edgetpu: 44,416 bytes of parameters cached on the chip, 0 streamed" in contract.note
    assert "needs version 12 of the runtime" in contract.note


def test_an_operator_that_it_leaves_to_the_cpu_is_red(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite", left=3)
    with pytest.raises(BudgetExceeded) as raised:
        gate.check(path)
    told = raised.value.verdicts[0].details
    assert [each.split(" ")[0] for each in told] == ["FULLY_CONNECTED", "SOFTMAX"]
    assert all("left to the CPU by the compiler" in each for each in told)


def test_with_a_budget_on_mapped_ops_its_source_is_counted(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite", left=3)
    with pytest.raises(BudgetExceeded, match=r"source=\"model.tflite\", mapped_ops="):
        gate.check(path, mapped_ops=0.8)
    contract, mapped, *_ = gate.check(path, source=SOURCE, mapped_ops=0.8, accuracy_min=0.9)
    assert (contract.outcome, mapped.outcome) == ("pass", "pass")
    assert mapped.measured is not None
    assert mapped.measured.value == 16 / 19
    assert "the rules predict otherwise of its source" in mapped.note


def test_the_contract_of_its_source_leaves_the_mapping_to_it(
    session: EdgeSession, tmp_path: Path
) -> None:
    """The rules would leave all of it to the CPU: the compiler has mapped 16 of 19."""
    path = compiled(tmp_path / "digits_edgetpu.tflite", left=3)
    narrow = gate_for(session, "narrow")
    verdicts = narrow.check(path, source=SOURCE, mapped_ops=0.8, accuracy_min=0.9)
    assert set(found(verdicts).values()) == {"pass"}
    with pytest.raises(BudgetExceeded):
        narrow.check(SOURCE)


def test_the_file_beside_it_with_its_name_is_its_source(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite", left=3)
    (tmp_path / "digits.tflite").write_bytes(SOURCE.read_bytes())
    contract, mapped = gate.check(path, mapped_ops=0.8)
    assert "16 of 19 operators of its source" in mapped.note
    assert "its source is digits.tflite" in contract.note


@pytest.mark.parametrize("beside", [b"TFL3", b""])
def test_a_file_beside_it_that_is_another_is_none(
    gate: EdgeGate, tmp_path: Path, beside: bytes
) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite", scale=2.0)
    (tmp_path / "digits.tflite").write_bytes(beside or SOURCE.read_bytes())
    contract, mapped = gate.check(path, mapped_ops=1)
    assert mapped.outcome == "pass"
    assert "the rules predict" not in f"{mapped.note} {contract.note}"


@pytest.mark.parametrize("budgets", [{}, {"size": "110 kB"}, {"streamed_bytes": 0}])
def test_a_damaged_package_is_that_of_a_damaged_file(
    gate: EdgeGate, tmp_path: Path, budgets: dict[str, Any]
) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite", options=b"DWN1")
    with pytest.raises(InferenceError, match="package in it is not whole") as raised:
        gate.check(path, **budgets)
    assert "it is damaged" in raised.value.remedy


@pytest.fixture
def of_another(tmp_path: Path) -> Path:
    """A file with the inputs and outputs of the digits, and the parameters of a larger network."""
    options = package(executable(CACHING, parameters=900_000))
    return compiled(tmp_path / "digits_edgetpu.tflite", options=options)


def test_a_file_beside_it_of_another_network_is_no_source(gate: EdgeGate, of_another: Path) -> None:
    of_another.with_name("digits.tflite").write_bytes(SOURCE.read_bytes())
    contract, mapped = gate.check(of_another, mapped_ops=1)
    assert "its source is" not in contract.note
    assert "digits.tflite beside it is not taken for its source: digits_edgetpu" in contract.note
    assert mapped.measured is not None
    assert mapped.measured.value == 1  # it leaves nothing to the CPU


def test_nothing_is_judged_on_the_source_of_another_network(
    gate: EdgeGate, of_another: Path
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        gate.check(of_another, source=SOURCE, accuracy_min=0.9)
    told = raised.value.message
    assert "digits_edgetpu.tflite was not compiled from digits_uint8.tflite: it holds" in told


def test_a_file_for_a_newer_runtime_is_red(gate: EdgeGate, tmp_path: Path) -> None:
    options = package(executable(CACHING, parameters=44_416), runtime=15)
    path = compiled(tmp_path / "digits_edgetpu.tflite", options=options, left=1)
    with pytest.raises(BudgetExceeded) as raised:
        gate.check(path)
    contract = raised.value.verdicts[0]
    assert contract.details == (
        "needs version 15 of the runtime, and coral has version 14, which does not load it",
    )
    assert "the compiler was not told the runtime" in contract.cause
    assert contract.remedy.startswith("compile it for version 14 of the runtime")
