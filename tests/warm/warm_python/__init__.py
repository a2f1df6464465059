"""Pythons that begin with the frameworks imported: forks of one server for a whole run of tests.

A process that needs TensorFlow spends six seconds on importing it, which is most of what many tests
take. Here a process of the gate is a fork of ``server.py`` instead; ``client.py`` stands for it, is
started and ended as the gate starts and ends every process, and hands its streams over.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from pytest_edgegate.workers import launcher

ADDRESS = "EDGEGATE_WARM_PYTHON"
"""The variable of the environment that has the address of the server."""
OTHER_HASHES = "1"
"""The server's ``PYTHONHASHSEED``: what comes out the same in a fork hangs on no hash of a text."""
CLIENT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("client.py")))
"""A Python that takes no option but ``-c`` and ``-u``."""
SELDOM = 50_000, 20, 20
"""Thresholds of the garbage collector, in processes of the tests."""
_MAIN = launcher._MAIN
_FORKED = (
    "import sys; path = sys.path[:]; "
    f"sys.path.insert(0, {str(Path(__file__).parent)!r}); from client import become; "
    f"become({_MAIN!r}, (), path)"
)
"""Imports the client by itself: this package and the gate's take twice the time of a fork."""
_TRACED = "COVERAGE_PROCESS_START", "EDGEGATE_COVERING"
"""Who counts lines, or finds the tests of a line, follows processes from their start."""


def forked() -> AbstractContextManager[None]:
    """Has the workers of the gate forked meanwhile, where a server is there."""
    return _started_by(_FORKED if ADDRESS in os.environ else _MAIN)


def fresh() -> AbstractContextManager[None]:
    """Has them started as for a user again."""
    return _started_by(_MAIN)


@contextmanager
def _started_by(code: str) -> Iterator[None]:
    before, launcher._MAIN = launcher._MAIN, code
    try:
        yield
    finally:
        launcher._MAIN = before


def command(code: str) -> list[str]:
    """What runs the code as ``python -c`` does, in a fork where a server is there."""
    if ADDRESS in os.environ:
        return [*CLIENT, "-c", code]
    return [sys.executable, "-c", code]


class Server:
    """The process of ``server.py``. It imports what is *imported* when it is first asked."""

    def __init__(self, imported: str) -> None:
        """*imported*: a program that imports."""
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self.address = str(Path(self._folder.name) / "server")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.address)
            listening.listen(16)
            descriptor = listening.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "warm_python.server", str(descriptor), imported],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[descriptor],
                start_new_session=True,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "PYTHONHASHSEED": OTHER_HASHES,
                },
            )

    def close(self) -> None:
        """Ends the server and what it has forked."""
        self._process.communicate()
        self._folder.cleanup()


def possible() -> bool:
    """Whether this system forks, and nobody follows processes from their start."""
    return hasattr(os, "fork") and not any(name in os.environ for name in _TRACED)
