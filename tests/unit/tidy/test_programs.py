"""A program that is run ends with the process that runs it, and so does all that it started."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.tidy import programs

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="asks Linux for the processes"
)

TREE = """
import os, subprocess, sys, time
log = os.open(sys.argv[1], os.O_WRONLY)
wait = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
started = [
    subprocess.Popen(wait),
    subprocess.Popen(wait, start_new_session=True),  # has left the group of its parent
]
orphan = subprocess.run(
    [sys.executable, "-S", "-c",
     "import subprocess, sys;"
     "p = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'],"
     "    start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
     "print(p.pid)"],
    capture_output=True, text=True,
)
pids = [os.getpid(), *(each.pid for each in started), int(orphan.stdout)]
os.write(log, " ".join(map(str, pids)).encode())
os.close(log)
if sys.argv[2] == "wait":
    time.sleep(600)
"""
"""Stands in for a converter: it starts processes that outlive it, in three ways."""

PARENT = """
import os, signal, sys
from pathlib import Path
from pytest_edgegate.tidy.programs import run
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
with open("printed", "w+b") as printed:
    run([sys.executable, "-S", sys.argv[1], sys.argv[2], "wait"], Path.cwd(), {}, printed, 600)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "stand_in_for_a_converter.py"
    path.write_text(TREE)
    return path


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Where the stand-in tells its processes: no waiting by time."""
    path = tmp_path / "pids"
    os.mkfifo(path)
    return path


class Watched:
    """Processes by descriptors, which no later process can take over."""

    def __init__(self, told: str) -> None:
        self._ends = [os.pidfd_open(int(each)) for each in told.split()]

    def have_ended(self, within: float = 30) -> bool:
        left = set(self._ends)
        until = time.monotonic() + within
        while left:
            ended = select.select(list(left), [], [], max(0, until - time.monotonic()))[0]
            if not ended:
                break
            left -= set(ended)
        for each in self._ends:
            os.close(each)
        return not left


def run(command: list[str], folder: Path) -> tuple[int, str]:
    with (folder / "printed").open("w+b") as printed:
        code = programs.run(command, folder, {"GIVEN": "this"}, printed, 60)
        printed.seek(0)
        return code, printed.read().decode()


def python(*code: str) -> list[str]:
    return [sys.executable, "-S", "-c", *code]


def test_status_and_print_come_back(tmp_path: Path) -> None:
    say = "import os, sys; print(os.getcwd(), os.environ.get('GIVEN'), 'HOME' in os.environ)"
    code, printed = run(python(f"{say}; print('bad', file=sys.stderr); sys.exit(3)"), tmp_path)
    assert code == 3
    assert f"{tmp_path} this False" in printed
    assert "bad" in printed


def test_what_a_signal_ended_is_no_success(tmp_path: Path) -> None:
    code, _ = run(python("import os; os.kill(os.getpid(), 9)"), tmp_path)
    assert code == 137


def test_what_can_not_be_started_says_so(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("no program")
    code, printed = run([str(tmp_path / "program")], tmp_path)
    assert code == 127
    assert "program can't be started: Permission denied" in printed


def _reader(pipe: Path) -> Callable[[], Watched]:
    """Opened without waiting for the writer, which may never come."""
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def read() -> Watched:
        assert select.select([end], [], [], 60)[0], "the stand-in did not start"
        os.set_blocking(end, True)
        told = b""
        while part := os.read(end, 1000):
            told += part
        os.close(end)
        return Watched(told.decode())

    return read


def test_what_a_program_leaves_running_ends_with_it(tree: Path, pipe: Path, tmp_path: Path) -> None:
    read = _reader(pipe)
    code, _ = run([sys.executable, "-S", str(tree), str(pipe), "end"], tmp_path)
    assert code == 0
    with pytest.raises(ProcessLookupError):  # all of them, by the time that it returns
        read()


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("it", 60), KeyboardInterrupt()])
def test_a_program_that_is_given_up_ends_with_all_that_it_started(
    tree: Path, pipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    read = _reader(pipe)
    wait, watched = subprocess.Popen.wait, []

    def given_up(process: Any, limit: float) -> int:
        if not watched:
            watched.append(read())
            raise error
        return wait(process, limit)

    monkeypatch.setattr(subprocess.Popen, "wait", given_up)
    with pytest.raises(type(error)):
        run([sys.executable, "-S", str(tree), str(pipe), "wait"], tmp_path)
    assert watched[0].have_ended(within=0)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_session_takes_its_programs_with_it(
    tree: Path, pipe: Path, tmp_path: Path, kind: signal.Signals
) -> None:
    read = _reader(pipe)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tree), str(pipe)],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as parent:
        watched = read()
        parent.send_signal(kind)
        parent.wait()
    assert watched.have_ended()
