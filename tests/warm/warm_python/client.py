"""Stands for a new Python whose code runs in a fork of the server; imports little itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn


def become(
    code: str,
    arguments: Sequence[str] = (),
    path: Sequence[str] | None = None,
    address: str | None = None,
) -> NoReturn:
    """Has the code run with the streams of this process, and ends as it does.

    *path*: where modules are found, if not where the server finds them. *address*: of the server,
    if not of the one in the environment.
    """
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address or os.environ["EDGEGATE_WARM_PYTHON"])
        order = {
            "code": code,
            "arguments": arguments,
            "folder": os.getcwd(),
            "path": path,
            "environment": dict(os.environ),
        }
        content = json.dumps(order).encode()
        socket.send_fds(server, [len(content).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(content)
        with open(os.devnull, "r+b", buffering=0) as nothing:
            for stream in (0, 1):  # whoever is at their other ends has to see the fork end
                os.dup2(nothing.fileno(), stream)
        _end(int(server.recv(16) or -signal.SIGKILL))


def _end(status: int) -> NoReturn:
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    at = sys.argv.index("-c") + 1
    others = [each for each in sys.argv[1:at] if "/" in each]
    become(sys.argv[at], sys.argv[at + 1 :], address="".join(others))
