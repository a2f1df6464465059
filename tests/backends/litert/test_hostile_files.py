"""Flatbuffers that were written to mislead their reader: refused before they fill the memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.backends.litert.inspector import INSPECTOR
from pytest_edgegate.backends.litert.schema import MAGIC, import_schema, unpack
from pytest_edgegate.core.errors import EdgeGateError, InferenceError

MODELS = Path(__file__).parents[3] / "example_project" / "models"


def refused(path: Path) -> str:
    with pytest.raises(InferenceError) as raised:
        INSPECTOR.describe(path)
    assert raised.value.remedy
    return raised.value.message


@pytest.mark.parametrize("name", ["digits_uint8.tflite", "digits_float_io.tflite"])
def test_a_healthy_file_is_read(name: str) -> None:
    assert INSPECTOR.describe(MODELS / name).operators


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.tflite"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    assert "m.tflite can't be read: it is a" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"TFL3",
        bytes(4) + MAGIC,
        b"\xff" * 4 + MAGIC + bytes(50),
        b"\x08\0\0\0" + MAGIC,
    ],
)
def test_bytes_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    assert "m.tflite can't be opened: " in refused(path)


def shared(place: str, count: int) -> bytes:
    """A file whose one tensor, or name, or graph, stands *count* times in it."""
    import flatbuffers

    schema = import_schema()
    builder = flatbuffers.Builder(1024)
    name = builder.CreateString("n" * count if place == "name" else "n")
    tensors = []
    for _ in range(100 if place == "name" else 1):
        schema.TensorStart(builder)
        schema.TensorAddName(builder, name)
        tensors.append(schema.TensorEnd(builder))

    def vector(start: Any, offsets: list[int]) -> int:
        start(builder, len(offsets))
        for each in reversed(offsets):
            builder.PrependUOffsetTRelative(each)
        end: int = builder.EndVector()
        return end

    held = vector(schema.SubGraphStartTensorsVector, tensors * (1 if place == "name" else count))
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, held)
    graph = schema.SubGraphEnd(builder)
    graphs = vector(schema.ModelStartSubgraphsVector, [graph] * (count if place == "graph" else 1))
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), MAGIC)
    return bytes(builder.Output())


@pytest.mark.parametrize("place", ["graph", "name"])
def test_parts_that_stand_in_many_places(tmp_path: Path, place: str) -> None:
    """20,000 graphs of the same 20,000 tensors are 400 million, in less than 200 kB."""
    path = tmp_path / "m.tflite"
    path.write_bytes(shared(place, 20_000))
    assert path.stat().st_size < 200_000
    assert "many times as large unpacked" in refused(path)
    with pytest.raises(EdgeGateError):
        unpack(path)
