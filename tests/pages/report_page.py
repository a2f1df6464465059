"""A page as a reader without scripts has it: its elements, and the text that they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

EMPTY = ("meta", "input", "img", "br", "link")


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    content: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(each if isinstance(each, str) else each.text for each in self.content)

    def all(self, tag: str = "", kind: str = "") -> list[Element]:
        """The elements in it with a tag and a class."""
        return [
            each
            for each in self.inner()
            if (not tag or each.tag == tag)
            and (not kind or kind in (each.attributes.get("class") or "").split())
        ]

    def inner(self) -> Iterator[Element]:
        for each in self.content:
            if isinstance(each, Element):
                yield each
                yield from each.inner()


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag} repeats an attribute"
        made = Element(tag, dict(attrs))
        self._open[-1].content.append(made)
        if tag not in EMPTY:
            self._open.append(made)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> ends another element"

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def parsed(page: bytes) -> Element:
    """Fails for elements that do not nest."""
    parser = _Parser()
    parser.feed(page.decode("utf-8"))
    parser.close()
    [root] = [each for each in parser.root.content if isinstance(each, Element)]
    assert len(parser._open) == 1, "an element has no end"
    return root
