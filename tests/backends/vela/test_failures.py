"""Whatever Vela does in place of an answer, it is told, and there are no figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pytest_edgegate.backends.native_output import held_native_output
from pytest_edgegate.backends.vela.tool import TOOL, Vela
from pytest_edgegate.core.errors import CompressionError, InferenceError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent

from .conftest import needs_vela

Mock = Callable[[str], list[str]]
TWIN = """
out = Path(sys.argv[sys.argv.index("--output-dir") + 1])
out.mkdir()
(out / "model_vela.tflite").write_bytes(Path(sys.argv[-1]).read_bytes())
"""
"""What a mock leaves that compiles a file into itself."""


def failure(command: list[str], digits: Path, u55: Target, out: Path, **more: float) -> str:
    with pytest.raises(CompressionError) as raised:
        Vela(command, **more).compile(digits, u55, out)
    assert list(out.iterdir()) == []
    assert raised.value.remedy
    return raised.value.message


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "vela crashed on digits.tflite (SIGSEGV)"),
        (
            "print('allocating'); sys.stdout.flush(); os.abort()",
            "vela crashed on digits.tflite (SIGABRT): allocating",
        ),
        ("sys.exit(3)", "vela failed on digits.tflite (exit status 3); it printed nothing"),
        ("", "without an error and without a compiled digits.tflite; it printed nothing"),
        ("print('done')", "without an error and without a compiled digits.tflite: done"),
        (
            f"{TWIN}print('Error: the weights do not fit')",
            "vela ended without a fault on digits.tflite, and reports one: Error: the weights",
        ),
        (
            f"{TWIN}print('MemoryError: 7 GB')",
            "vela ended without a fault on digits.tflite, and reports one: MemoryError: 7 GB",
        ),
        (TWIN, "vela left no summary"),
        (
            f"{TWIN}(out / 'm_summary_x.csv').write_text('network\\nmodel\\n')",
            "vela's summary can't be read (KeyError: 'sram_memory_used')",
        ),
        (
            f"{TWIN}(out / 'm_summary_x.csv').write_text('')",
            "vela's summary can't be read (ValueError",
        ),
    ],
)
def test_a_failure_is_told(
    mock_vela: Mock, digits: Path, u55: Target, out: Path, program: str, said: str
) -> None:
    assert said in failure(mock_vela(program), digits, u55, out)


def test_a_summary_without_numbers(mock_vela: Mock, digits: Path, u55: Target, out: Path) -> None:
    columns = (
        "sram_memory_used,dram_memory_used,on_chip_flash_memory_used,off_chip_flash_memory_used"
    )
    program = f"{TWIN}(out / 'm_summary_x.csv').write_text('{columns}\\n1,2,many,4\\n')"
    assert "could not convert string to float: 'many'" in failure(
        mock_vela(program), digits, u55, out
    )


def test_what_is_to_be_typed_after_a_failure(
    mock_vela: Mock, digits: Path, u55: Target, out: Path
) -> None:
    with pytest.raises(CompressionError) as raised:
        Vela(mock_vela("os.abort()")).compile(digits, u55, out)
    assert raised.value.remedy.startswith("run it by hand to see more: vela --accelerator-config ")
    assert raised.value.remedy.endswith(" digits.tflite")


def test_a_program_that_hangs_is_stopped(
    mock_vela: Mock, digits: Path, u55: Target, out: Path
) -> None:
    start = time.monotonic()
    said = failure(mock_vela("time.sleep(60)"), digits, u55, out, time_limit=1)
    assert said == "vela did not finish digits.tflite within 1 s, and was stopped"
    assert time.monotonic() - start < 30


def test_a_program_that_is_not_there(digits: Path, u55: Target, out: Path) -> None:
    said = failure(["/no/such/vela"], digits, u55, out)
    assert said.endswith("/no/such/vela can't be started: No such file or directory")


def test_a_refusal_is_an_answer_in_velas_words(
    mock_vela: Mock, digits: Path, u55: Target, out: Path
) -> None:
    words = "RuntimeError: Compilation failed: too many inputs"
    command = mock_vela(f"print('Traceback (most recent call last):\\n{words}'); sys.exit(1)")
    told = Vela(command).compile(digits, u55, out)
    assert told.files == ()
    assert told.placed is not None
    assert told.placed.refusal == f"vela refuses digits.tflite: {words}"
    for metric in TOOL.metrics:
        found = told.figures[metric]
        assert isinstance(found, Absent)
        assert found.reason == f"vela refuses digits.tflite: {words}"


NOT_VALID = (
    "Error: ARGMAX 'y:0' Does not have valid TFLite Semantics.\n - IFM has to be 8bit\n"
    "   IFM type=FLOAT32, \nFailed to parse TFLite file\n"
)
"""Four lines in which the compiler refuses an operator."""


def raising(exception: str, first: str = "") -> str:
    """A program that ends by an exception, of the class that it names in Vela's module."""
    kind, _, words = exception.partition(": ")
    module, _, name = kind.rpartition(".")
    own = f"{name} = type({name!r}, (Exception,), {{'__module__': {module!r}}})\n" if module else ""
    return f"{first}\n{own}raise {name}({words!r})"


