"""The tool ``edgetpu`` by rules, on compiled files, and with a mock of the proprietary compiler."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import edgetpu_files as files
import pytest

from pytest_edgegate.backends.litert.edgetpu.tool import TOOL, EdgeTpu
from pytest_edgegate.backends.litert.schema import pack, unpack
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Compiled, Figure, LeftOut
from pytest_edgegate.testing.tool_contract import ToolCase, ToolContract

OPERATORS = 19
"""Of the digits file."""
CACHED = 44_416
"""Bytes of its parameters, by the rules."""


@pytest.fixture(autouse=True)
def without_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is alone on PATH: no compiler of this machine is run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return Path(shutil.copy(files.SOURCE, tmp_path / "digits.tflite"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


Mock = Callable[..., Path]


@pytest.fixture
def mock(without_compiler: Path, tmp_path: Path) -> Mock:
    """Installs the mock of the compiler, which leaves so many operators to the CPU."""

    def install(left: int = 0, **behaviour: Any) -> Path:
        twin = files.compiled(tmp_path / "twin.tflite", left=left)
        given = {"on_chip": OPERATORS - left, "on_cpu": left, "twin": twin} | behaviour
        return files.install_mock(without_compiler, **given)

    return install


def cached(size: int, runtime: int = 12) -> bytes:
    """A package of so many bytes of parameters."""
    return files.package(files.executable(files.CACHING, parameters=size), runtime=runtime)


def figure(answer: Compiled, metric: str) -> Figure:
    found = answer.figures[metric]
    assert isinstance(found, Figure)
    return found


def absent(answer: Compiled, metric: str) -> Absent:
    found = answer.figures[metric]
    assert isinstance(found, Absent)
    return found


class TestByRules(ToolContract):
    @pytest.fixture
    def case(self, tmp_path: Path, coral: Target) -> ToolCase:
        folder = tmp_path / "given"
        folder.mkdir()
        path = Path(shutil.copy(files.SOURCE, folder / "digits.tflite"))
        return ToolCase(tool=EdgeTpu(), path=path, target=coral)


class TestOfACompiledFile(ToolContract):
    @pytest.fixture
    def case(self, tmp_path: Path, coral: Target) -> ToolCase:
        folder = tmp_path / "given"
        folder.mkdir()
        path = files.compiled(folder / "digits_edgetpu.tflite")
        return ToolCase(tool=EdgeTpu(), path=path, target=coral)


class TestByTheCompiler(ToolContract):
    """With a mock of it."""

    @pytest.fixture
    def case(self, tmp_path: Path, coral: Target, mock: Mock) -> ToolCase:
        mock()
        folder = tmp_path / "given"
        folder.mkdir()
        path = Path(shutil.copy(files.SOURCE, folder / "digits.tflite"))
        return ToolCase(tool=EdgeTpu(), path=path, target=coral)


def test_what_the_rules_predict(source: Path, coral: Target, out: Path) -> None:
    answer = TOOL.compile(source, coral, out)
    mapped, streamed = figure(answer, "mapped_ops"), figure(answer, "streamed_bytes")
    assert (mapped.value, mapped.source) == (1.0, "predicted:edgetpu-rules")
    assert mapped.remark.startswith(f"{OPERATORS} of {OPERATORS} operators in 1 subgraph")
    assert (streamed.value, streamed.source) == (0, "predicted:edgetpu-rules")
    assert f"{CACHED:,} bytes of parameters cached on the chip" in streamed.remark
    assert "a guess where MEAN #15: it was not seen compiled" in streamed.remark
    assert "SOFTMAX #17: the tables of a softmax" in streamed.remark
    assert answer.files == ()


def test_a_target_with_other_rules_has_another_key(coral: Target) -> None:
    other = replace(coral, operators={"ADD": coral.operators["ADD"]})
    assert TOOL.options(coral) != TOOL.options(other)
    assert coral.mapping is not None
    assert TOOL.options(coral) != TOOL.options(
        replace(coral, mapping=replace(coral.mapping, runtime="12"))
    )
    assert TOOL.options(replace(coral, mapping=None))["mapping"] is None


def test_operators_that_are_alike_share_a_line(source: Path, coral: Target, out: Path) -> None:
    narrow = {kind: rule for kind, rule in coral.operators.items() if kind != "MEAN"}
    answer = TOOL.compile(source, replace(coral, operators=narrow), out)
    mapped = figure(answer, "mapped_ops")
    split = next(line for line in mapped.details if line.startswith("MEAN #"))
    assert '"Operation not supported"' in split
    assert "which ends before MEAN #" in mapped.remark
    behind = next(line for line in mapped.details if " operators (" in line)
    assert '"More than one subgraph is not supported", behind MEAN #' in behind
    assert mapped.value < 1


def test_a_compiled_file_with_nothing_left(tmp_path: Path, coral: Target, out: Path) -> None:
    answer = TOOL.compile(files.compiled(tmp_path / "d_edgetpu.tflite"), coral, out)
    mapped, streamed = figure(answer, "mapped_ops"), figure(answer, "streamed_bytes")
    assert (mapped.value, mapped.source) == (1.0, "vendor:edgetpu_compiler")
    assert (streamed.value, streamed.source) == (0, "vendor:edgetpu_compiler")
    assert answer.remark.startswith(
        f"{CACHED:,} bytes of parameters cached on the chip, 0 streamed, 1,224"
    )
    assert answer.placed is None


def test_what_a_compiled_file_does_not_tell(tmp_path: Path, coral: Target, out: Path) -> None:
    path = files.compiled(tmp_path / "d_edgetpu.tflite", left=2)
    answer = TOOL.compile(path, coral, out)
    reason = absent(answer, "mapped_ops")
    assert "leaves 2 operators to the CPU, and does not tell how many its program holds" in (
        reason.reason
    )
    assert 'source="model.tflite", mapped_ops=...' in reason.remedy
    assert figure(answer, "streamed_bytes").value == 0


def test_with_its_source_it_is_counted_and_compared(
    tmp_path: Path, source: Path, coral: Target, out: Path
) -> None:
    options = cached(40_000)
    path = files.compiled(tmp_path / "digits_edgetpu.tflite", left=2, options=options)
    answer = TOOL.compare(path, source, coral, out)
    mapped = figure(answer, "mapped_ops")
    assert (mapped.value, mapped.source) == (17 / OPERATORS, "vendor:edgetpu_compiler")
    assert f"17 of {OPERATORS} operators of its source" in mapped.remark
    assert "caution: the rules predict otherwise of its source: " in mapped.remark
    assert f"{CACHED:,} bytes cached and 0 streamed" in mapped.remark
    assert "QUANTIZE" in mapped.remark


def test_it_was_compiled_from_another_file(
    tmp_path: Path, source: Path, coral: Target, out: Path
) -> None:
    model = unpack(source)
    model.subgraphs[0].operators = model.subgraphs[0].operators[:-2]
    (tmp_path / "shorter.tflite").write_bytes(pack(model))
    path = files.compiled(tmp_path / "digits_edgetpu.tflite", left=2)
    reason = absent(TOOL.compare(path, tmp_path / "shorter.tflite", coral, out), "mapped_ops")
    assert "leaves operators to the CPU that its source does not have" in reason.reason


@pytest.mark.parametrize(
    ("size", "limit"), [(900_000, r"80,112 at most"), (640, r"at least 26,000")]
)
def test_its_bytes_are_not_those_of_the_source(
    tmp_path: Path, source: Path, coral: Target, out: Path, size: int, limit: str
) -> None:
    path = files.compiled(tmp_path / "digits_edgetpu.tflite", options=cached(size))
    answer = TOOL.compare(path, source, coral, out)
    found = absent(answer, "mapped_ops")
    assert found.reason == (
        f"the compiled file holds {size:,} bytes of parameters, and a program of its source {limit}"
    )
    assert "source=" in found.remedy
    assert figure(answer, "streamed_bytes").value == 0


def test_a_difference_that_the_rules_may_have_is_a_caution(
    tmp_path: Path, source: Path, coral: Target, out: Path
) -> None:
    path = files.compiled(tmp_path / "digits_edgetpu.tflite", options=cached(50_000))
    mapped = figure(TOOL.compare(path, source, coral, out), "mapped_ops")
    assert mapped.value == 1
    assert "caution: the rules predict otherwise of its source: 44,416 bytes" in mapped.remark


def test_a_file_for_a_newer_runtime(tmp_path: Path, coral: Target, out: Path) -> None:
    path = files.compiled(tmp_path / "d_edgetpu.tflite", options=cached(CACHED, runtime=13))
    assert coral.mapping is not None
    assert TOOL.compile(path, coral, out).placed is None
    older = replace(coral, mapping=replace(coral.mapping, runtime="12"))
    answer = TOOL.compile(path, older, out)
    assert answer.placed is not None
    assert answer.placed.not_loaded == (
        "needs version 13 of the runtime, and coral has version 12, which does not load it"
    )
    unnamed = replace(coral, mapping=replace(coral.mapping, runtime=""))
    assert TOOL.compile(path, unnamed, out).placed is None


def test_a_file_for_another_chip(tmp_path: Path, coral: Target, out: Path) -> None:
    path = files.compiled(tmp_path / "vela.tflite")
    model = unpack(path)
    model.operatorCodes[-1].customCode = b"ethos-u"
    path.write_bytes(pack(model))
    answer = TOOL.compile(path, coral, out)
    assert "is compiled for an Arm Ethos-U" in absent(answer, "mapped_ops").reason


def test_the_compiler_wins_and_both_are_told(
    source: Path, coral: Target, out: Path, mock: Mock
) -> None:
    mock(left=1, statuses=[["QUANTIZE", 1, "Operation not supported"]])
    answer = TOOL.compile(source, coral, out)
    mapped = figure(answer, "mapped_ops")
    assert (mapped.value, mapped.source) == (18 / OPERATORS, "vendor:edgetpu_compiler")
    assert f"18 of {OPERATORS} operators on the Edge TPU by edgetpu_compiler 16.0.384" in (
        mapped.remark
    )
    assert "caution: the rules predict otherwise: QUANTIZE (" in mapped.remark
    assert mapped.details[0].endswith(': "Operation not supported"')
    assert answer.remark.startswith("caution: the rules predict otherwise: QUANTIZE (")
    assert answer.placed is not None
    assert answer.placed.by == "edgetpu_compiler 16.0.384591198"
    [left] = answer.placed.left
    assert (left.kind, left.reason) == ("QUANTIZE", "Operation not supported")
    [twin] = answer.files
    assert twin == out / "digits_edgetpu.tflite"
    assert [each.name for each in out.iterdir()] == ["digits_edgetpu.tflite"]


def test_each_operator_has_its_own_reason(
    source: Path, coral: Target, out: Path, mock: Mock, tmp_path: Path
) -> None:
    twin = files.compiled(tmp_path / "eight.tflite", left=8, options=cached(12_000))
    behind = "More than one subgraph is not supported"
    statuses = [
        ["DEPTHWISE_CONV_2D", 1, "Operation not supported"],
        ["DEPTHWISE_CONV_2D", 1, behind],
        ["CONV_2D", 2, behind],
    ]
    mock(left=8, twin=twin, statuses=statuses)
    placed = TOOL.compile(source, coral, out).placed
    assert placed is not None
    assert [(each.kind, each.reason) for each in placed.left[:4]] == [
        ("DEPTHWISE_CONV_2D", "Operation not supported"),
        ("CONV_2D", behind),
        ("DEPTHWISE_CONV_2D", behind),
        ("CONV_2D", behind),
    ]


def test_it_runs_on_a_copy_in_a_folder_of_its_own(
    source: Path, coral: Target, out: Path, mock: Mock
) -> None:
    program = mock()
    odd = source.rename(source.with_name("-o --help;.tflite"))
    TOOL.compile(odd, coral, out)
    folder, given = (program.parent / "asked.txt").read_text().splitlines()
    assert Path(given).parent == Path(folder)
    assert Path(given).name == "model.tflite"
    assert not Path(folder).exists()
    assert (out / "-o --help;_edgetpu.tflite").is_file()


def test_a_model_of_which_nothing_is_mapped(
    source: Path, coral: Target, out: Path, mock: Mock
) -> None:
    """The compiler ends with status 0, and its file has no program of the chip."""
    mock(on_chip=0, on_cpu=OPERATORS)
    answer = TOOL.compile(source, coral, out)
    assert figure(answer, "mapped_ops").value == 0
    assert answer.files == ()
    assert answer.placed is not None
    assert len(answer.placed.left) == OPERATORS


@pytest.mark.parametrize("status", [0, 1])
def test_a_model_that_the_compiler_refuses(
    source: Path, coral: Target, out: Path, mock: Mock, status: int
) -> None:
    mock(does="aborts", status=status)
    answer = TOOL.compile(source, coral, out)
    words = (
        "edgetpu_compiler 16.0.384591198 refuses the file: Internal compiler error. Aborting! (at "
        "each of 3 tries)"
    )
    assert absent(answer, "mapped_ops").reason == words
    assert absent(answer, "streamed_bytes").reason == words
    assert answer.placed is not None
    assert answer.placed.refusal == words
    assert answer.files == ()
    assert not answer.settled


@pytest.mark.parametrize(("aborts", "runs", "settled"), [(0, 1, True), (2, 3, True), (3, 3, False)])
def test_an_internal_error_of_the_compiler_is_tried_again(
    source: Path, coral: Target, out: Path, mock: Mock, aborts: int, runs: int, settled: bool
) -> None:
    program = mock(aborts_at_first=aborts)
    answer = TOOL.compile(source, coral, out)
    assert answer.settled == settled
    assert bool(answer.files) == settled
    assert len((program.parent / "runs.txt").read_text().splitlines()) == runs


ENDED = "Compilation child process completed within timeout period.\nCompilation failed! "


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENDED, "Compilation failed!"),
        (f"Invalid model: GIVEN\n{ENDED}", "Invalid model: model.tflite"),
        (
            "Compilation failed: Compilation failed due to large activation tensors in model.\n"
            f"{ENDED}",
            "Compilation failed: Compilation failed due to large activation tensors in model.",
        ),
    ],
)
def test_a_refusal_of_the_same_model_each_time(
    source: Path, coral: Target, out: Path, mock: Mock, text: str, words: str, status: int
) -> None:
    program = mock(does="says", text=text, status=status)
    answer = TOOL.compile(source, coral, out)
    assert answer.placed is not None
    assert answer.placed.refusal == f"edgetpu_compiler 16.0.384591198 refuses the file: {words}"
    assert answer.settled
    assert len((program.parent / "runs.txt").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("runtime", "options"),
    [("10", "-m 10"), ("13", "-m 13"), ("14", ""), ("9", ""), ("", ""), ("frogfish", "")],
)
def test_the_compiler_is_told_the_runtime_that_has_to_load_the_file(
    source: Path, coral: Target, out: Path, mock: Mock, runtime: str, options: str
) -> None:
    assert coral.mapping is not None
    program = mock()
    target = replace(coral, mapping=replace(coral.mapping, runtime=runtime))
    TOOL.compile(source, target, out)
    assert (program.parent / "runs.txt").read_text() == f"{options}\n"


def test_what_it_compiled_for_a_newer_runtime(
    source: Path, coral: Target, out: Path, mock: Mock
) -> None:
    mock()
    assert coral.mapping is not None
    target = replace(coral, mapping=replace(coral.mapping, runtime="9"))
    answer = TOOL.compile(source, target, out)
    assert answer.placed is not None
    assert answer.placed.not_loaded.startswith("needs version 12 of the runtime, and coral has")


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"does": "prints nothing"}, "edgetpu_compiler printed nothing"),
        ({"version": ""}, "edgetpu_compiler does not say its version: Hello"),
        ({"version": "2.1.302470888"}, "edgetpu_compiler 2.1.302470888 is too old"),
        ({"does": "crashes"}, "edgetpu_compiler ended with exit status 134"),
        ({"does": "fails"}, "edgetpu_compiler ended with exit status 3: something went wrong"),
        ({"does": "writes nothing"}, "says that it has compiled the file, and wrote none"),
        (
            {
                "does": "says",
                "text": "Compilation timeout. This is usually caused by large activations.\n"
                "Compilation failed!",
                "status": 1,
            },
            "did not come to an end here: Compilation timeout. This is usually caused by large "
            "activations.",
        ),
        ({"on_chip": 5, "on_cpu": 3}, "says that 5 operators run on the chip and 3 on the CPU"),
    ],
)
def test_a_compiler_that_fails(
    source: Path, coral: Target, out: Path, mock: Mock, behaviour: dict[str, Any], said: str
) -> None:
    mock(**behaviour)
    with pytest.raises(CompressionError) as raised:
        TOOL.compile(source, coral, out)
    assert said in raised.value.message
    assert raised.value.remedy


def test_a_compiler_that_hangs_ends_with_all_that_it_started(
    source: Path, coral: Target, out: Path, mock: Mock
) -> None:
    program = mock(does="hangs")
    with pytest.raises(CompressionError, match=r"did not finish in 2 seconds"):
        EdgeTpu(time_limit=2.0).compile(source, coral, out)
    child = int((program.parent / "child.txt").read_text())
    assert _ends(child)


def _ends(process: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(ProcessLookupError):
            os.kill(process, 0)
            time.sleep(0.05)
            continue
        return True
    return False


def test_a_compiled_twin_that_is_damaged(
    source: Path, coral: Target, out: Path, mock: Mock, tmp_path: Path
) -> None:
    twin = files.compiled(tmp_path / "broken.tflite", options=b"DWN1")
    mock(twin=twin)
    with pytest.raises(Exception, match="the Edge TPU's package in it is not whole"):
        TOOL.compile(source, coral, out)


def test_a_twin_of_another_network(
    source: Path, coral: Target, out: Path, mock: Mock, tmp_path: Path
) -> None:
    mock(twin=files.compiled(tmp_path / "other.tflite", options=cached(1_000)))
    with pytest.raises(CompressionError, match=r"wrote a file that holds 1,000 bytes of parame"):
        TOOL.compile(source, coral, out)


def test_what_the_compiler_makes_may_be_larger_than_the_rules_know(
    source: Path, coral: Target, out: Path, mock: Mock, tmp_path: Path
) -> None:
    mock(twin=files.compiled(tmp_path / "tables.tflite", options=cached(900_000)))
    answer = TOOL.compile(source, coral, out)
    assert isinstance(answer.figures["mapped_ops"], Figure)
    assert "caution: the rules predict otherwise" in answer.remark


def test_it_predicts_where_no_compiler_is(mock: Mock) -> None:
    assert TOOL.predicts() == "predicted:edgetpu-rules"
    mock()
    assert TOOL.predicts() == ""


def test_two_versions_of_the_compiler_have_two_keys(mock: Mock, without_compiler: Path) -> None:
    rules = TOOL.version()
    mock(build="one")
    one = TOOL.version()
    mock(build="two")
    assert len({rules, one, TOOL.version()}) == 3
    assert TOOL.version() == TOOL.version()


@pytest.mark.parametrize("linked", [False, True])
def test_the_parts_beside_a_script_are_part_of_the_key(
    without_compiler: Path, linked: bool
) -> None:
    """As the vendor's package has them, whose script is the same for every version."""
    folder = without_compiler.parent / "usr" if linked else without_compiler
    program = files.install_mock(folder, on_chip=1, on_cpu=0)
    if linked:
        (without_compiler / "edgetpu_compiler").symlink_to(program)
    parts = folder / "edgetpu_compiler_bin"
    parts.mkdir()
    (parts / "edgetpu_compiler").write_bytes(b"1")
    found = [TOOL.version()]
    (parts / "edgetpu_compiler").write_bytes(b"2")
    found.append(TOOL.version())
    (parts / "libc.so").symlink_to("libc.so.6")
    found.append(TOOL.version())
    (parts / "libc.so").unlink()
    (parts / "libc.so").symlink_to("/proc/self/mem")
    found.append(TOOL.version())
    assert len(set(found)) == len(found)


