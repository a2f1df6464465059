"""Protocol buffers by their own descriptors: any message, any field."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from fuzzing.faults import values

_MOST = 3000
"""Messages that are looked at; weights are fields of messages, not messages."""


def messages(root: Any) -> list[Any]:
    """*root* and the messages inside it, the outer ones first."""
    found = [root]
    for each in found:
        found += _inside(each)
        if len(found) > _MOST:
            break
    return found


def _inside(message: Any) -> Iterator[Any]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if _is_map(field):
            if field.message_type.fields_by_name["value"].message_type is not None:
                yield from (value[key] for key in sorted(value))
        elif _repeated(field):
            yield from value
        else:
            yield value


def edited(root: Any, draw: random.Random) -> None:
    """One fault in one message."""
    message = draw.choice(messages(root))
    fields = [field for field, _ in message.ListFields()]
    if draw.random() < 0.1 or not fields:
        fields = list(message.DESCRIPTOR.fields)
    field = draw.choice(fields)
    if _is_map(field):
        _edit_map(message, field, draw)
    elif _repeated(field):
        _edit_list(root, message, field, draw)
    elif field.message_type is not None:
        _edit_message(root, message, field, draw)
    elif draw.random() < 0.15:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _scalar(field, draw, getattr(message, field.name), root))


def _edit_map(message: Any, field: Any, draw: random.Random) -> None:
    inner = getattr(message, field.name)
    key = draw.choice(sorted(inner))
    kind = field.message_type.fields_by_name["value"]
    if draw.random() < 0.4:
        del inner[key]
    elif kind.message_type is not None:
        other = inner[draw.choice(sorted(inner))].SerializeToString()
        inner[key].ParseFromString(other)
    else:
        inner[key] = _scalar(kind, draw, inner[key], message)


def _edit_list(root: Any, message: Any, field: Any, draw: random.Random) -> None:
    items = getattr(message, field.name)
    kind = draw.choice(("removed", "repeated", "swapped", "changed", "changed", "cleared", "taken"))
    if kind == "cleared" or not items:
        message.ClearField(field.name)
        return
    at = draw.randrange(len(items))
    if kind == "removed":
        del items[at]
    elif field.message_type is not None:
        same = [each for each in messages(root) if each.DESCRIPTOR is items[at].DESCRIPTOR]
        source = draw.choice(same if kind == "taken" else list(items)).SerializeToString()
        if kind == "repeated":
            items.add().ParseFromString(source)
        else:
            items[at].ParseFromString(source)
    elif kind == "repeated":
        items.extend([items[at]] * draw.choice((1, 2, 100)))
    else:
        items[at] = _scalar(field, draw, items[at], root)


def _edit_message(root: Any, message: Any, field: Any, draw: random.Random) -> None:
    same = [each for each in messages(root) if each.DESCRIPTOR is field.message_type]
    if draw.random() < 0.4 or not same:
        message.ClearField(field.name)
    else:
        getattr(message, field.name).ParseFromString(draw.choice(same).SerializeToString())


def _scalar(field: Any, draw: random.Random, now: Any, root: Any) -> Any:
    if field.enum_type is not None:
        return draw.choice([each.number for each in field.enum_type.values])
    if isinstance(now, bool):
        return not now
    if isinstance(now, int):
        return _fitting(field, draw.choice((values.integer(draw), now + 1, draw.randrange(40))))
    if isinstance(now, float):
        return draw.choice(values.FLOATS)
    other = draw.choice((values.text(draw), _text_of(root, draw, type(now))))
    if isinstance(now, bytes):
        made = bytearray(now or b"canary")
        made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
        given = other if isinstance(other, bytes) else other.encode("utf-8", "surrogateescape")
        return draw.choice((bytes(made), bytes(made[: len(made) // 2]), given))
    return other


def _text_of(root: Any, draw: random.Random, kind: type) -> Any:
    """A text that stands somewhere else: the name of another tensor, node or function."""
    found = [
        value
        for message in messages(root)
        for _, value in message.ListFields()
        if isinstance(value, kind)
    ]
    return draw.choice(found) if found else kind()


def _fitting(field: Any, value: int) -> int:
    bits: int = 32 if field.type in (5, 7, 13, 15, 17) else 64  # FieldDescriptor.TYPE_*32
    if field.type in (4, 6, 7, 13):  # unsigned
        return value % (1 << bits)
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half


def _repeated(field: Any) -> bool:
    return bool(field.is_repeated)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
