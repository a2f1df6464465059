"""What a run shows of long work: a running clock on a terminal, lines of stages in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal import Terminal

from tests.contract.conftest import CONFTEST, Ran

SLOW = """

@pytest.fixture(autouse=True, scope="session")
def held():
    import ctypes
    from pathlib import Path

    def wait(name):
        # opens a pipe and reads from it in native code that keeps the interpreter's lock
        native = ctypes.PyDLL(None)
        pipe = native.open(bytes(Path(__file__).with_name(name)), 0)
        native.read(pipe, ctypes.create_string_buffer(1), 1)

    from pytest_edgegate.testing import fakes

    converts = fakes.FakeTransform.apply

    def apply(self, *given):
        print("converting")
        wait("go")
        return converts(self, *given)

    fakes.FakeTransform.apply = apply
    yield
    fakes.FakeTransform.apply = converts
"""
TEST = """
import pytest


@pytest.mark.edge_budget(accuracy_drop=0.4)
def test_ptq(edge_ptq):
    print("printed by the test")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST + SLOW)
    (tmp_path / "test_it.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    os.mkfifo(tmp_path / "go")
    return tmp_path


def on_a_terminal(project: Path, shows: Callable[[str], bool], *more: str) -> Terminal:
    """pytest on a terminal of 80 columns, whose converter waits until the terminal *shows* it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore", *more]
    command += ["--edge-target=fake-board", f"--edge-cache={project / 'cache'}"]
    process = subprocess.Popen(
        command,
        cwd=project,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    os.close(theirs)
    terminal, waits = Terminal(80), True
    for piece in pieces(ours):
        terminal.write(piece)
        if waits and shows("\n".join(terminal.lines)):
            waits = False
            (project / "go").write_text("x")
    assert process.wait() == 0, terminal.lines
    os.close(ours)
    return terminal


def pieces(terminal: int) -> Iterator[str]:
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end was closed
            return
        yield piece.decode()


@pytest.mark.parametrize("more", [("--junitxml=it.xml", "--color=no"), ("-n", "1")])
def test_the_clock_runs_while_a_converter_holds_the_interpreters_lock(
    project: Path, more: tuple[str, ...]
) -> None:
    terminal = on_a_terminal(project, runs(re.compile(r"[23] s: PTQ\(samples=200\) on m")), *more)
    seen = "\n".join(terminal.lines)
    assert " s: " not in seen
    assert "edge gate: 2 verdicts, 0 red" in seen
    report = project / "it.xml"
    if report.exists():
        assert " s: " not in report.read_text()


def runs(clock: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda seen: clock.search(seen) is not None


def test_a_log_has_a_line_for_each_finished_stage(play: Callable[..., Ran]) -> None:
    logged = play({"test_it.py": TEST}, "--edge-target=fake-board", "-v")
    assert re.search(r"^  PTQ\(samples=200\) on m: \d+\.\d s$", logged.output, re.MULTILINE)
    assert re.search(r"^  parity of \S+ in fake: \d+\.\d s$", logged.output, re.MULTILINE)
