"""Digests of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    import hashlib

    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def files_digest(files: Sequence[Path]) -> str:
    """The digest of a single file, or for several the digest over their digests in order."""
    if len(files) == 1:
        return file_digest(files[0])
    import hashlib

    return hashlib.sha256("\n".join(map(file_digest, files)).encode()).hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    import hashlib

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
