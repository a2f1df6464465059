"""Figures are those of Vela's own table, and operators on the CPU are listed with its reasons."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.vela.tool import TOOL
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
    assert "is compiled for an Arm Ethos-U already" in absent(told, "memory").reason
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


def test_a_compiled_file_of_other_options_has_no_other_figures(
    partly: Path, u55: Target, out: Path, tmp_path: Path
) -> None:
    told = TOOL.compile(partly, built_in()["ethos-u55-256"], out)
    twin = told.files[0].rename(tmp_path / "ours.tflite")
    compared = TOOL.compare(twin, partly, u55, out)
    assert compared.files == ()
    assert figure(compared, "mapped_ops").value == figure(told, "mapped_ops").value
    reason = absent(compared, "memory").reason
    assert reason.startswith(
        f"ours.tflite is not what vela {TOOL.version()} makes of partly.tflite"
    )
    assert "tool.vela" in absent(compared, "memory").remedy


def test_what_the_contract_is_told(partly: Path, digits: Path, u55: Target, out: Path) -> None:
    placed = TOOL.compile(partly, u55, out).placed
    assert placed is not None
    assert placed.by == f"vela {TOOL.version()}"
    assert [each.kind for each in placed.left] == ["DEQUANTIZE", "CUMSUM", "QUANTIZE"]
    assert placed.left[1].reason == "Unsupported opType"
    whole = TOOL.compile(digits, u55, out).placed
    assert whole is not None
    assert whole.left == ()
