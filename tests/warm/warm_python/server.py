"""Forks for every connection: the fork runs the code that it is sent, as ``python -c`` does.

One thread, and no thread in what is imported: a fork has none of the others.
"""

from __future__ import annotations

import gc
import marshal
import os
import random
import selectors
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from typing import Any, NoReturn

from warm_python import SELDOM
from warm_python.leaving import leave_after


class Server:
    """Sockets, each with the process that was forked for it."""

    def __init__(self, listening: socket.socket, imported: str) -> None:
        self._listening = listening
        self._imported = imported
        self._forked: dict[int, socket.socket] = {}
        self._warm = False
        self._ended, told = os.pipe2(os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(told)
        self._selector = selectors.DefaultSelector()
        for each in (listening, self._ended, 0):
            self._selector.register(each, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until standard input is closed, with the run of tests."""
        while True:
            ready = [key.fileobj for key, _ in self._selector.select()]
            if 0 in ready:
                return
            if self._ended in ready:
                os.read(self._ended, 1024)
                self._reap()
            if self._listening in ready:
                self._fork(self._listening.accept()[0])
            for pid in [pid for pid, client in self._forked.items() if client in ready]:
                _kill(pid)  # its client was ended

    def close(self) -> None:
        for pid in self._forked:
            _kill(pid)

    def _fork(self, client: socket.socket) -> None:
        size, streams, *_ = socket.recv_fds(client, 4, 3)
        order = marshal.loads(client.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
        if not self._warm:
            exec(self._imported, {"__name__": "imported"})
            gc.freeze()  # or a collection in a fork would copy all of it
            gc.set_threshold(*SELDOM)
            self._warm = True
        pid = os.fork()
        if not pid:
            self._forget(client)
            run(order, streams)
        for each in streams:
            os.close(each)
        self._forked[pid] = client
        self._selector.register(client, selectors.EVENT_READ)

    def _forget(self, client: socket.socket) -> None:
        """Closes in the fork what is the server's."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for each in (self._listening, client, *self._forked.values()):
            each.close()

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                client = self._forked.pop(found[0])
                self._selector.unregister(client)
                with client, suppress(OSError):
                    client.sendall(str(os.waitstatus_to_exitcode(found[1])).encode())


def run(order: dict[str, Any], streams: list[int]) -> NoReturn:
    """Turns the fork into a fresh process, and runs the code."""
    import numpy as np

    import warm_python
    from pytest_edgegate.tidy.confined import yield_memory

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for at, descriptor in enumerate(streams):
        os.dup2(descriptor, at)
        os.close(descriptor)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[:], sys.argv = order["path"] or sys.path, ["-c", *order["arguments"]]
    tempfile.tempdir = None  # found by the environment of another process
    random.seed()
    np.random.seed()
    yield_memory()
    with warm_python.forked():  # what it starts itself is a fork, too
        leave_after(lambda: exec(order["code"], {"__name__": "__main__"}))


def _kill(pid: int) -> None:
    with suppress(OSError):  # it has ended meanwhile
        os.killpg(pid, signal.SIGKILL)
    with suppress(OSError):  # it had no group of its own yet
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    server = Server(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    server.serve()
    server.close()
