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

WAITING = """
import ctypes


def wait(name):
    # opens a pipe and reads from it in native code that keeps the interpreter's lock
    native = ctypes.PyDLL(None)
    native.read(native.open(name.encode(), 0), ctypes.create_string_buffer(1), 1)
"""
SLOW = """

@pytest.fixture(autouse=True, scope="session")
def held():
    from waiting import wait
    from pytest_edgegate.testing import fakes

    converts = fakes.FakeTransform.apply

    def apply(self, *given):
        print("converting")
        wait("converted")
        return converts(self, *given)

    fakes.FakeTransform.apply = apply
    yield
    fakes.FakeTransform.apply = converts
"""
TEST = """
import pytest
{more}


@pytest.mark.edge_budget(accuracy_drop=0.4)
def test_ptq(edge_ptq):
    print("printed by the test")
"""


AWAITED = {
    "imported": re.compile(r"\b[1-9]\d* s: importing framework"),
    "converted": re.compile(r"\b[1-9]\d* s: PTQ\(samples=200\) on m"),
}
"""The clocks that are waited for, by the pipe that each of them is waited for with."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST + SLOW)
    (tmp_path / "test_it.py").write_text(TEST.format(more="import framework"))
    (tmp_path / "framework.py").write_text("open('imported').read()\n")
    (tmp_path / "waiting.py").write_text(WAITING)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name in ("imported", "converted"):
        os.mkfifo(tmp_path / name)
    return tmp_path


def on_a_terminal(project: Path, *more: str) -> Terminal:
    """pytest on a terminal of 80 columns; a framework and a converter wait until it shows them."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    plugins = ["-p", "edgegate", "-p", "xdist", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, "-W", "ignore", *more]
    command += ["--edge-target=fake-board", f"--edge-cache={project / 'cache'}"]
    process = subprocess.Popen(
        command,
        cwd=project,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            **os.environ,
            "TERM": "xterm",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # all of them would be imported
        },
    )
    os.close(theirs)
    terminal, awaited = Terminal(80), dict(AWAITED)
    for piece in pieces(ours):
        terminal.write(piece)
        for pipe, clock in list(awaited.items()):
            if clock.search("\n".join(terminal.lines)):
                del awaited[pipe]
                (project / pipe).write_text("x")
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
    terminal = on_a_terminal(project, *more)
    seen = "\n".join(terminal.lines)
    assert " s: " not in seen
    assert "edge gate: 2 verdicts, 0 red" in seen
    report = project / "it.xml"
    if report.exists():
        assert " s: " not in report.read_text()


def test_a_log_has_a_line_for_each_finished_stage(play: Callable[..., Ran]) -> None:
    logged = play({"test_it.py": TEST.format(more="")}, "--edge-target=fake-board", "-v")
    assert re.search(r"^  PTQ\(samples=200\) on m: \d+\.\d s$", logged.output, re.MULTILINE)
    assert re.search(r"^  parity of \S+ in fake: \d+\.\d s$", logged.output, re.MULTILINE)
