"""A package that is missing or broken is told with the line that installs it, and ends nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_edgegate.backends.tflite_micro import importing
from pytest_edgegate.backends.tflite_micro.runtime import RUNTIME
from pytest_edgegate.backends.tflite_micro.tool import TOOL
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    CompressionError,
    EdgeGateError,
    InferenceError,
)
from pytest_edgegate.targets.folder import built_in
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.remote import RemoteRunner

from .conftest import needs_micro

pytestmark = needs_micro
ENTRY = "pytest_edgegate.backends.tflite_micro.runtime:RUNTIME"
REINSTALL = "pip install --upgrade --force-reinstall tflite-micro"
BROKEN = [
    ("import os; os.abort()", "ends the process that imports it (SIGABRT)"),
    (
        "import os, signal\nprint('no AVX', flush=True)\nos.kill(os.getpid(), signal.SIGILL)",
        "ends the process that imports it (SIGILL): no AVX",
    ),
    ("raise ImportError('no GLIBC_2.99')", "can't be imported here (ImportError: no GLIBC_2.99)"),
]
Breaks = Callable[[str], None]


@pytest.fixture
def breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Breaks]:
    """Puts a mock package that does what a program says before the installed one."""

    def break_it(program: str) -> None:
        package = tmp_path / "broken" / "tflite_micro"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(program)
        monkeypatch.syspath_prepend(str(package.parent))

    for each in [name for name in sys.modules if name.split(".")[0] == "tflite_micro"]:
        monkeypatch.delitem(sys.modules, each)
    importing._fault.cache_clear()
    yield break_it
    importing._fault.cache_clear()


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(60)
    yield made
    made.close()


def check(error: EdgeGateError, said: str) -> None:
    assert error.message.startswith("tflite-micro 0.dev")
    assert error.message.endswith(said)
    assert error.remedy == REINSTALL


@pytest.mark.parametrize(("program", "said"), BROKEN)
def test_a_broken_package_says_nothing_of_a_file(
    breaks: Breaks, digits: Path, out: Path, program: str, said: str
) -> None:
    """So that the next run tries again."""
    breaks(program)
    with pytest.raises(CompressionError) as raised:
        TOOL.compile(digits, built_in()["cortex-m"], out)
    check(raised.value, said)


@pytest.mark.parametrize(("program", "said"), BROKEN)
def test_a_broken_package_does_not_end_this_process(
    breaks: Breaks, digits: Path, program: str, said: str
) -> None:
    breaks(program)
    for _ in range(2):
        with pytest.raises(InferenceError) as raised:
            RUNTIME.open(digits)
        check(raised.value, said)


@pytest.mark.parametrize(("program", "said"), BROKEN)
def test_a_broken_package_in_a_worker(
    breaks: Breaks, workers: Workers, digits: Path, program: str, said: str
) -> None:
    breaks(program)
    with pytest.raises(InferenceError) as raised:
        RemoteRunner(workers, ENTRY, digits, "digits.tflite in tflite-micro")
    check(raised.value, said)


def test_an_import_that_exits(breaks: Breaks, digits: Path) -> None:
    breaks("raise SystemExit(3)")
    with pytest.raises(InferenceError) as raised:
        RUNTIME.open(digits)
    check(raised.value, "can't be imported here (it printed nothing)")


def test_an_import_that_fails_here_alone(breaks: Breaks, digits: Path) -> None:
    breaks(
        f"import os\nif os.getpid() == {os.getpid()}:\n    raise ImportError('here')\nruntime = 1"
    )
    with pytest.raises(InferenceError) as raised:
        RUNTIME.open(digits)
    check(raised.value, "can't be imported here (ImportError: here)")


def test_an_import_that_hangs(
    breaks: Breaks, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_TIME_LIMIT", 0.5)
    breaks("import threading; threading.Event().wait()")
    with pytest.raises(InferenceError) as raised:
        RUNTIME.open(digits)
    check(raised.value, "can't be imported here within 0.5 s")


def test_a_package_that_works_is_imported_elsewhere_once(
    breaks: Breaks, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    real = importing.run
    monkeypatch.setattr(importing, "run", lambda *given: runs.append(given) or real(*given))
    importing._fault()
    importing._fault()
    assert len(runs) == 1


def test_a_package_that_is_missing(
    breaks: Breaks, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks("raise ImportError")
    monkeypatch.setattr(importing, "versions", lambda *packages: {})
    with pytest.raises(BackendUnavailableError, match="needs the package tflite-micro") as raised:
        RUNTIME.open(digits)
    assert raised.value.remedy == "pip install 'pytest-edgegate[micro]'"
