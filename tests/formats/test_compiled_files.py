"""Files that were compiled for a chip, with the file that they were compiled from."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.exceeded import BudgetExceeded
from pytest_edgegate.gate import EdgeGate
from pytest_edgegate.item_gate import ItemGate
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given, Missing
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
SOURCE = EXAMPLE / "models" / "digits_uint8.tflite"


def compiled(path: Path, *, scale: float = 1.0) -> Path:
    """The digits file as Coral's compiler leaves it: its operators are one operator of the chip."""
    schema, model = import_schema(), unpack(SOURCE)
    graph = model.subgraphs[0]
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = b"edgetpu-custom-op", 1
    model.operatorCodes = [code]
    operator.opcodeIndex = 0
    operator.inputs, operator.outputs = graph.inputs, graph.outputs
    graph.operators = [operator]
    taken = graph.tensors[graph.inputs[0]].quantization
    taken.scale = taken.scale * scale
    path.write_bytes(pack(model))
    return path


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSession]:
    folder = tmp_path_factory.mktemp("compiled")
    settings = Settings(cache=folder / "cache", root=folder)
    made = EdgeSession(settings, Registry())
    yield made
    made.close()


@pytest.fixture
def gate(session: EdgeSession) -> EdgeGate:
    digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
    data = EdgeData(evaluation=(digits.x_evaluate[:100], digits.y_evaluate[:100]))
    case = session.case(Given(Missing("edge_model"), data), session.target("coral"))
    return EdgeGate(ItemGate(session, case))


def found(verdicts: Any) -> dict[tuple[str, str], str]:
    return {(each.artifact.path.name, each.budget.metric): str(each.outcome) for each in verdicts}


def test_what_it_hides_is_judged_on_its_source(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite")
    verdicts = gate.check(path, source=SOURCE, size="60 kB", accuracy_min=0.9)
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
    with pytest.raises(ConfigurationError, match=r"was not compiled from digits_uint8\.tflite"):
        gate.check(path, source=SOURCE, accuracy_min=0.9)


def test_a_source_is_only_for_compiled_files(gate: EdgeGate, tmp_path: Path) -> None:
    path = compiled(tmp_path / "digits_edgetpu.tflite")
    with pytest.raises(ConfigurationError, match="is not compiled for a chip, and source= is for"):
        gate.check(SOURCE, source=SOURCE, accuracy_min=0.9)
    with pytest.raises(ConfigurationError, match="is compiled for the Edge TPU itself"):
        gate.check(path, source=path, accuracy_min=0.9)
