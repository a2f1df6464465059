"""Target tables in TOML: keys and values as text, since TOML has no writer in Python."""

from __future__ import annotations

import datetime
import json
import random
import tomllib
from typing import Any

from fuzzing.draft import BytesFault
from fuzzing.faults import documents, values

_KEYS = (
    "formats",
    "dtypes",
    "runtimes",
    "from",
    "operators",
    "io_dtypes",
    "preferred",
    "memory_bytes",
    "latency",
    "title",
    "limits",
    "sources",
    "cautions",
    "static_shape",
    "nothing",
    "",
    "a b",
    "²",
)
_VALUES = (
    "litert",
    "onnx",
    "openvino",
    "int8",
    "float32",
    "coral",
    "host",
    "own",
    "other",
    "softmax_size",
    "litert-xnnpack",
    "onnxruntime",
    "CONV_2D",
    "²",
    "",
)


def text(document: Any, draw: random.Random) -> None:
    node, key = draw.choice(
        [each for each in documents.places(document) if isinstance(each[0][each[1]], str)]
    )
    node[key] = draw.choice(_VALUES)


def added(document: Any, draw: random.Random) -> None:
    tables = [
        document,
        *(node[key] for node, key in documents.places(document) if isinstance(node[key], dict)),
    ]
    draw.choice(tables)[draw.choice(_KEYS)] = draw.choice(
        (
            values.anything(draw),
            draw.choice(_VALUES),
            [draw.choice(_VALUES)],
            datetime.date(2020, 1, 1),
            datetime.time(1),
            {draw.choice(_KEYS): draw.choice(_VALUES)},
        )
    )


def edited(content: bytes, draw: random.Random) -> bytes:
    document = tomllib.loads(content.decode())
    for _ in range(draw.choice((1, 1, 2))):
        draw.choice((*documents.DOCUMENT, text, text, text, added, added))(document, draw)
    return written(document).encode("utf-8", "surrogatepass")


def odd(content: bytes, draw: random.Random) -> bytes:
    """What TOML allows, or nearly."""
    plain = content.decode()
    return draw.choice(
        (
            plain + "\nx = " + "[" * draw.choice(values.DEEP),
            plain + "\nx = " + "{a = " * draw.choice((100, 2000)) + "1" + "}" * 100,
            plain + "\nmemory_bytes = 0x" + "f" * 5000,
            plain + "\nmemory_bytes = " + "9" * 5000,
            plain + "\n[tool]\n[tool]\n",
            "[" + ".".join("a" * 3000) + "]\n",
            "tool.edgegate.targets = 7",
            "[[tool.edgegate.targets]]\nname = 'x'\n",
            "tool = 1979-05-27",
            "\ufeff" + plain,
            plain.replace("=", "= \x00", 1),
            plain.replace('"', "'''"),
        )
    ).encode()


def written(document: Any) -> str:
    """The document as one inline table for each of its keys."""
    return "\n".join(f"{_key(name)} = {_value(value)}" for name, value in document.items())


def _key(name: Any) -> str:
    return json.dumps(str(name))


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return '""' if value is None else json.dumps(value)


TABLE: tuple[BytesFault, ...] = (edited, edited, edited, edited, edited, edited, odd)
