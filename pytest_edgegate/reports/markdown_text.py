"""Text of others in Markdown as GitHub and GitLab show it: escaped once, and never too long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_edgegate.core.printable import visible

_LONGEST = 500
"""The characters of one text that are shown."""
_BREAK = "&#8203;"
"""A space of no width, as an entity: it parts what would become a link or a mention."""
_PUNCTUATION = {ord(each): f"\\{each}" for each in "\\`*_[]|~#"} | {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("$"): "&#36;",  # GitHub looks for formulas before it looks at backslashes
    ord("@"): f"@{_BREAK}",
}
_REFERENCE = re.compile(r"(\\#|\bGH-)(?=\w)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=\bmailto)(?=:)|(?<=\bxmpp)(?=:)", re.I)
_BLOCK = re.compile(r"^(\d+)(?=[.)](?:\s|$))|^(?=[-+](?:\s|$)|--|=)")
"""What begins a list, a heading or a line across the page."""


def escaped(text: str) -> str:
    """The text as Markdown that shows just that text, in one line, wherever it stands in one.

    Nothing in it is a link, an image, a mention, a reference, a formula or HTML. A text that is
    too long ends in the number of characters that are left out.
    """
    line = " ".join(visible(shortened(text)).split())
    line = _REFERENCE.sub(rf"\1{_BREAK}", line.translate(_PUNCTUATION))
    line = _ADDRESS.sub(_BREAK, line)
    return _BLOCK.sub(r"\g<1>\\", line)


def shortened(text: str) -> str:
    """The text, or its beginning with the number of characters that are left out."""
    left = len(text) - _LONGEST
    return text if left <= 0 else f"{text[:_LONGEST]}... ({left:,} characters more)"


def code(text: str) -> str:
    """A name, in the type of code. GitHub looks for no mentions in it."""
    return f"<code>{escaped(text)}</code>" if text else ""


def table_head(headings: Sequence[str]) -> str:
    """The head of a table; its rows are made by ``table_row``."""
    return f"{table_row(headings)}{table_row(['---'] * len(headings))}"


def table_row(cells: Iterable[str]) -> str:
    """A row of cells that are Markdown by now."""
    return f"| {' | '.join(cells)} |\n"


def folded(title: str, content: str) -> str:
    """Markdown that is shown once its title is clicked on."""
    return f"<details><summary>{title}</summary>\n\n{content}\n</details>\n"
