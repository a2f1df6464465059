"""What Python's zipfile raises for an archive that is damaged: more than it documents."""

from __future__ import annotations

import struct
import zipfile
import zlib

DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, OverflowError,
    NotImplementedError,  # a compression that is none
    RuntimeError,  # the bit that says "encrypted"
)  # fmt: skip
