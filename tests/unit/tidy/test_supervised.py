"""A Python below a supervisor: it has pipes, and all that it starts ends with it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from pytest_edgegate.tidy.child import Child
from pytest_edgegate.tidy.supervised import start_supervised

ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line), sys.stdout.flush()"
PARENT_OF_ONE = """
import subprocess, sys
code = "import time; time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
print(child.pid, flush=True)
sys.stdin.readline()
"""
SESSION = f"""
import sys
from pytest_edgegate.tidy.supervised import start_supervised
child = start_supervised({PARENT_OF_ONE!r})
print(child.reader.readline().decode().strip(), flush=True)
sys.stdin.readline()
"""
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells of processes by descriptors"
)


def gone(number: int) -> bool:
    """Whether the process of a descriptor ends, soon."""
    with os.fdopen(number):
        return bool(select.select([number], [], [], 30)[0])


def test_it_has_pipes() -> None:
    child = start_supervised(ECHO)
    child.writer.write(b"one\n")
    child.writer.flush()
    assert child.reader.readline() == b"one\n"
    assert child.alive
    child.close()
    assert not child.alive


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("os.abort()", "SIGABRT"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("os._exit(3)", "exit status 3"),
    ],
)
def test_it_tells_how_it_ended(says: str, told: str) -> None:
    child = start_supervised(
        f"import os, sys\nprint('a word', file=sys.stderr, flush=True)\n{says}"
    )
    assert child.reader.read() == b"", "its end is seen"
    assert child.ending() == told
    assert child.last_words() == "a word"
    child.close()


def crash(child: Child) -> None:
    child.writer.write(b"\n")  # and it ends by itself
    child.writer.flush()


@pytest.mark.parametrize("end", [Child.kill, Child.close, crash])
def test_what_it_has_started_ends_with_it(end: Callable[[Child], None]) -> None:
    child = start_supervised(PARENT_OF_ONE)
    started = os.pidfd_open(int(child.reader.readline()))
    end(child)
    assert gone(started)
    child.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_session_and_all_that_it_has_started(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SESSION], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:
        assert session.stdout is not None
        started = os.pidfd_open(int(session.stdout.readline()))
        session.send_signal(how)
        session.wait()
        assert gone(started)


def test_an_interrupt_in_the_terminal_is_for_the_session() -> None:
    child = start_supervised(f"import os\nprint(os.getsid(0), flush=True)\n{ECHO}")
    assert int(child.reader.readline()) not in (os.getsid(0), os.getsid(child.pid))
    child.close()
