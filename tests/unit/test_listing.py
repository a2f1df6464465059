"""What --edge-list-targets prints of a target."""

from __future__ import annotations

from dataclasses import replace

from pytest_edgegate.core.target import OperatorRule, Program
from pytest_edgegate.listing import lines_of
from pytest_edgegate.targets.folder import built_in

HOST = built_in()["host"]


def test_what_no_file_shows_of_an_operator_is_told() -> None:
    rules = {
        "SUB": OperatorRule(),
        "PAD": OperatorRule(limits=("no_batch_padding",)),
        "MEAN": OperatorRule(note="channels in fours", source="a page"),
        "ADD": OperatorRule(since="13", note="no scalars"),
        "SUM": OperatorRule(since="14"),
    }
    told = lines_of(replace(HOST, operators=rules))
    first = told.index("  operators: ADD, MEAN, PAD, SUB, SUM")
    assert told[first + 1 : first + 4] == [
        "  ADD: since version 13 of the runtime; no scalars",
        "  MEAN: channels in fours; source: a page",
        "  SUM: since version 14 of the runtime",
    ]
    assert told[first + 4].startswith("  source of ")


def test_a_target_without_rules_tells_none() -> None:
    assert not any("operators" in line for line in lines_of(HOST))


def test_what_the_vendor_refuses_is_told() -> None:
    told = lines_of(replace(HOST, refusals={"zero_points": "the vendor: not 0"}))
    assert "  refuses zero_points (the vendor: not 0)" in told


def test_the_tools_of_a_target_are_told() -> None:
    told = lines_of(
        replace(HOST, tools={"memory": "vela", "flash": "sizes", "latency_p95": "vela"})
    )
    assert "  memory and latency_p95 are reported by vela" in told
    assert "  flash is reported by sizes" in told


def test_the_options_of_a_tool_are_told() -> None:
    told = lines_of(built_in()["ethos-u85-256"])
    assert (
        "  vela runs with accelerator = ethos-u85-256, system_config = Ethos_U85_SYS_DRAM_Mid, "
        "memory_mode = Dedicated_Sram_384KB" in told
    )


def test_a_command_is_told_in_the_place_of_the_tool_whose_name_it_takes() -> None:
    vela = Program(("python3", "my bench.py", "{model}"), ("adb", "version"), 900)
    told = lines_of(replace(built_in()["ethos-u85-256"], programs={"vela": vela}))
    assert (
        "  vela is the command python3 'my bench.py' {model}, which has 900 s; adb version tells "
        "its version"
    ) in told
    assert not any("runs with" in line for line in told)
    unused = replace(HOST, programs={"bench": Program(("bench",))}, tool_options={"x": {"n": 1}})
    assert lines_of(unused) == lines_of(HOST), "no metric names them"


def test_emulated_runtimes_are_told() -> None:
    five = built_in()["raspberry-pi-5"]
    told = lines_of(five, {"onnxruntime-cortex-a76": "emulator:qemu-aarch64:cortex-a76"})
    at = told.index("    onnxruntime-cortex-a76 is emulator:qemu-aarch64:cortex-a76")
    assert told[at - 1].startswith("  onnx is measured in onnxruntime; parity in onnxruntime, ")


def test_the_rules_of_a_compiler_are_told_with_what_is_a_guess() -> None:
    told = lines_of(built_in()["coral"])
    assert (
        "  divided between chip and CPU as by version 16.0.384591198 of the compiler and 14 of the "
        "runtime (predicted:edgetpu-rules)"
    ) in told
    assert (
        "  may stay on the CPU: CUSTOM:TFLite_Detection_PostProcess, QUANTIZE at inputs and "
        "outputs, DEQUANTIZE at inputs and outputs"
    ) in told
    assert any(line.startswith("  the rule int16 is a guess: ") for line in told)
    assert any(line.startswith("  source of the rule downstream: ") for line in told)
    assert any(line.startswith("  limit resize_factor: at most 8; a guess: ") for line in told)
    assert any(line.startswith("  limit deconvolved_values: at most 1,048,576; ") for line in told)
    assert "  the largest tensor that was seen mapped: 3,170,352 bytes" in told
    [versions] = [line for line in told if "up to these versions: ABS 2 (perhaps 4), " in line]
    assert ", EXP 1, " in versions
    assert (
        "  RSQRT: since version 14 of the runtime; a guess: from memory of the vendor's table"
        in (told)
    )
    assert "  mapped_ops and streamed_bytes are reported by edgetpu" in told