def test_what_else_lies_beside_it_is_not_part_of_the_key(without_compiler: Path) -> None:
    own = without_compiler.parent / "edgetpu_models"
    program = files.install_mock(own, on_chip=1, on_cpu=0)
    (without_compiler / "edgetpu_compiler").symlink_to(program)
    one = TOOL.version()
    (own / "net.tflite").write_bytes(b"1")
    (own / "memory").symlink_to("/proc/self/mem")
    assert TOOL.version() == one


PAIRS = os.environ.get("EDGEGATE_CORAL_PAIRS", "")
NAMES = ("mobilenet_v1_0.25_128_quant", "deeplabv3_mnv2_dm05_pascal_quant")


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    if not PAIRS:
        pytest.skip("EDGEGATE_CORAL_PAIRS names no folder of compiled pairs")
    folder = Path(PAIRS)
    return folder / f"{request.param}.tflite", folder / f"{request.param}_edgetpu.tflite"


def test_the_rules_agree_with_real_files(pair: tuple[Path, Path], coral: Target, out: Path) -> None:
    source, compiled = pair
    predicted, found = TOOL.compile(source, coral, out), TOOL.compare(compiled, source, coral, out)
    for metric in TOOL.metrics:
        assert figure(predicted, metric).value == figure(found, metric).value
        assert "the rules predict the same of its source" in figure(found, metric).remark


def test_what_is_left_is_named(coral: Target, out: Path, mock: Mock, source: Path) -> None:
    mock(left=2)
    answer = TOOL.compile(source, coral, out)
    assert answer.placed is not None
    last = unpack(source).subgraphs[0].tensors[unpack(source).subgraphs[0].outputs[0]]
    assert answer.placed.left[-1] == LeftOut("QUANTIZE", last.name.decode(), "")


def test_graphs_that_do_not_run_together_are_not_counted_together(
    coral: Target, tmp_path: Path
) -> None:
    model = unpack(files.SOURCE)
    model.subgraphs.append(model.subgraphs[0])
    path = tmp_path / "twice.tflite"
    path.write_bytes(pack(model))
    answer = TOOL.compile(path, coral, tmp_path)
    for figure in answer.figures.values():
        assert isinstance(figure, Absent)
        assert "has 2 graphs" in figure.reason
        assert "signature_keys" in figure.remedy
    one = TOOL.compile(files.SOURCE, coral, tmp_path)
    assert not any(isinstance(figure, Absent) for figure in one.figures.values())
