"""A format of the fuzzer's own, whose way does all that no gate may: the fuzzer has to see it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from fuzzing.draft import Seed
from pytest_edgegate.core.errors import ConfigurationError

WAYS = (
    "fine",
    "refused",
    "traceback",
    "without a remedy",
    "writes",
    "crashes",
    "hangs",
    "leaves",
    "interrupted",
    "fine",
)
"""What the input of each number does."""


def seeds() -> tuple[Seed, ...]:
    return (Seed("alarm", "alarm", {"alarm": b"healthy"}),)


def take(gate: Any, path: Path) -> str:
    """Does what the number of the input, which its folder is named by, stands for."""
    way = WAYS[int(path.parent.name)]
    if way == "refused":
        raise ConfigurationError("no", "do it again")
    if way == "without a remedy":
        raise ConfigurationError("no", "")
    if way == "traceback":
        raise KeyError("x")
    if way == "writes":
        Path("canary").write_text("x")
    if way == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if way == "leaves":
        os._exit(3)
    if way == "interrupted":
        raise SystemExit(3)
    while way == "hangs":
        signal.pause()
    return way
