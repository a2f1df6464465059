"""External weights of an .onnx file: found in every tensor, and restricted to its folder.

ONNX Runtime opens these files itself, later. So every tensor of the protobuf is checked, whether of
the graph, a branch, a function or a training, including sparse ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.reading.memory import physical_memory
from pytest_edgegate.reading.regular import open_regular, regular_size

_TENSOR = "onnx.TensorProto"
_EXTERNAL = 1
_IN_MEMORY = "_ORT_MEM_ADDR_"
"""In a location, ONNX Runtime takes the offset for an address in the memory of the process."""
_WHOLE = re.compile(r"[0-9]{1,18}")
_BITS = {
    1: 32,
    2: 8,
    3: 8,
    4: 16,
    5: 16,
    6: 32,
    7: 64,
    9: 8,
    10: 16,
    11: 64,
    12: 32,
    13: 64,
    14: 64,
    15: 128,
    16: 16,
    17: 8,
    18: 8,
    19: 8,
    20: 8,
    21: 4,
    22: 4,
    23: 4,
    24: 8,
    25: 2,
    26: 2,
}
"""Bytes per element, by the number of its type."""


@dataclass(frozen=True)
class _Place:
    """The location of a tensor's bytes."""

    file: Path
    offset: int
    length: int


def external_files(model: Any, path: Path) -> tuple[Path, ...]:
    """The files beside *path* that hold its weights.

    Raises InferenceError where one is missing, too short, no regular file, the model itself, or not
    in the folder of the model, and where a place is written in a way that readers differ in.
    """
    needed: dict[Path, int] = {}
    for place in (_place(tensor, path) for tensor in _external_tensors(model)):
        needed[place.file] = max(place.offset + place.length, needed.get(place.file, 0))
    for file, end in needed.items():
        _check_file(path, file, end)
    return tuple(sorted(needed))


def load_weights(model: Any, path: Path) -> None:
    """Moves what lies beside *path* into the *model*, whose ``external_files`` were looked at."""
    tensors = list(_external_tensors(model))
    places = [_place(tensor, path) for tensor in tensors]
    whole, memory = sum(place.length for place in places), physical_memory()
    if whole > memory:
        raise InferenceError(
            f"{path.name} has {whole} bytes of weights, and this machine has {memory} of memory",
            "gate it on a machine that can hold it",
        )
    for tensor, place in zip(tensors, places, strict=True):
        with open_regular(place.file) as opened:
            opened.seek(place.offset)
            tensor.raw_data = opened.read(place.length)
        tensor.ClearField("data_location")
        del tensor.external_data[:]


def _external_tensors(part: Any) -> Iterator[Any]:
    """Every tensor inside a message that has its values in another file."""
    if part.DESCRIPTOR.full_name == _TENSOR:
        if part.data_location == _EXTERNAL:
            yield part
        return
    for described, value in part.ListFields():
        if described.message_type is None:
            continue
        single = hasattr(value, "DESCRIPTOR")  # else the field is repeated
        for inner in (value,) if single else value:
            yield from _external_tensors(inner)


def _place(tensor: Any, path: Path) -> _Place:
    entries = {each.key: each.value for each in tensor.external_data}
    if len(entries) < len(tensor.external_data):
        raise _misplaced(tensor, path, "in two places")
    location = entries.get("location", "")
    file = path.parent / location
    if not location or "\0" in location or _IN_MEMORY in location or not _is_inside(file, path):
        raise _misplaced(tensor, path, f"in {location[:200]!r}, outside its folder")
    if file.resolve() == path.resolve():
        raise _misplaced(tensor, path, "in the model file itself")
    offset = _whole(entries.get("offset", "0"))
    length = _whole(entries["length"]) if entries.get("length") else _bytes_of(tensor)
    if offset is None or length is None:
        raise _misplaced(tensor, path, "at an offset or of a length that is none")
    return _Place(file, offset, length)


def _is_inside(file: Path, path: Path) -> bool:
    return path.parent.resolve() in file.resolve().parents


def _whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


def _bytes_of(tensor: Any) -> int | None:
    bits = _BITS.get(tensor.data_type)
    if bits is None or any(each < 0 for each in tensor.dims):
        return None
    elements: int = math.prod(tensor.dims)
    return -(-elements * bits // 8)


def _check_file(path: Path, file: Path, end: int) -> None:
    fault = "is missing" if not file.exists() else ""
    if not fault and regular_size(file) < end:
        fault = f"is shorter than {end} bytes"
    if fault:
        raise InferenceError(
            f"{path.name} has weights in {file.name}, which {fault}",
            f"put {file.name} beside it, or export it with external_data=False",
        )


def _misplaced(tensor: Any, path: Path, where: str) -> InferenceError:
    return InferenceError(
        f"{path.name} has the weights of {tensor.name[:80]} {where}",
        "export it again with its weights inside the file (external_data=False)",
    )
