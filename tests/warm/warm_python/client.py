"""Stands for a new Python whose code runs in a fork of the server.

It is started for each of them, so it imports next to nothing, and what is built in by preference.
"""

from __future__ import annotations

import _signal
import _socket
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    server = _socket.socket(_socket.AF_UNIX)
    server.connect(address or os.environ["EDGEGATE_WARM_PYTHON"])
    order = {
        "code": code,
        "arguments": list(arguments),
        "folder": os.getcwd(),
        "path": path,
        "environment": dict(os.environ),
    }
    content = marshal.dumps(order)
    streams = b"".join(each.to_bytes(4, sys.byteorder) for each in (0, 1, 2))
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)]
    server.sendmsg([len(content).to_bytes(4, "big")], rights)
    server.sendall(content)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # whoever is at their other ends has to see the fork end
        os.dup2(nothing, stream)
    _end(int(server.recv(16) or -_signal.SIGKILL))


def _end(status: int) -> NoReturn:
    if status < 0:
        _signal.signal(-status, _signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    at = sys.argv.index("-c") + 1
    others = [each for each in sys.argv[1:at] if "/" in each]
    become(sys.argv[at], sys.argv[at + 1 :], address="".join(others))
