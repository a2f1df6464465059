"""The metadata of an .onnx file that a conversion to another format leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_edgegate.reading.regular import read_bytes

_MOST_BYTES = (1 << 31) - 1


def of_onnx(path: Path) -> Mapping[str, str]:
    """Facts with a note that names the entries; empty without any, or without onnx to read them."""
    try:
        import onnx
    except ImportError:
        return {}
    model = onnx.ModelProto()
    model.ParseFromString(read_bytes(path, _MOST_BYTES))
    return note_on([each.key for each in model.metadata_props], path.name)


def note_on(names: list[str], file: str) -> Mapping[str, str]:
    """Facts with the note on metadata under these *names*."""
    if not names:
        return {}
    listed = ", ".join(map(str, names[:5])) + (" ..." if len(names) > 5 else "")
    return {
        "note": f"caution: the metadata of {file} ({listed}) is not in the converted file: what "
        "the application reads from it has to ship beside it"
    }
