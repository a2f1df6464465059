"""The flatbuffer of a .tflite file as objects, by the schema that ai-edge-litert ships."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_edgegate.backends.damaged import damaged
from pytest_edgegate.backends.tools import needed
from pytest_edgegate.core.description import CompiledFor
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.reading.regular import read_bytes

MAGIC = b"TFL3"
_MOST_BYTES = 64_000_000_000
"""A flatbuffer ends at 2 GB, and the weights behind it where a device ends."""
_MOST_COPIED = 4
"""Times the size of the file."""
_TABLE = 20
"""Bytes of the smallest tensor or operator, with the offset that leads to it."""

COMPILED_FOR = {
    "edgetpu-custom-op": CompiledFor(
        "the Edge TPU", "CUSTOM:edgetpu-custom-op", "edgetpu", "coral"
    ),
    "ethos-u": CompiledFor("an Arm Ethos-U", "CUSTOM:ethos-u", "ethosu"),
}
"""The custom operators that hold the program of a chip, as compilers write them, with the chip."""

DTYPES = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "INT32": "int32",
    "UINT8": "uint8",
    "INT64": "int64",
    "STRING": "string",
    "BOOL": "bool",
    "INT16": "int16",
    "INT8": "int8",
    "FLOAT64": "float64",
    "UINT64": "uint64",
    "UINT32": "uint32",
    "UINT16": "uint16",
    "INT4": "int4",
    "BFLOAT16": "bfloat16",
    "INT2": "int2",
}
"""Numpy's name for each tensor type of the schema."""


def import_schema() -> ModuleType:
    """The generated schema. Raises BackendUnavailableError where ai-edge-litert is missing."""
    with needed("ai-edge-litert", "a .tflite file", "coral"):
        from ai_edge_litert import schema_py_generated
    module: ModuleType = schema_py_generated
    return module


def unpack(path: Path) -> Any:
    """The ModelT of a file. Raises InferenceError for one that is damaged or of another kind."""
    schema = import_schema()
    content = read_bytes(path, _MOST_BYTES)
    if content[4:8] != MAGIC:
        raise damaged(path, "it is no .tflite file" if content else "it is empty")
    fault = damaged(path, "its flatbuffer can't be read")
    with foreign(fault.message, fault.remedy, InferenceError):
        _check_shared_parts(schema.Model.GetRootAs(content, 0), path, len(content))
        return _with_its_data(schema.ModelT.InitFromPackedBuf(content, 0), content)


def opened(path: Path) -> Any:
    """The Model of a file, of which parts are read as they are asked for."""
    return import_schema().Model.GetRootAs(read_bytes(path, _MOST_BYTES), 0)


_VERSION_FIELD = 8
"""Where the table of an OperatorCode tells the place of its version."""


def with_versions_of_at_most(path: Path, newest: Mapping[str, int]) -> bytes | None:
    """The file with the versions of some operators lowered to the *newest* ones by their names;
    None for a file without newer ones, and for one whose parts are not where they should be."""
    content = read_bytes(path, _MOST_BYTES)
    try:
        places = _newer_versions(content, newest)
        lowered = bytearray(content)
        for place, most in places.items():
            struct.pack_into("<i", lowered, place, most)
    except (struct.error, TypeError, ValueError, IndexError):  # of a damaged file, told elsewhere
        return None
    return bytes(lowered) if places else None


def _newer_versions(content: bytes, newest: Mapping[str, int]) -> dict[int, int]:
    """The places of versions that are newer, and what they are lowered to."""
    schema = import_schema()
    model = schema.Model.GetRootAs(content, 0)
    kinds = {getattr(schema.BuiltinOperator, name): most for name, most in newest.items()}
    places = {}
    for at in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(at)
        most = kinds.get(code.BuiltinCode())
        if most is not None and code.Version() > most:
            places[code._tab.Pos + code._tab.Offset(_VERSION_FIELD)] = most
    return places


def state_of(path: Path) -> str:
    """The kind of state that a model keeps between calls: ``tensors``, ``resources`` or "".

    ``tensors``: variable tensors, of recurrent operators. ``resources``: variables of their own.
    Weights are not read.
    """
    schema, model = import_schema(), opened(path)
    codes = (model.OperatorCodes(at) for at in range(model.OperatorCodesLength()))
    kinds = schema.BuiltinOperator
    if {kinds.VAR_HANDLE, kinds.ASSIGN_VARIABLE} <= {each.BuiltinCode() for each in codes}:
        return "resources"
    graphs = (model.Subgraphs(at) for at in range(model.SubgraphsLength()))
    variable = (
        each.Tensors(at).IsVariable() for each in graphs for at in range(each.TensorsLength())
    )
    return "tensors" if any(variable) else ""


def _check_shared_parts(model: Any, path: Path, size: int) -> None:
    """Refuses a file whose parts stand in so many places that copying each to its own fills memory.

    In a flatbuffer any two places may lead to the same bytes; converters write each part once.
    """
    copied = 0
    for part in _sizes(model):
        copied += part
        if copied > _MOST_COPIED * size:
            raise damaged(path, "it is many times as large unpacked, which no converter writes")


def _sizes(model: Any) -> Iterator[int]:
    """About how many bytes each vector of a model comes to, in the order of unpacking."""
    for graph in (model.Subgraphs(at) for at in range(model.SubgraphsLength())):
        yield 4 * (graph.InputsLength() + graph.OutputsLength())
        yield _TABLE * (graph.TensorsLength() + graph.OperatorsLength())
        for tensor in (graph.Tensors(at) for at in range(graph.TensorsLength())):
            yield 4 * tensor.ShapeLength() + len(tensor.Name() or b"")
            quantised = tensor.Quantization()
            if quantised is not None:
                yield 4 * quantised.ScaleLength() + 8 * quantised.ZeroPointLength()
        for each in (graph.Operators(at) for at in range(graph.OperatorsLength())):
            yield 4 * (each.InputsLength() + each.OutputsLength() + each.IntermediatesLength())
            yield each.CustomOptionsLength()
    for signature in (model.SignatureDefs(at) for at in range(model.SignatureDefsLength())):
        yield 4 * (signature.InputsLength() + signature.OutputsLength())


def _with_its_data(model: Any, content: bytes) -> Any:
    """Large files keep weights behind the flatbuffer, which the generated code does not read."""
    import numpy as np

    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model: Any) -> bytes:
    """The bytes of a ModelT."""
    import flatbuffers

    class Aligned(flatbuffers.Builder):  # type: ignore[misc]
        """The schema asks for weights at multiples of 16 bytes; the generated code does not."""

        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803
            wanted = 16 if elemSize == 1 else alignment
            return super().StartVector(elemSize, numElems, wanted)

    builder = Aligned(1024)
    builder.Finish(model.Pack(builder), MAGIC)
    return bytes(builder.Output())


def names_of(enumeration: Any) -> dict[int, str]:
    """Value -> name of one of the schema's enumerations."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}
