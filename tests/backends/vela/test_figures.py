"""Figures are those of Vela's own table, and operators on the CPU are listed with its reasons."""

from __future__ import annotations

import copy
import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack
from pytest_edgegate.backends.vela.known_names import known_names
from pytest_edgegate.backends.vela.tool import TOOL, Vela
from pytest_edgegate.core.description import UNKNOWN_SIZE
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure
from pytest_edgegate.targets.folder import built_in

from .conftest import needs_vela

pytestmark = needs_vela
TARGETS = [name for name in built_in() if name.startswith("ethos-u")]
TIMES = ("latency_p50", "latency_p95", "latency_p99")


def by_hand(path: Path, accelerator: str, folder: Path) -> tuple[dict[str, str], bytes, str]:
    """The row of Vela's table, the file and the output of its command line without options."""
    command = [sys.executable, "-P", "-m", "ethosu.vela", "--accelerator-config", accelerator]
    ran = subprocess.run(
        [*command, "--show-cpu-operations", "--output-dir", str(folder), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    [table] = folder.glob("*_summary_*.csv")
    [row] = csv.DictReader(table.read_text().splitlines())
    return row, (folder / f"{path.stem}_vela.tflite").read_bytes(), ran.stdout


def figure(compiled: Compiled, metric: str) -> Figure:
    found = compiled.figures[metric]
    assert isinstance(found, Figure), found
    assert found.source == "vendor:vela"
    return found


def absent(compiled: Compiled, metric: str) -> Absent:
    found = compiled.figures[metric]
    assert isinstance(found, Absent)
    return found


def test_all_chips_have_a_target() -> None:
    assert set(TARGETS) == {
        *(f"ethos-u55-{size}" for size in (32, 64, 128, 256)),
        *("ethos-u65-256", "ethos-u65-512", "ethos-u85-256"),
    }


@pytest.mark.parametrize("name", TARGETS)
def test_figures_of_each_chip_are_those_of_an_own_run_with_its_defaults(
    digits: Path, out: Path, tmp_path: Path, name: str
) -> None:
    row, twin, printed = by_hand(digits, name, tmp_path / "by hand")
    told = TOOL.compile(digits, built_in()[name], out)
    assert "CPU operators = 0 " in printed
    assert {figure(told, each).value for each in TIMES} == {float(row["inference_time"])}
    assert figure(told, "memory").value == float(row["sram_memory_used"]) * 1024
    assert figure(told, "mapped_ops").value == 1
    flash = sum(float(row[f"{side}_chip_flash_memory_used"]) for side in ("on", "off")) * 1024
    if flash:
        assert figure(told, "flash").value == flash
    else:
        assert "puts nothing into flash" in absent(told, "flash").reason
    place = f"{row['system_config']}, {row['memory_mode']}"
    assert f"{int(row['cycles_total']):,} cycles ({place})" in figure(told, "latency_p50").remark
    assert place in figure(told, "memory").remark
    assert [each.name for each in told.files] == ["digits_vela.tflite"]
    assert told.files[0].read_bytes() == twin


def test_what_takes_the_time_and_the_memory_is_in_the_details(
    digits: Path, u55: Target, out: Path
) -> None:
    told = TOOL.compile(digits, u55, out)
    first, *slowest = figure(told, "latency_p95").details
    assert first.startswith("110,772 cycles at 500 MHz; busy at the same time: the NPU 100,060")
    assert slowest[0].startswith("Add (digits_1/residual_relu_1/Relu")
    assert slowest[0].endswith(": 14,112 cycles")
    assert figure(told, "memory").details[0].endswith(": 31,392 bytes alive while it runs")


def test_an_operator_on_the_cpu_is_listed_with_velas_reason(
    partly: Path, u55: Target, out: Path
) -> None:
    told = TOOL.compile(partly, u55, out)
    count = len(INSPECTOR.describe(partly).operators)
    mapped = figure(told, "mapped_ops")
    assert mapped.value == (count - 3) / count
    kinds = "DEQUANTIZE, CUMSUM, QUANTIZE"
    assert mapped.remark == f"of {count} operators, 3 run on the CPU ({kinds})"
    assert [each.split(" ")[0] for each in mapped.details] == ["DEQUANTIZE", "CUMSUM", "QUANTIZE"]
    assert mapped.details[1].endswith(": Unsupported opType")
    assert "unsupported DataType Float32" in mapped.details[2]


def test_a_time_without_the_cpus_part_passes_no_budget(
    partly: Path, u55: Target, out: Path
) -> None:
    told = TOOL.compile(partly, u55, out)
    assert {absent(told, each) for each in TIMES} == {absent(told, "latency_p50")}
    time = absent(told, "latency_p50")
    assert time.reason.startswith("Vela estimates the NPU's part only, ")
    assert time.reason.endswith("of the operators 3 run on the CPU (DEQUANTIZE, CUMSUM, QUANTIZE)")
    assert "mapped_ops" in time.remedy
    assert figure(told, "memory").value > 0


def test_a_float_file_has_nothing_on_the_chip(
    files: dict[str, Path], u55: Target, out: Path
) -> None:
    told = TOOL.compile(files["float"], u55, out)
    mapped = figure(told, "mapped_ops")
    assert mapped.value == 0
    assert all("unsupported DataType Float32" in each for each in mapped.details)
    for metric in (*TIMES, "memory", "flash"):
        assert (
            absent(told, metric).reason
            == f"{files['float'].name}: no operator of it runs on the NPU"
        )


def test_a_compiled_file_is_not_compiled_again(digits: Path, u55: Target, out: Path) -> None:
    twin = TOOL.compile(digits, u55, out).files[0]
    told = TOOL.compile(twin, u55, out)
    assert told.files == ()
    assert "is compiled for an Arm Ethos-U55-128 already" in absent(told, "memory").reason
    assert 'edge_gate.check("digits_vela.tflite", source=' in absent(told, "memory").remedy
    assert figure(told, "mapped_ops").value == 1


def test_a_compiled_file_with_operators_on_the_cpu_needs_its_source(
    partly: Path, u55: Target, out: Path
) -> None:
    twin = TOOL.compile(partly, u55, out).files[0]
    assert "give the file that it was" in absent(TOOL.compile(twin, u55, out), "mapped_ops").remedy


def test_a_compiled_file_has_the_figures_of_its_source(
    digits: Path, u55: Target, out: Path, tmp_path: Path
) -> None:
    told = TOOL.compile(digits, u55, out)
    twin = told.files[0].rename(tmp_path / "ours.tflite")
    compared = TOOL.compare(twin, digits, u55, out)
    assert compared.figures == told.figures
    assert compared.remark == f"vela {TOOL.version()} makes the same file of digits.tflite"


OTHERS = ("latency_p50", "latency_p95", "latency_p99", "memory", "flash")


@pytest.mark.parametrize("source", ["digits", "partly"])
def test_a_file_that_was_not_compiled_from_its_source_has_no_figures_of_it(
    digits: Path, partly: Path, u55: Target, out: Path, tmp_path: Path, source: str
) -> None:
    """But for what it shows by itself: that nothing lies beside the chip's program."""
    twin = TOOL.compile(digits, u55, out).files[0].rename(tmp_path / "ours.tflite")
    other = partly if source == "partly" else _with_other_weights(digits, tmp_path)
    compared = TOOL.compare(twin, other, u55, out)
    assert compared.files == ()
    assert compared.placed is None
    assert {absent(compared, each) for each in OTHERS} == {absent(compared, "memory")}
    reason = absent(compared, "memory").reason
    assert reason.startswith(f"ours.tflite is not what vela {TOOL.version()} makes of {other.name}")
    assert "tool.vela" in absent(compared, "memory").remedy
    assert reason.startswith(compared.remark)
    assert compared.remark
    assert figure(compared, "mapped_ops") == figure(TOOL.compile(twin, u55, out), "mapped_ops")
    assert figure(compared, "mapped_ops").value == 1


def test_the_share_of_a_file_that_was_compiled_with_other_options(
    digits: Path, u55: Target, out: Path, tmp_path: Path
) -> None:
    deep = {"system_config": "Ethos_U55_Deep_Embedded", "memory_mode": "Sram_Only"}
    theirs = replace(u55, tool_options={"vela": {**u55.tool_options["vela"], **deep}})
    twin = TOOL.compile(digits, theirs, out).files[0].rename(tmp_path / "ours.tflite")
    compared = TOOL.compare(twin, digits, u55, out)
    assert figure(compared, "mapped_ops").value == 1
    assert "with other options" in absent(compared, "memory").reason


def test_operators_beside_the_chip_are_not_counted_by_another_source(
    digits: Path, partly: Path, u55: Target, out: Path, tmp_path: Path
) -> None:
    """What the program of the chip holds is known of no source but its own."""
    twin = TOOL.compile(partly, u55, out).files[0].rename(tmp_path / "ours.tflite")
    compared = TOOL.compare(twin, digits, u55, out)
    assert {absent(compared, each) for each in TOOL.metrics} == {absent(compared, "memory")}
    assert "or from another file" in absent(compared, "mapped_ops").reason


def test_a_source_that_vela_refuses_takes_nothing_from_its_compiled_file(
    mock_vela: Callable[[str], list[str]], digits: Path, u55: Target, out: Path, tmp_path: Path
) -> None:
    """Another version of Vela has compiled it: the file is there."""
    twin = TOOL.compile(digits, u55, out).files[0].rename(tmp_path / "ours.tflite")
    refusing = Vela(mock_vela("raise RuntimeError('Compilation failed: Error: too large')"))
    compared = refusing.compare(twin, digits, u55, out)
    assert compared.placed is None
    assert figure(compared, "mapped_ops").value == 1
    assert {absent(compared, each) for each in OTHERS} == {absent(compared, "memory")}
    assert absent(compared, "memory").reason.startswith("vela refuses digits.tflite: ")


def _with_other_weights(path: Path, folder: Path) -> Path:
    """The same operators with other weights, so that inputs and outputs agree."""
    model = unpack(path)
    large = max(model.buffers, key=lambda each: 0 if each.data is None else len(each.data))
    large.data = np.asarray(large.data, np.uint8)[::-1].copy()
    other = folder / "other.tflite"
    other.write_bytes(pack(model))
    return other


CONFIGS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram"),
    "ethos-u65": ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB"),
    "ethos-u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
}


def accelerators() -> list[str]:
    """All that the installed Vela knows."""
    return list(known_names("Arm/vela.ini").get("accelerator", ()))


@pytest.mark.parametrize("accelerator", accelerators())
def test_a_compiled_file_names_its_accelerator(
    digits: Path, u55: Target, out: Path, accelerator: str
) -> None:
    config, mode = CONFIGS[accelerator.rpartition("-")[0]]
    options = {"accelerator": accelerator, "system_config": config, "memory_mode": mode}
    target = replace(u55, tool_options={"vela": options})
    twin = TOOL.compile(digits, target, out).files[0]
    compiled = INSPECTOR.describe(twin).compiled
    assert compiled is not None
    assert compiled.size == accelerator
    assert compiled.chip == f"an Arm {accelerator.replace('ethos-u', 'Ethos-U')}"


@pytest.mark.parametrize("source", ["none", "its own"])
def test_a_file_compiled_for_another_accelerator_has_no_figures(
    digits: Path, u55: Target, out: Path, tmp_path: Path, source: str
) -> None:
    told = TOOL.compile(digits, built_in()["ethos-u85-256"], out)
    twin = told.files[0].rename(tmp_path / "ours.tflite")
    if source == "none":
        found = TOOL.compile(twin, u55, out)
    else:
        found = TOOL.compare(twin, digits, u55, out)
    for metric in TOOL.metrics:
        assert absent(found, metric).reason == (
            "ours.tflite is compiled for an Arm Ethos-U85-256, and the target has ethos-u55-128"
        )
    assert "vela --accelerator-config ethos-u55-128" in absent(found, "memory").remedy


@pytest.mark.parametrize("damage", ["none", "cut", "mark", "action", "product"])
def test_a_program_that_names_no_accelerator(
    digits: Path, u55: Target, out: Path, damage: str
) -> None:
    twin = TOOL.compile(digits, u55, out).files[0]
    model = unpack(twin)
    [at] = [at for at, each in enumerate(model.operatorCodes) if each.customCode == b"ethos-u"]
    [graph] = model.subgraphs
    program = next(each for each in graph.operators if each.opcodeIndex == at).inputs[0]
    buffer = model.buffers[graph.tensors[program].buffer]
    data = np.array(buffer.data)
    assert bytes(data[:4]) == b"COP1"
    if damage in ("mark", "action", "product"):
        data[{"mark": 0, "action": 4, "product": 11}[damage]] ^= 0x70
    buffer.data = {"none": None, "cut": data[:7]}.get(damage, data)
    twin.write_bytes(pack(model))
    compiled = INSPECTOR.describe(twin).compiled
    assert compiled is not None
    assert (compiled.chip, compiled.size) == ("an Arm Ethos-U", UNKNOWN_SIZE)


def test_graphs_that_do_not_run_together_are_not_added_up(
    digits: Path, u55: Target, out: Path, tmp_path: Path
) -> None:
    one = TOOL.compile(digits, u55, out)
    told = TOOL.compile(_twice(digits, tmp_path), u55, out)
    assert {absent(told, each) for each in TIMES} == {absent(told, "latency_p50")}
    time = absent(told, "latency_p50")
    assert time.reason.startswith("Vela estimates all 2 graphs of the file together, 2")
    assert time.reason.endswith("one inference runs one of them; its signatures: first, second")
    assert 'alone (signature_keys=["first"] of the converter)' in time.remedy
    memory, flash = figure(told, "memory"), figure(told, "flash")
    assert memory.value == figure(one, "memory").value, "the graphs share it"
    assert "SRAM of the tensors of the largest of the file's 2 graphs" in memory.remark
    assert flash.value > figure(one, "flash").value
    assert "commands of all 2 graphs of the file" in flash.remark
    assert figure(told, "mapped_ops").value == 1


def _twice(path: Path, folder: Path) -> Path:
    """A file with two graphs, each a signature."""
    schema, model = import_schema(), unpack(path)
    [graph] = model.subgraphs
    model.subgraphs = [graph, copy.deepcopy(graph)]
    model.signatureDefs = []
    for at, name in enumerate(("first", "second")):
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name, at
        signature.inputs, signature.outputs = (
            [_named(side, index) for index in indices]
            for side, indices in (("x", graph.inputs), ("y", graph.outputs))
        )
        model.signatureDefs.append(signature)
    made = folder / "twice.tflite"
    made.write_bytes(pack(model))
    return made


def _named(name: str, index: int) -> Any:
    tensor = import_schema().TensorMapT()
    tensor.name, tensor.tensorIndex = name, int(index)
    return tensor


def test_the_time_of_a_batch_is_told_to_be_one(
    digits: Path, u55: Target, out: Path, tmp_path: Path
) -> None:
    one, four = (
        figure(TOOL.compile(_beginning(digits, tmp_path, batch), u55, out), "latency_p50")
        for batch in (1, 4)
    )
    assert "batch" not in one.remark
    assert four.value > 2 * one.value
    assert "the same for each percentile and of the whole batch of 4; " in four.remark


def _beginning(path: Path, folder: Path, batch: int) -> Path:
    """The operators up to the first convolution, with another batch."""
    kinds, model = import_schema().BuiltinOperator, unpack(path)
    [graph] = model.subgraphs
    codes = [model.operatorCodes[each.opcodeIndex].builtinCode for each in graph.operators]
    graph.operators = graph.operators[: codes.index(kinds.CONV_2D) + 1]
    graph.outputs = graph.operators[-1].outputs
    model.signatureDefs = None
    for at in {*graph.inputs, *(at for each in graph.operators for at in each.outputs)}:
        graph.tensors[at].shape = [batch, *graph.tensors[at].shape[1:]]
        graph.tensors[at].shapeSignature = None
    made = folder / f"batch_of_{batch}.tflite"
    made.write_bytes(pack(model))
    return made


def test_what_the_contract_is_told(partly: Path, digits: Path, u55: Target, out: Path) -> None:
    placed = TOOL.compile(partly, u55, out).placed
    assert placed is not None
    assert placed.by == f"vela {TOOL.version()}"
    assert [each.kind for each in placed.left] == ["DEQUANTIZE", "CUMSUM", "QUANTIZE"]
    assert placed.left[1].reason == "Unsupported opType"
    whole = TOOL.compile(digits, u55, out).placed
    assert whole is not None
    assert whole.left == ()
