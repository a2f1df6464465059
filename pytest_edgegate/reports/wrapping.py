"""Breaks lines for a terminal between words, and never inside a figure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

WIDTH = 80
"""Columns of a text whose terminal is not known."""
UNBROKEN = 1_000_000
"""Columns of a log that nobody reads on a terminal of known width."""
_GLUE = "\0"
_UNITS = "kB|MB|GB|B|dB|ms|us|s|%|points?|samples?|x"
_TOGETHER = (
    re.compile(r"(?<=\S) (?=-> )|(?<=->) (?=\S)"),
    re.compile(rf"(?<=\d) (?=(?:{_UNITS})\b|%)"),
    re.compile(r"(?<=\bn) (?=\d)"),
    re.compile(r"(?<=<=|>=) (?=\S)"),
    re.compile(r"(?<=[<>]) (?=\S)"),
    re.compile(r"(?<=\[)([^\s\[\],]+), ([^\s\[\],]+)(?=\])"),
)
"""A change, a number and its unit, a sign and its limit, the ends of an interval."""


def wrapped(text: str, width: int, indent: str = "", hanging: str = "    ") -> list[str]:
    """The text as lines of at most *width* columns, unless one word is longer.

    *indent* stands before each line, *hanging* also before all but the first.
    """
    between, *signs, interval = _TOGETHER
    for pattern in (between, *signs):
        text = pattern.sub(_GLUE, text)
    text = interval.sub(rf"\1,{_GLUE}\2", text)
    lines = textwrap.wrap(
        text,
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def joined(cells: Sequence[str], width: int, indent: str = "") -> list[str]:
    """Cells in one line, two spaces apart, or in as many lines as they need, each cell whole."""
    lines = [indent]
    for cell in filter(None, cells):
        start = "" if not lines[-1].strip() else "  "
        if start and len(lines[-1]) + len(start) + len(cell) > width:
            lines.append(f"{indent}    ")
            start = ""
        lines[-1] += start + cell
    return lines
