"""The .xml of an OpenVINO IR: attributes, texts, elements, and what XML itself allows."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from fuzzing.draft import BytesFault
from fuzzing.faults import values

_KINDS = (
    "Const",
    "Parameter",
    "Result",
    "Convolution",
    "FakeQuantize",
    "MatMul",
    "Reshape",
    "Loop",
    "If",
    "TensorIterator",
    "Broadcast",
    "Tile",
    "ReadValue",
    "Nothing",
    "Convert",
    "Pad",
    "StridedSlice",
)
_NUMBERS = (
    "-1",
    "0",
    "abc",
    "²",
    "1e3",
    "",
    str(2**31),
    str(2**63),
    str(2**70),
    "1,2",
    " 7 ",
    "nan",
)
_TYPES = (
    "f32",
    "f16",
    "i8",
    "u8",
    "i64",
    "u1",
    "i4",
    "string",
    "boolean",
    "undefined",
    "f8e4m3",
    "²",
)


def attribute(root: Any, draw: random.Random) -> None:
    """A value of any attribute by one of another kind, or of another element."""
    element = draw.choice([each for each in root.iter() if each.attrib])
    key = draw.choice(sorted(element.attrib))
    same = [each.attrib[key] for each in root.iter() if key in each.attrib]
    element.attrib[key] = draw.choice(
        (
            draw.choice(_NUMBERS),
            draw.choice(same),
            draw.choice(_TYPES),
            draw.choice(_KINDS),
            _plain(values.text(draw)),
        )
    )


def size(root: Any, draw: random.Random) -> None:
    """Where a constant lies in the .bin, and how it looks."""
    data = draw.choice([each for each in root.iter("data") if "offset" in each.attrib])
    key = draw.choice(("offset", "size", "shape", "element_type"))
    data.attrib[key] = draw.choice((*_NUMBERS, *_TYPES))


def without_attribute(root: Any, draw: random.Random) -> None:
    element = draw.choice([each for each in root.iter() if each.attrib])
    del element.attrib[draw.choice(sorted(element.attrib))]


def dimension(root: Any, draw: random.Random) -> None:
    draw.choice(list(root.iter("dim"))).text = draw.choice((*_NUMBERS, "0", "100000"))


def kind(root: Any, draw: random.Random) -> None:
    draw.choice(list(root.iter("layer"))).attrib["type"] = draw.choice(_KINDS)


def edge(root: Any, draw: random.Random) -> None:
    chosen = draw.choice(list(root.iter("edge")))
    ids = [each.attrib.get("id", "") for each in root.iter("layer")]
    key = draw.choice(sorted(chosen.attrib))
    chosen.attrib[key] = draw.choice((*ids, *_NUMBERS, chosen.attrib.get("from-layer", "")))


def removed(root: Any, draw: random.Random) -> None:
    parent = draw.choice([each for each in root.iter() if len(each)])
    parent.remove(draw.choice(list(parent)))


def repeated(root: Any, draw: random.Random) -> None:
    parent = draw.choice([each for each in root.iter() if len(each)])
    parent.insert(draw.randrange(len(parent)), copy.deepcopy(draw.choice(list(parent))))


def moved(root: Any, draw: random.Random) -> None:
    everything = list(root.iter())
    parent, child = draw.choice(everything), draw.choice(everything)
    parent.append(copy.deepcopy(child))


def deep(root: Any, draw: random.Random) -> None:
    inner = draw.choice(list(root.iter()))
    for _ in range(draw.choice((300, 3000))):
        inner = ElementTree.SubElement(inner, draw.choice(("layer", "data", "body")))


def rt_info(root: Any, draw: random.Random) -> None:
    info = ElementTree.SubElement(root, "rt_info")
    child = ElementTree.SubElement(info, draw.choice(("conversion_parameters", "nncf", "x")))
    child.attrib["value"] = _plain(values.text(draw))


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isprintable() and ord(each) < 0xD800)


_TREE: tuple[Callable[[Any, random.Random], None], ...] = (
    attribute,
    attribute,
    attribute,
    attribute,
    size,
    size,
    without_attribute,
    without_attribute,
    dimension,
    dimension,
    kind,
    edge,
    edge,
    removed,
    removed,
    repeated,
    moved,
    deep,
    rt_info,
)


def edited(content: bytes, draw: random.Random) -> bytes:
    root = ElementTree.fromstring(content)
    draw.choice(_TREE)(root, draw)
    made: bytes = ElementTree.tostring(root, xml_declaration=True, encoding="utf-8")
    return made


def markup(content: bytes, draw: random.Random) -> bytes:
    """What XML allows and no IR has: entities, other encodings, a byte order mark."""
    text = content.decode()
    body = text.split("?>", 1)[-1]
    return draw.choice(
        (
            b'<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "b">]>' + body.encode(),
            '<?xml version="1.0" encoding="utf-16"?>'.encode("utf-16") + body.encode("utf-16-le"),
            b'<?xml version="1.0" encoding="nowhere"?>' + body.encode(),
            b'<?xml version="1.0" encoding="utf-7"?>' + body.encode("utf-7"),
            b"\xef\xbb\xbf" + content,
            b"<net>" + b"<layers>" * draw.choice(values.DEEP),
            b"<!-- " + b"x" * 500 + b"-->" + body.encode(),
            b'<net xmlns="x">' + body.split(">", 1)[-1].encode(),
        )
    )


XML: tuple[BytesFault, ...] = (edited, edited, edited, edited, edited, edited, markup)
