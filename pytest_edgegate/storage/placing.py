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


def place_new(at: Path, content: bytes) -> None:
    """Writes a file that appears whole and replaces nothing. Raises FileExistsError, OSError."""
    scratch = at.with_name(f".edgegate-{secrets.token_hex(4)}")
    try:
        scratch.write_bytes(content)
        _link(scratch, at)
    finally:
        with suppress(OSError):
            scratch.unlink()


def _link(scratch: Path, at: Path) -> None:
    """Unlike a rename, this fails where there is a file already."""
    try:
        os.link(scratch, at)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        with open(at, "xb") as opened:
            opened.write(scratch.read_bytes())
