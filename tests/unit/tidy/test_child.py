"""A Python of this package in a process of its own."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import pytest

from pytest_edgegate.tidy.child import Child, spell_end, start_python
from pytest_edgegate.tidy.scratch import SCRATCH

ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line), sys.stdout.flush()"
SAYS = "import sys\nprint('first\\n\\n' + 'x' * 300 + '\\n', file=sys.stderr)\nsys.exit(3)"


@pytest.fixture
def echo() -> Iterator[Child]:
    made = start_python(ECHO)
    yield made
    made.close()


def echoed(child: Child, text: bytes) -> bytes:
    child.writer.write(text)
    child.writer.flush()
    return child.reader.readline()


def test_it_has_pipes(echo: Child) -> None:
    assert echoed(echo, b"one\n") == b"one\n"
    assert echo.alive


def test_its_temporary_files_go_with_the_session() -> None:
    child = start_python("import tempfile\nprint(tempfile.gettempdir())")
    folder = child.reader.readline().decode().strip()
    assert folder.startswith(str(SCRATCH.folder()))
    child.close()


def test_it_tells_how_it_ended_and_what_it_said_last() -> None:
    child = start_python(SAYS)
    assert (child.wait(), child.ending(), child.last_words()) == (3, "exit status 3", "x" * 200)
    assert not child.alive
    child.close()
    child.close()


def test_one_that_is_ended_leaves_its_pipes_to_who_reads_them(echo: Child) -> None:
    echo.kill()
    assert echo.reader.read() == b""
    assert echo.ending() == "SIGKILL"


def test_one_that_is_dropped_is_ended() -> None:
    child = start_python(ECHO)
    number = os.pidfd_open(child.pid)
    del child
    gc.collect()
    with pytest.raises(ProcessLookupError):
        signal.pidfd_send_signal(number, 0)
    os.close(number)


@pytest.mark.parametrize(
    ("code", "spelled"), [(0, "exit status 0"), (-11, "SIGSEGV"), (-60, "signal 60")]
)
def test_an_end_in_words(code: int, spelled: str) -> None:
    assert spell_end(code) == spelled


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_a_fork_neither_uses_it_nor_ends_it(echo: Child) -> None:
    echo.writer.write(b"once\n")  # still in a buffer, of which the fork has a copy
    fork = os.fork()
    if fork == 0:
        usable = echo.alive
        echo.kill()
        echo.close()
        with_another = start_python(ECHO)
        right = not usable and echoed(with_another, b"x\n") == b"x\n"
        with_another.close()
        os._exit(0 if right else 1)
    assert os.waitpid(fork, 0)[1] == 0
    assert echoed(echo, b"after\n") == b"once\n"
    assert echo.reader.readline() == b"after\n"
