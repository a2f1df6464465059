"""Files that are whole and can't be read or run here: told as that, and never as damaged.

Each has a healthy twin that differs from it by as little as possible and is judged as ever.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import edgetpu_files
import pytest

from pytest_edgegate import EdgeData
from pytest_edgegate.backends.litert.schema import import_schema
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.given import Given
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.settings.options import Settings

EXAMPLE = Path(__file__).parents[2] / "example_project"
HEALTHY = EXAMPLE / "models" / "digits_uint8.tflite"
SIZE = Budget("size", 60_000)
Fault = Callable[[Any], None]


class Gate:
    """Files that another pipeline made, for coral; none of them needs a framework."""

    def __init__(self, folder: Path, operate: Callable[[Path], Any]) -> None:
        digits = runpy.run_path(str(EXAMPLE / "digits.py"))["load_digits"]()
        (folder / "pyproject.toml").write_text(BOARDS)
        settings = Settings(cache=folder / "cache", root=folder)
        data = EdgeData(evaluation=(digits.x_evaluate[:100], digits.y_evaluate[:100]))
        self.session = EdgeSession(settings, Registry())
        self.subject = Given(EXAMPLE / "models" / "digits.keras", data)
        self.folder = folder
        self.operate = operate

    def file(self, change: Fault, name: str = "given.tflite") -> Path:
        surgery = self.operate(HEALTHY)
        change(surgery)
        written: Path = surgery.write(self.folder / name)
        return written

    def judge(self, path: Path, *budgets: Budget, target: str = "coral") -> dict[str, Verdict]:
        board = self.session.target(target)
        case = self.session.case(self.subject, board)
        artifact = self.session.adopt(path, board)
        found = self.session.judge(case, artifact, budgets, contract=True)
        return {each.budget.metric: each for each in found}


@pytest.fixture(scope="module")
def given(
    tmp_path_factory: pytest.TempPathFactory, operate: Callable[[Path], Any]
) -> Iterator[Gate]:
    made = Gate(tmp_path_factory.mktemp("unreadable"), operate)
    yield made
    made.session.close()


def code(surgery: Any, custom: str) -> int:
    """Adds a custom operator to the table of the file."""
    schema = import_schema()
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    made.customCode, made.version = custom.encode(), 1
    surgery.model.operatorCodes.append(made)
    return len(surgery.model.operatorCodes) - 1


def softmax(surgery: Any) -> Any:
    """The operator before the last, in whose place another one can stand."""
    return surgery.graph.operators[-2]


def replaced_by(custom: str) -> Fault:
    def fault(surgery: Any) -> None:
        operator = softmax(surgery)
        operator.opcodeIndex = code(surgery, custom)
        operator.builtinOptionsType, operator.builtinOptions = 0, None
        if custom == "edgetpu-custom-op":
            program = edgetpu_files.executable(edgetpu_files.CACHING, parameters=640)
            operator.customOptions = list(edgetpu_files.package(program))

    return fault


def listed(custom: str) -> Fault:
    return lambda surgery: (code(surgery, custom), None)[1]


def version(number: int) -> Fault:
    def fault(surgery: Any) -> None:
        index = surgery.graph.operators[0].opcodeIndex
        surgery.model.operatorCodes[index].version = number

    return fault


def number(builtin: int) -> Fault:
    def fault(surgery: Any) -> None:
        kind = surgery.model.operatorCodes[softmax(surgery).opcodeIndex]
        kind.builtinCode, kind.deprecatedBuiltinCode = builtin, min(builtin, 127)

    return fault


def schema_version(number: int) -> Fault:
    return lambda surgery: setattr(surgery.model, "version", number)


SOFTMAX = 25
MUTATIONS: dict[str, tuple[Fault, Fault, str, str]] = {
    "custom operator": (
        replaced_by("Sharpen"),
        listed("Sharpen"),
        "has the operator Sharpen (a custom operator), which LiteRT",
        "without allow_custom_ops",
    ),
    "operator of TensorFlow": (
        replaced_by("FlexErf"),
        listed("FlexErf"),
        "an interpreter with the Flex delegate has it",
        "without tf.lite.OpsSet.SELECT_TF_OPS",
    ),
    "newer version of an operator": (
        version(99),
        version(2),
        "has the operator QUANTIZE in version 99, which LiteRT",
        "pip install --upgrade ai-edge-litert",
    ),
    "operator of a newer schema": (
        number(230),
        number(SOFTMAX),
        "has the operator number 230, which LiteRT",
        "pip install --upgrade ai-edge-litert",
    ),
    "newer schema": (
        schema_version(4),
        schema_version(3),
        "is of schema version 4, and LiteRT",
        "pip install --upgrade ai-edge-litert",
    ),
}


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_file_that_can_not_be_read_here_is_not_called_damaged(given: Gate, kind: str) -> None:
    fault, _, said, remedy = MUTATIONS[kind]
    with pytest.raises(EdgeGateError) as raised:
        given.judge(given.file(fault), SIZE)
    assert said in raised.value.message
    assert "not damaged" in raised.value.message
    assert remedy in raised.value.remedy


@pytest.mark.parametrize("kind", MUTATIONS)
def test_its_healthy_twin_is_judged(given: Gate, kind: str) -> None:
    verdicts = given.judge(given.file(MUTATIONS[kind][1]), SIZE)
    assert not any(each.red for each in verdicts.values())


@pytest.mark.parametrize(
    "fault",
    [version(2**30), number(9_000), schema_version(90_000)],
    ids=["version", "op", "schema"],
)
def test_absurd_versions_are_damage(given: Gate, fault: Fault) -> None:
    with pytest.raises(EdgeGateError) as raised:
        given.judge(given.file(fault), SIZE)
    assert "damaged, cut short" in raised.value.remedy


COMPILED = {"edgetpu-custom-op": "the Edge TPU", "ethos-u": "an Arm Ethos-U"}
HIDDEN = ("accuracy_drop", "accuracy_min", "parity_agreement", "sqnr_db", "parameters", "macs")


BOARDS = """
[tool.edgegate.targets.usb-stick]
from = "coral"
title = "an accelerator of its own"

