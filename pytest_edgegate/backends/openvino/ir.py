"""The .xml of an OpenVINO IR and its .bin, read without OpenVINO.

The format: a ``net`` of ``layers`` with ports, joined by ``edges``; a ``Const`` layer names the
offset and the size of its values in the .bin.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pytest_edgegate.backends.damaged import damaged, refused_if_inconsistent
from pytest_edgegate.backends.not_readable import installed, too_new
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.reading.foreign import foreign
from pytest_edgegate.reading.regular import open_regular, read_bytes, regular_size

_MOST_BYTES = 256_000_000
"""The largest .xml in bytes: a hundred times that of large models, parsed in seconds."""
_MOST_ELEMENTS = 5_000_000
"""The most elements of an .xml: a layer has about thirty, which take much memory when parsed."""
_DEEPEST = 200
"""The deepest nesting of elements: nested loops need about thirty levels."""
_NEWEST = 11
"""The version of IR that OpenVINO writes since 2022.1; it reads 10 and 11."""
_FURTHEST = 100
"""A version beyond this is damage."""
_UPGRADE = (
    "pip install --upgrade openvino, if the device's runtime is as new; else convert it again"
)
_WHOLE = re.compile(r"[0-9]{1,18}")

DTYPES = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "f64": "float64",
    "i8": "int8",
    "u8": "uint8",
    "i16": "int16",
    "i32": "int32",
    "i64": "int64",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "i4": "int4",
    "u4": "uint4",
    "boolean": "bool",
}
"""numpy's name for each element type."""
_BITS = {
    "f32": 32,
    "f16": 16,
    "bf16": 16,
    "f64": 64,
    "i8": 8,
    "u8": 8,
    "i16": 16,
    "i32": 32,
    "i64": 64,
    "u16": 16,
    "u32": 32,
    "u64": 64,
    "i4": 4,
    "u4": 4,
    "boolean": 8,
}
_PRECISIONS = {
    "FP32": "float32",
    "FP16": "float16",
    "BF16": "bfloat16",
    "FP64": "float64",
    "BOOL": "bool",
}


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
        self._takers: dict[str, list[Layer]] = {}
        root = _root(path)
        with refused_if_inconsistent(path, "its layers are inconsistent"):
            for element in root.iterfind("./layers/layer"):
                layer = _layer(element)
                if layer.id in self.layers:
                    raise damaged(path, f"two of its layers have the id {layer.id[:40]!r}")
                self.layers[layer.id] = layer
            self._connect(root)
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

    def consumers(self, layer: Layer) -> list[Layer]:
        """The layers that take what a layer gives."""
        return self._takers.get(layer.id, [])

    def _connect(self, root: Any) -> None:
        edges = {
            (each.attrib["to-layer"], each.attrib["to-port"]): (
                each.attrib["from-layer"],
                each.attrib["from-port"],
            )
            for each in root.iterfind("./edges/edge")
        }
        for layer in self.layers.values():
            layer.sources = [edges[layer.id, number] for number in layer.inputs]
            for origin, number in layer.sources:
                if number not in self.layers[origin].outputs:
                    raise KeyError(f"{layer.name} takes a port that is not there")
            for origin in {origin for origin, _ in layer.sources}:
                self._takers.setdefault(origin, []).append(layer)
        self._refuse_cycles()

    def _refuse_cycles(self) -> None:
        before = {each.id: [origin for origin, _ in each.sources] for each in self.layers.values()}
        try:
            TopologicalSorter(before).prepare()
        except CycleError as error:
            raise damaged(self.path, "its layers feed each other in a circle") from error


def is_ir(path: Path) -> bool:
    """Whether a file begins as the .xml of an IR does."""
    with open_regular(path) as opened:
        head = opened.read(400).lstrip()
    return re.match(rb"(<\?xml[^>]*>\s*)?(<!.*)?<net[\s>]", head, re.DOTALL) is not None


def weights_file(path: Path) -> Path:
    """The .bin that belongs to an .xml."""
    return path.with_suffix(".bin")


class _Tree(ElementTree.TreeBuilder):
    """The elements, as long as they are as many and as deep as those of a description."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._count = self._depth = 0

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise damaged(self._path, "it declares XML entities, which no IR does")

    def start(self, tag: Any, attrs: Any) -> Any:
        self._count += 1
        self._depth += 1
        if self._count > _MOST_ELEMENTS:
            raise damaged(self._path, f"it has more than {_MOST_ELEMENTS} elements")
        if self._depth > _DEEPEST:
            raise damaged(self._path, f"its elements are nested more than {_DEEPEST} deep")
        return super().start(tag, attrs)

    def end(self, tag: Any) -> Any:
        self._depth -= 1
        return super().end(tag)


def _root(path: Path) -> Any:
    content = read_bytes(path, _MOST_BYTES)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise damaged(path, "it declares XML entities, which no IR does")
    no_xml = damaged(path, "it is no XML" if content else "it is empty")
    with foreign(no_xml.message, no_xml.remedy, InferenceError):
        parser = ElementTree.XMLParser(target=_Tree(path))
        parser.feed(content)
        root = parser.close()
    if root.tag != "net" or root.find("./layers/layer") is None:
        raise damaged(path, "it is no OpenVINO IR")
    version = root.attrib.get("version", "")
    if version.isdigit() and _NEWEST < int(version) <= _FURTHEST:
        runtime = installed("openvino", "OpenVINO")
        raise too_new(path, f"IR version {version}", runtime, f"version {_NEWEST}", _UPGRADE)
    return root


def _layer(element: Any) -> Layer:
    attributes = element.attrib
    data = element.find("data")
    layer = Layer(
        attributes["id"],
        attributes["name"],
        attributes["type"],
        {} if data is None else dict(data.attrib),
    )
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
        _end(network, each)
        for each in network.layers.values()
        if each.kind == "Const" and "offset" in each.data
    ]
    weights = weights_file(path)
    there = weights.exists()
    size = regular_size(weights) if there else 0  # OpenVINO opens it, whether it is needed or not
    if ends and (not there or size < max(ends)):
        fault = f"shorter than {max(ends)} bytes" if there else "missing"
        raise InferenceError(
            f"{path.name} has its weights in {weights.name}, which is {fault}",
            f"put the {weights.name} that was made with it beside it",
        )


def _end(network: Network, constant: Layer) -> int:
    """The end of a constant's values in the .bin."""
    data, shown = constant.data, constant.name[:80]
    offset, size = data["offset"], data.get("size", "")
    if not _WHOLE.fullmatch(offset) or not _WHOLE.fullmatch(size):
        raise damaged(
            network.path,
            f"{shown} has its values at offset {offset[:40]!r} in {size[:40]!r} bytes",
        )
    bits = _BITS.get(data.get("element_type", ""))
    (port,) = constant.outputs.values()
    if bits is not None and -(-math.prod(port.shape) * bits // 8) != int(size):
        raise damaged(network.path, f"{shown} has {size} bytes, and its shape asks for others")
    return int(offset) + int(size)
