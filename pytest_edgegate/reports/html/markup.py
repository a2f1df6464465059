"""Elements of HTML and SVG as values, and the one function that writes them: it escapes all text.

A text from a file, a test or a tool can't become markup: no function here takes markup as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

MOST_CHARACTERS = 4_000
"""Of one text; the number of the others is told."""
_EMPTY = frozenset({"br", "img", "input", "link", "meta"})
"""Elements of HTML without content, which have no end tag."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters, those that change the direction of the text around them, and those that can't
be seen: they are spelt as Python does. What joins the letters of a script stays."""

Attribute = str | int | float | bool | None


@dataclass(frozen=True)
class Element:
    """An element with its attributes and what it contains."""

    tag: str
    attributes: tuple[tuple[str, str | None], ...]
    """A value of None is an attribute without a value."""
    content: tuple[Element | Verbatim | str, ...]


@dataclass(frozen=True)
class Verbatim:
    """A style sheet or a script of this package, which HTML does not unescape."""

    text: str

    def __post_init__(self) -> None:
        assert "</" not in self.text, "it would end its element"


Content: TypeAlias = "Element | Verbatim | str | Iterable[Content] | None"
"""What an element may be given: None is left out."""


def element(tag: str, *content: Content, **attributes: Attribute) -> Element:
    """An element. In the names of attributes ``_`` is ``-``, and one at the end is left out.

    Attributes that are None or False are left out.
    """
    named = (
        (name.rstrip("_").replace("_", "-"), None if value is True else str(value))
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Element(tag, tuple(named), tuple(_flat(content)))


def _flat(content: Iterable[Content]) -> Iterator[Element | Verbatim | str]:
    for each in content:
        if isinstance(each, Element | Verbatim | str):
            yield each
        elif each is not None:
            yield from _flat(each)


def written(root: Element) -> str:
    """The element as HTML."""
    parts: list[str] = []
    _write(root, parts)
    return "".join(parts)


def _write(each: Element | Verbatim | str, parts: list[str]) -> None:
    if isinstance(each, str):
        parts.append(escape(shown(each)))
        return
    if isinstance(each, Verbatim):
        parts.append(each.text)
        return
    parts.append(f"<{each.tag}")
    for name, value in each.attributes:
        parts.append(f" {name}" if value is None else f' {name}="{escape(_spelt(value))}"')
    parts.append(">")
    if each.tag not in _EMPTY:
        for inner in each.content:
            _write(inner, parts)
        parts.append(f"</{each.tag}>")


def shown(text: str) -> str:
    """A text with what can't be seen spelt out, at most so many characters of it."""
    more = len(text) - MOST_CHARACTERS
    if more > 0:
        return f"{_spelt(text[:MOST_CHARACTERS])}... and {more:,} more characters"
    return _spelt(text)


def _spelt(text: str) -> str:
    return _HIDDEN.sub(_code, text)


def _code(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
