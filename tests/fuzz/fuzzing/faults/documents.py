"""JSON documents: values of other kinds, keys that are missing, parts in each other's place."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from fuzzing.faults import values

Place = tuple[Any, Any]
"""A dict or list, and the key or position in it."""
DocumentFault = Callable[[Any, random.Random], None]


def places(document: Any) -> Iterator[Place]:
    """Every value of a document by where it stands."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(inner):
        yield document, key
        if isinstance(value, dict | list):
            yield from places(value)


def _drawn(document: Any, draw: random.Random) -> Place:
    return draw.choice(list(places(document)))


def replaced(document: Any, draw: random.Random) -> None:
    node, key = _drawn(document, draw)
    node[key] = values.anything(draw)


def absurd_number(document: Any, draw: random.Random) -> None:
    node, key = draw.choice(
        [
            (node, key)
            for node, key in places(document)
            if isinstance(node[key], int | float) and not isinstance(node[key], bool)
        ]
    )
    node[key] = values.number(draw)


def another_text(document: Any, draw: random.Random) -> None:
    """A text by another one of the document, or by one that no reader likes."""
    texts = [(node, key) for node, key in places(document) if isinstance(node[key], str)]
    node, key = draw.choice(texts)
    other, at = draw.choice(texts)
    node[key] = draw.choice((other[at], values.text(draw)))


def removed(document: Any, draw: random.Random) -> None:
    node, key = _drawn(document, draw)
    del node[key]


def renamed(document: Any, draw: random.Random) -> None:
    node, key = draw.choice([each for each in places(document) if isinstance(each[0], dict)])
    node[draw.choice((key + "_", key.upper(), values.text(draw)))] = node.pop(key)


def moved(document: Any, draw: random.Random) -> None:
    """A part in the place of another."""
    node, key = _drawn(document, draw)
    other, at = _drawn(document, draw)
    node[key] = copy.deepcopy(other[at])


def repeated(document: Any, draw: random.Random) -> None:
    node, _ = draw.choice([(node, key) for node, key in places(document) if isinstance(node, list)])
    node.insert(draw.randrange(len(node) + 1), copy.deepcopy(draw.choice(node)))


def shuffled(document: Any, draw: random.Random) -> None:
    draw.shuffle(
        draw.choice(
            [node for node, _ in places(document) if isinstance(node, list) and len(node) > 1]
        )
    )


DOCUMENT: tuple[DocumentFault, ...] = (
    replaced,
    replaced,
    replaced,
    absurd_number,
    absurd_number,
    another_text,
    another_text,
    removed,
    removed,
    renamed,
    moved,
    moved,
    repeated,
    shuffled,
)


def edited(content: bytes, draw: random.Random, faults: tuple[DocumentFault, ...] = ()) -> bytes:
    """The document in *content* with one fault, or nested in itself more than parsers like."""
    if draw.random() < 0.03:
        return _deep(content, draw)
    document = json.loads(content)
    draw.choice(faults or DOCUMENT)(document, draw)
    return json.dumps(document).encode()


def _deep(content: bytes, draw: random.Random) -> bytes:
    document = json.loads(content)
    node, key = _drawn(document, draw)
    node[key] = "THE-DEEP"
    times = draw.choice(values.DEEP)
    opening, closing = draw.choice(
        (("[", "]"), ('{"config":', "}"), ('{"class_name":"M","config":[', "]}"))
    )
    deep = opening * times + "0" + closing * times
    return json.dumps(document).replace('"THE-DEEP"', deep).encode()
