"""What a .tflite file says of itself besides its graph: metadata, and files behind the flatbuffer.

TensorFlow Lite's metadata is a buffer of the model, and its files (labels, vocabularies) are an
archive appended to it. The quantizer keeps the entry of the first and neither content.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.backends.litert.schema import import_schema
from pytest_edgegate.core.errors import EdgeGateError, InferenceError
from pytest_edgegate.reading.archives import Limits, opened

_OF_THE_CONVERTER = (b"min_runtime_version", b"CONVERSION_METADATA", b"reserved")
"""Entries about the bytes of one file, which are not true of another."""
_LIMITS = Limits(members=1_000, whole_bytes=256_000_000)
_DATE = (1980, 1, 1, 0, 0, 0)
"""The oldest of a zip archive: the same files give the same bytes."""


@dataclass(frozen=True)
class Metadata:
    """The entries by name, the files behind the model, and a note on files that are left out."""

    entries: tuple[tuple[bytes, Any], ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    note: str = ""

    @classmethod
    def of(cls, model: Any, path: Path) -> Metadata:
        """That of a ModelT, which was read from the file at *path*."""
        entries = tuple(
            (each.name, model.buffers[each.buffer].data)
            for each in model.metadata or ()
            if each.name not in _OF_THE_CONVERTER and 0 <= each.buffer < len(model.buffers)
        )
        if not zipfile.is_zipfile(path):
            return cls(entries)
        try:
            with opened(path, _unreadable, _LIMITS) as archive:
                return cls(entries, tuple((name, archive.read(name)) for name in archive.names))
        except EdgeGateError as error:
            return cls(entries, (), f"the files behind {path.name} are left out: {error.message}")

    def put_into(self, model: Any) -> None:
        """Replaces entries of these names in another ModelT."""
        schema = import_schema()
        names = {name for name, _ in self.entries}
        kept = [each for each in model.metadata or () if each.name not in names]
        for name, data in self.entries:
            entry, buffer = schema.MetadataT(), schema.BufferT()
            buffer.data = data
            model.buffers.append(buffer)
            entry.name, entry.buffer = name, len(model.buffers) - 1
            kept.append(entry)
        model.metadata = kept or None

    def behind(self, content: bytes) -> bytes:
        """The bytes of a model with the files behind it, uncompressed."""
        if not self.files:
            return content
        whole = io.BytesIO()
        whole.write(content)
        with zipfile.ZipFile(whole, "a") as archive:
            for name, data in self.files:
                archive.writestr(zipfile.ZipInfo(name, _DATE), data)
        return whole.getvalue()


def _unreadable(reason: str) -> InferenceError:
    return InferenceError(reason, "add them again by the tool that wrote them")