[tool.edgegate.targets.micro]
from = "raspberry-pi"
title = "a microcontroller"
machine = "cortex-m4"

[tool.edgegate.targets.npu]
from = "raspberry-pi"
title = "a microcontroller with an accelerator"
machine = "Ethos-U55"
"""
WITH_CHIP = {"edgetpu-custom-op": ("coral", "usb-stick"), "ethos-u": ("npu",)}
WITHOUT_CHIP = {
    "edgetpu-custom-op": ("raspberry-pi", "host", "openvino-cpu", "micro", "npu"),
    "ethos-u": ("coral", "host", "micro"),
}


def pairs(targets: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(custom, each) for custom, names in targets.items() for each in names]


@pytest.mark.parametrize(("custom", "target"), pairs(WITH_CHIP))
def test_a_compiled_file_is_judged_by_its_size(given: Gate, custom: str, target: str) -> None:
    path = given.file(replaced_by(custom), "net_edgetpu.tflite")
    found = given.judge(path, SIZE, target=target)
    assert {metric for metric, each in found.items() if each.red} == {"contract"}
    assert any("left to the CPU by the compiler" in each for each in found["contract"].details)
    assert found["size"].measured is not None
    assert found["size"].measured.value == path.stat().st_size
    assert f"is compiled for {COMPILED[custom]} and was not run" in found["contract"].note
    assert "left to the CPU: 2 x QUANTIZE, 6 x CONV_2D" in found["contract"].note
    assert given.judge(path, Budget("size", 50_000), target=target)["size"].red


@pytest.mark.parametrize(("custom", "target"), pairs(WITHOUT_CHIP))
def test_a_target_without_the_chip_can_not_run_it(given: Gate, custom: str, target: str) -> None:
    """Its size is judged as ever; the file that it was compiled from is what the target takes."""
    path = given.file(replaced_by(custom), "net_edgetpu.tflite")
    found = given.judge(path, SIZE, Budget("accuracy_min", 0.5), target=target)
    assert str(found["size"].outcome) == "pass"
    contract, accuracy = found["contract"], found["accuracy_min"]
    assert str(contract.outcome) == "fail"
    assert (
        f"net_edgetpu.tflite is compiled for {COMPILED[custom]}: no CPU runs it, and {target} does "
        "not have that chip"
    ) in contract.details
    assert "give the int8 file that it was compiled from, or gate it for a" in contract.remedy
    assert str(accuracy.outcome) == "not_measured"
    assert 'edge_gate.check("net.tflite", accuracy_min=...)' in accuracy.remedy
    assert not given.judge(HEALTHY, SIZE, target=target)["size"].red


@pytest.mark.parametrize("target", ["onnx-cpu", "jetson-nano"])
@pytest.mark.parametrize("custom", COMPILED)
def test_a_target_of_another_format_is_told_that_it_is_compiled(
    given: Gate, custom: str, target: str
) -> None:
    path = given.file(replaced_by(custom), "net_edgetpu.tflite")
    with pytest.raises(EdgeGateError) as raised:
        given.judge(path, SIZE, target=target)
    assert f"net_edgetpu.tflite is compiled for {COMPILED[custom]}: no CPU runs it" in str(
        raised.value
    )
    assert f"{target} takes an .onnx file" in raised.value.message
    assert "give what net_edgetpu.tflite was made from" in raised.value.remedy
    with pytest.raises(EdgeGateError) as of_plain:
        given.judge(HEALTHY, SIZE, target=target)
    assert "compiled" not in str(of_plain.value)


@pytest.mark.parametrize("metric", HIDDEN)
def test_what_a_compiled_file_hides_is_not_measured(given: Gate, metric: str) -> None:
    path = given.file(replaced_by("edgetpu-custom-op"), "net_edgetpu.tflite")
    verdict = given.judge(path, Budget(metric, 0.5))[metric]
    assert str(verdict.outcome) == "not_measured"
    assert "net_edgetpu.tflite is compiled for the Edge TPU" in verdict.reason
    given_then = f'edge_gate.check("net_edgetpu.tflite", source="net.tflite", {metric}=...)'
    assert given_then in verdict.remedy


def test_float_inputs_of_a_compiled_file_are_a_caution(given: Gate) -> None:
    def fault(surgery: Any) -> None:
        replaced_by("edgetpu-custom-op")(surgery)
        surgery.input.type = import_schema().TensorType.FLOAT32
        surgery.input.quantization = None

    contract = given.judge(given.file(fault))["contract"]
    assert not any("float32" in each for each in contract.details)
    assert "caution: left to the CPU of coral: " in contract.note
    assert "(float32)" in contract.note


def test_a_compiled_file_that_is_cut_short_is_damaged(given: Gate) -> None:
    whole = given.file(replaced_by("edgetpu-custom-op")).read_bytes()
    path = given.folder / "cut_edgetpu.tflite"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EdgeGateError) as raised:
        given.judge(path, SIZE)
    assert "damaged, cut short" in raised.value.remedy
