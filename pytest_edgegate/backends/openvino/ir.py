"""The .xml of an OpenVINO IR and its .bin, read without OpenVINO.

The format: a ``net`` of ``layers`` with ports, joined by ``edges``; a ``Const`` layer names the
offset and the size of its values in the .bin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pytest_edgegate.core.errors import InferenceError

_MOST_BYTES = 256_000_000
"""Of an .xml: a hundred times that of the largest models, and still parsed in seconds."""

DTYPES = {
    "f32": "float32", "f16": "float16", "bf16": "bfloat16", "f64": "float64", "i8": "int8",
    "u8": "uint8", "i16": "int16", "i32": "int32", "i64": "int64", "u16": "uint16",
    "u32": "uint32", "u64": "uint64", "i4": "int4", "u4": "uint4", "boolean": "bool",
}  # fmt: skip
"""numpy's name for each element type."""
_PRECISIONS = {
    "FP32": "float32", "FP16": "float16", "BF16": "bfloat16", "FP64": "float64", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Port:
    """One output of a layer."""

    layer: str
    shape: tuple[int, ...]
    dtype: str
    name: str


@dataclass
class Layer:
    """One layer; ``sources`` are the output ports that its inputs come from, in their order."""

    id: str
    name: str
    kind: str
    data: dict[str, str]
    outputs: dict[str, Port] = field(default_factory=dict)
    sources: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)


class Network:
    """The layers of an IR by their id, in the order of the file, which is that of execution."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.layers: dict[str, Layer] = {}
        root = _root(path)
        try:
            for element in root.iterfind("./layers/layer"):
                layer = _layer(element)
                self.layers[layer.id] = layer
            self._connect(root)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise damaged(path, f"its layers are inconsistent: {error!r}") from error
        _check_weights(self)

    def source(self, layer: Layer, position: int) -> Layer | None:
        """The layer that an input comes from."""
        if position >= len(layer.sources):
            return None
        return self.layers[layer.sources[position][0]]

    def port(self, layer: Layer, position: int) -> Port:
        """The tensor that an input takes."""
        origin, number = layer.sources[position]
        return self.layers[origin].outputs[number]

    def consumers(self, layer: Layer) -> Iterator[Layer]:
        """The layers that take what a layer gives."""
        for each in self.layers.values():
            if any(origin == layer.id for origin, _ in each.sources):
                yield each

    def values(self, layer: Layer) -> Any:
        """The values of a Const, flat."""
        import numpy as np

        data = layer.data
        dtype = DTYPES[data["element_type"]]
        offset, size = int(data["offset"]), int(data["size"])
        with weights_file(self.path).open("rb") as opened:
            opened.seek(offset)
            return np.frombuffer(opened.read(size), dtype)

    def _connect(self, root: Any) -> None:
        edges = {
            (each.attrib["to-layer"], each.attrib["to-port"]): (
                each.attrib["from-layer"], each.attrib["from-port"],
            )
            for each in root.iterfind("./edges/edge")
        }  # fmt: skip
        for layer in self.layers.values():
            layer.sources = [edges[layer.id, number] for number in layer.inputs]
            for origin, number in layer.sources:
                if number not in self.layers[origin].outputs:
                    raise KeyError(f"{layer.name} takes a port that is not there")


def is_ir(path: Path) -> bool:
    """Whether a file begins as the .xml of an IR does."""
    with path.open("rb") as opened:
        head = opened.read(400).lstrip()
    return re.match(rb"(<\?xml[^>]*>\s*)?(<!.*)?<net[\s>]", head, re.DOTALL) is not None


def weights_file(path: Path) -> Path:
    """The .bin that belongs to an .xml."""
    return path.with_suffix(".bin")


def damaged(path: Path, reason: str) -> InferenceError:
    return InferenceError(
        f"{path.name} can't be opened: {reason}",
        "make the file again: it is damaged, cut short or of another format",
    )


def _root(path: Path) -> Any:
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MOST_BYTES else b""
    except OSError as error:
        raise InferenceError(f"{path} can't be read: {error}", "check the path") from error
    if size > _MOST_BYTES:
        raise damaged(path, f"its {size} bytes are too many for a description")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise damaged(path, "it declares XML entities, which no IR does")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise damaged(path, f"it is no XML ({error})" if size else "it is empty") from error
    if root.tag != "net" or root.find("./layers/layer") is None:
        raise damaged(path, "it is no OpenVINO IR")
    return root


def _layer(element: Any) -> Layer:
    attributes = element.attrib
    data = element.find("data")
    layer = Layer(
        attributes["id"], attributes["name"], attributes["type"],
        {} if data is None else dict(data.attrib),
    )  # fmt: skip
    layer.inputs = [each.attrib["id"] for each in element.iterfind("./input/port")]
    for port in element.iterfind("./output/port"):
        number, precision = port.attrib["id"], port.attrib.get("precision", "")
        layer.outputs[number] = Port(
            layer=layer.id,
            shape=tuple(int(each.text) for each in port.iterfind("dim")),
            dtype=_dtype(precision),
            name=port.attrib.get("names", "").split(",")[0] or layer.name,
        )
    return layer


def _dtype(precision: str) -> str:
    if precision in _PRECISIONS:
        return _PRECISIONS[precision]
    kind, bits = precision[:1], precision[1:]
    return {"I": "int", "U": "uint"}.get(kind, "unknown") + bits if bits.isdigit() else "unknown"


def _check_weights(network: Network) -> None:
    """Refuses a .bin that is missing or ends before the last constant does."""
    path = network.path
    ends = [
        int(each.data["offset"]) + int(each.data["size"])
        for each in network.layers.values()
        if each.kind == "Const" and "offset" in each.data
    ]
    if not ends:
        return
    weights = weights_file(path)
    if not weights.is_file() or weights.stat().st_size < max(ends):
        fault = "missing" if not weights.is_file() else f"shorter than {max(ends)} bytes"
        raise InferenceError(
            f"{path.name} has its weights in {weights.name}, which is {fault}",
            f"put the {weights.name} that was made with it beside it",
        )
