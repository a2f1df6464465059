"""The memory of a file is the smallest arena that it runs in, whatever the search meets."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.tflite_micro.arena import smallest_arena
from pytest_edgegate.backends.tflite_micro.interpreter import (
    ArenaTooSmallError,
    Opened,
    generous,
    in_large_arena,
)
from pytest_edgegate.backends.tflite_micro.tool import TOOL, MicroTool
from pytest_edgegate.core.errors import CompressionError, InferenceError
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Figure
from pytest_edgegate.targets.folder import built_in

from .conftest import needs_micro

pytestmark = needs_micro
BY_HAND = """
import sys
import numpy as np
from tflite_micro import runtime

interpreter = runtime.Interpreter.from_file(sys.argv[1], arena_size=int(sys.argv[2]))
details = interpreter.get_input_details(0)
interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
interpreter.invoke()
"""
"""The package's own interface, in a process of its own."""


@pytest.fixture
def cortex_m() -> Target:
    return built_in()["cortex-m"]


@pytest.fixture
def mock_search(tmp_path: Path) -> Callable[[str], list[str]]:
    """A command that does what a program says in place of the search."""

    def make(program: str) -> list[str]:
        path = tmp_path / "mock_search.py"
        path.write_text(
            f"import os, signal, sys, time\nlow, high = map(int, sys.argv[2:])\n{program}"
        )
        return [sys.executable, str(path)]

    return make


def runs_by_hand(path: Path, arena: int) -> bool:
    command = [sys.executable, "-c", BY_HAND, str(path), str(arena)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_it_is_the_smallest_by_hand_too(digits: Path) -> None:
    found = smallest_arena(digits)
    assert found % 16 == 0
    assert runs_by_hand(digits, found)
    assert not runs_by_hand(digits, found - 16)


def test_what_the_interpreter_reports_is_not_enough(
    from_function: Callable[..., Path], tf: Any
) -> None:
    """It takes more while it prepares a small file than it says afterwards."""
    path = from_function(lambda x: tf.exp(tf.nn.relu(x)), (8,))
    found = smallest_arena(path)
    assert runs_by_hand(path, found)
    assert not runs_by_hand(path, found - 16)


def test_figures_and_what_they_rest_on(digits: Path, cortex_m: Target, out: Path) -> None:
    told = TOOL.compile(digits, cortex_m, out)
    memory, flash = told.figures["memory"], told.figures["flash"]
    assert isinstance(memory, Figure)
    assert isinstance(flash, Figure)
    assert (memory.value, memory.source) == (38_096, "vendor:tflite-micro")
    assert "64-bit pointers" in memory.remark
    assert (flash.value, flash.source) == (digits.stat().st_size, "vendor:tflite-micro")
    assert "the code of LiteRT-Micro" in flash.remark
    assert told.files == ()
    assert memory.details[0].startswith("ADD #9 (digits_1/residual_relu_1/Relu")
    assert memory.details[0].endswith(": 28,224 bytes of inputs and outputs")
    assert flash.details[0].startswith("CONV_2D #14 (digits_1/features_pointwise_relu_1/Relu")
    assert flash.details[0].endswith(": 12,800 bytes of weights and other constants")


def test_an_operator_that_it_lacks_is_named(lacking: Path, cortex_m: Target, out: Path) -> None:
    told = TOOL.compile(lacking, cortex_m, out)
    for metric in TOOL.metrics:
        found = told.figures[metric]
        assert isinstance(found, Absent)
        assert "has the operators TOPK_V2, SIGN, which LiteRT-Micro" in found.reason


def test_an_arena_that_is_too_small_is_followed_by_larger_ones(digits: Path) -> None:
    described, tried = INSPECTOR.describe(digits), []

    def attempt(arena: int) -> Opened:
        tried.append(arena)
        if len(tried) < 3:
            raise ArenaTooSmallError
        return Opened(digits, arena)

    in_large_arena(digits, described, attempt)
    first = generous(described)
    assert tried == [first, 8 * first, 64 * first]


def test_a_file_that_no_arena_is_large_enough_for(digits: Path) -> None:
    def attempt(arena: int) -> Opened:
        raise ArenaTooSmallError

    with pytest.raises(InferenceError, match=r"with an arena of 1,073,741,824 bytes"):
        in_large_arena(digits, INSPECTOR.describe(digits), attempt)


def test_a_file_that_ends_the_interpreter(crashing: Path) -> None:
    with pytest.raises(CompressionError) as raised:
        smallest_arena(crashing)
    assert raised.value.message == (
        "LiteRT-Micro ended the process that looked for the arena of crashing.tflite (SIGSEGV)"
    )


def test_an_arena_that_ends_the_interpreter_is_too_small(
    mock_search: Callable[[str], list[str]], digits: Path
) -> None:
    program = """
if not high:
    print("trying 6400"); print("runs 6400"); sys.exit()
between = (low + high) // 32 * 16
print("trying", between, flush=True)
if between < 4000:
    os.kill(os.getpid(), signal.SIGSEGV)
print("runs", between)
"""
    assert smallest_arena(digits, mock_search(program)) == 4000


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "(exit status 0)"),
        ("os.abort()", "(SIGABRT)"),
        ("sys.exit('no memory')", "(exit status 1): no memory"),
        ("print('trying 160')\nprint('what is this?')", "(exit status 0): what is this?"),
    ],
)
def test_a_search_without_an_answer(
    mock_search: Callable[[str], list[str]], digits: Path, program: str, said: str
) -> None:
    with pytest.raises(CompressionError) as raised:
        smallest_arena(digits, mock_search(program))
    assert raised.value.message.startswith("LiteRT-Micro ended the process that looked for")
    assert raised.value.message.endswith(said)


def test_a_search_that_never_narrows(mock_search: Callable[[str], list[str]], digits: Path) -> None:
    with pytest.raises(CompressionError, match="ended the process that looked for the arena"):
        smallest_arena(digits, mock_search("print('trying 6400'); print('runs 6400')"))


def test_a_search_that_hangs_is_stopped(
    mock_search: Callable[[str], list[str]], digits: Path
) -> None:
    start = time.monotonic()
    with pytest.raises(CompressionError, match=r"within 1 s, and was stopped"):
        smallest_arena(digits, mock_search("time.sleep(60)"), time_limit=1)
    assert time.monotonic() - start < 30


def test_a_package_that_is_not_installed() -> None:
    missing = MicroTool(package="no-such-micro")
    assert missing.version() is None
    assert missing.remedy == "pip install 'pytest-edgegate[micro]'"
