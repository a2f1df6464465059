"""Compiled files as edgetpu_compiler writes them, made by hand: no such compiler is needed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers

from pytest_edgegate.backends.litert.schema import import_schema, pack, unpack

STAND_ALONE, CACHING, EXECUTION = 0, 1, 2
MOCK = Path(__file__).with_name("mock_edgetpu_compiler")
SOURCE = Path(__file__).parents[2] / "example_project" / "models" / "digits_uint8.tflite"
"""A file that TensorFlow's converter made, of which all operators are mapped."""


def _finished(builder: flatbuffers.Builder) -> bytes:
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def executable(
    kind: int, *, parameters: int = 0, instructions: Sequence[int] = (), chip: str = "beagle"
) -> bytes:
    """One program, with so many bytes of parameters and instructions."""
    builder = flatbuffers.Builder(0)
    streams = []
    for size in instructions:
        content = builder.CreateByteVector(bytes(size))
        builder.StartObject(2)
        builder.PrependUOffsetTRelativeSlot(0, content, 0)
        streams.append(builder.EndObject())
    weights = builder.CreateByteVector(bytes(parameters)) if parameters else 0
    name = builder.CreateString(chip)
    builder.StartVector(4, len(streams), 4)
    for each in reversed(streams):
        builder.PrependUOffsetTRelative(each)
    bits = builder.EndVector()
    builder.StartObject(17)
    builder.PrependUOffsetTRelativeSlot(5, bits, 0)
    if weights:
        builder.PrependUOffsetTRelativeSlot(6, weights, 0)
    builder.PrependUOffsetTRelativeSlot(10, name, 0)
    builder.PrependInt16Slot(13, kind, 0)
    return _finished(builder)


def package(*executables: bytes, runtime: int = 12) -> bytes:
    """The options of an operator of the chip: a header, and the package behind it."""
    builder = flatbuffers.Builder(0)
    held = [builder.CreateByteVector(each) for each in executables]
    builder.StartVector(4, len(held), 4)
    for each in reversed(held):
        builder.PrependUOffsetTRelative(each)
    listed = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, listed, 0)
    programs = _finished(builder)

    builder = flatbuffers.Builder(0)
    content = builder.CreateByteVector(programs)
    version = builder.CreateString("cl/")
    builder.StartObject(8)
    builder.PrependInt32Slot(0, runtime, 0)
    builder.PrependUOffsetTRelativeSlot(1, content, 0)
    builder.PrependUOffsetTRelativeSlot(4, version, 0)
    builder.Finish(builder.EndObject(), b"DWN1")
    return b"1\x004\x00\x00\xe0\x0b\x00" + bytes(builder.Output())


WHOLE = package(
    executable(EXECUTION, instructions=(1_000,)),
    executable(CACHING, parameters=44_416, instructions=(200, 24)),
)
"""A package as those of real files: 0 bytes streamed, 1,224 of instructions, and as many cached as
the rules say of SOURCE."""


def compiled(
    path: Path, source: Path = SOURCE, *, left: int = 0, options: bytes = WHOLE, scale: float = 1.0
) -> Path:
    """The file *source* as the compiler leaves it, but for its last operators: *left* of them.

    *scale*: times that of its input, for one that was compiled from another file.
    """
    schema, model = import_schema(), unpack(source)
    graph = model.subgraphs[0]
    stay = graph.operators[len(graph.operators) - left :]
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = b"edgetpu-custom-op", 1
    model.operatorCodes.append(code)
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = graph.inputs, _given_to(stay, graph, model)
    operator.customOptions = list(options)
    graph.operators = [operator, *stay]
    taken = graph.tensors[graph.inputs[0]].quantization
    taken.scale = taken.scale * scale
    path.write_bytes(pack(model))
    return path


def install_mock(folder: Path, **behaviour: Any) -> Path:
    """Puts the mock of the compiler into a folder for PATH, and what it does beside it."""
    import json

    folder.mkdir(exist_ok=True)
    program = folder / "edgetpu_compiler"
    text = MOCK.read_text().replace("#!python", f"#!{sys.executable} -IS", 1)
    program.write_text(f"{text}\n# {behaviour.get('build', '')}\n")
    program.chmod(0o755)
    for name in ("twin",):
        if name in behaviour:
            shutil.copy(behaviour.pop(name), folder / "twin.tflite")
    (folder / "behaviour.json").write_text(json.dumps(behaviour))
    return program


def _given_to(stay: Sequence[Any], graph: Any, model: Any) -> list[int]:
    """What the program of the chip gives: to the operators that stay, or as the outputs."""
    if not stay:
        return list(graph.outputs)
    made = {at for each in stay for at in each.outputs}
    read = dict.fromkeys(at for each in stay for at in each.inputs if at >= 0)
    buffers = model.buffers
    return [
        at
        for at in read
        if at not in made
        and (buffers[graph.tensors[at].buffer].data is None)
        and at not in graph.inputs
    ]