@pytest.mark.parametrize(
    "raised",
    [
        f"RuntimeError: Compilation failed: {NOT_VALID}",
        "RuntimeError: Compilation failed: Failed to allocate tensors. Memory used 9, limit 8)\n",
        "RuntimeError: Non-passthrough operation (Conv2D) could not run on NPU",
        "ethosu.vela.errors.UnsupportedFeatureError: Input network uses a feature: x",
        "ethosu.vela.errors.InputFileError: Reading input file 'model.tflite': no operators",
    ],
)
def test_what_the_compiler_says_of_the_model_is_a_refusal(
    mock_vela: Mock, digits: Path, u55: Target, out: Path, raised: str
) -> None:
    command = mock_vela(raising(raised, "print('Warning: of something')"))
    placed = Vela(command).compile(digits, u55, out).placed
    assert placed is not None
    assert placed.refusal == f"vela refuses digits.tflite: {' '.join(raised.split())}"


@pytest.mark.parametrize(
    "raised",
    [
        "RuntimeError: Compilation failed: ",
        "RuntimeError: Compilation failed: Failed to fetch error",
        "RuntimeError: Compilation failed: Compile() failed and no error set",
        "RuntimeError: Compilation failed: Unsupported input format",
        "RuntimeError: Compilation generated no output blobs",
        "RuntimeError: can't start new thread",
        "MemoryError: std::bad_alloc",
        f"ValueError: Compilation failed: {NOT_VALID}",
        "OSError: [Errno 28] No space left on device",
        "ethosu.vela.errors.AllocationError: Allocation failed: Overlapping buffers: a and b",
        "ethosu.vela.errors.ByteSizeError: Illegal Size: 3",
    ],
)
def test_what_vela_says_of_itself_is_a_failure(
    mock_vela: Mock, digits: Path, u55: Target, out: Path, raised: str
) -> None:
    said = failure(mock_vela(raising(raised)), digits, u55, out)
    assert said.startswith("vela failed on digits.tflite (exit status 1): ")
    assert said.endswith(f": {' '.join(raised.split())}")


def test_words_of_a_refusal_that_were_only_printed_are_none(
    mock_vela: Mock, digits: Path, u55: Target, out: Path
) -> None:
    """The last exception counts."""
    first = "print('Traceback (most recent call last):\\nRuntimeError: Compilation failed: no')"
    said = failure(mock_vela(raising("MemoryError: std::bad_alloc", first)), digits, u55, out)
    assert said.endswith(": MemoryError: std::bad_alloc")
    said = failure(
        mock_vela(f"{first.replace('Traceback', 'Trace')}; sys.exit(1)"), digits, u55, out
    )
    assert "vela failed" in said


@needs_vela
def test_an_operator_in_float_that_vela_refuses(
    tf: ModuleType, u55: Target, out: Path, tmp_path: Path
) -> None:
    """What is left in float behind a model in integers."""
    network = tf.function(lambda x: tf.argmax(x, axis=1, output_type=tf.int32))
    concrete = network.get_concrete_function(tf.TensorSpec((1, 4), tf.float32))
    path = tmp_path / "model.tflite"
    with held_native_output():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
        path.write_bytes(converter.convert())
    placed = TOOL.compile(path, u55, out).placed
    assert placed is not None
    assert placed.refusal.startswith(
        "vela refuses model.tflite: RuntimeError: Compilation failed: "
    )
    assert "ARGMAX" in placed.refusal
    assert "- IFM has to be 8bit IFM type=FLOAT32" in placed.refusal


def test_a_version_that_is_too_old(
    digits: Path, u55: Target, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vela, "version", lambda self: "3.12.0")
    told = TOOL.compile(digits, u55, out).figures["memory"]
    assert isinstance(told, Absent)
    assert told.reason.startswith("ethos-u-vela 3.12.0 is too old: ")
    assert told.remedy == "pip install --upgrade ethos-u-vela"


def test_a_package_that_is_not_installed() -> None:
    missing = Vela(package="no-such-vela")
    assert missing.version() is None
    assert missing.remedy == "pip install 'pytest-edgegate[vela]'"


@needs_vela
def test_a_file_that_is_cut_short_never_reaches_vela(digits: Path, u55: Target, out: Path) -> None:
    """It would end Vela by SIGSEGV."""
    digits.write_bytes(digits.read_bytes()[:5000])
    with pytest.raises(InferenceError, match=r"digits\.tflite can't be opened"):
        TOOL.compile(digits, u55, out)
