"""Writes files so that they appear whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def place(at: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place, and moves it there by one rename."""
    scratch = at.with_name(f".edgegate-{secrets.token_hex(4)}")
    try:
        write(scratch)
        os.replace(scratch, at)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise
