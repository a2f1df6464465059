"""Text of others as a terminal and the log of a CI server may show it.

Names and messages of files, tools and tests may hold anything: escape sequences that a terminal
obeys, characters that turn the direction of a line, lines that GitHub reads as commands. The
records keep such text; what prints it makes it visible here.
"""

from __future__ import annotations

import re

_UNSEEN = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_OTHER_ENDS = "\u2028\u2029"
_HIDDEN = re.compile(f"[{_UNSEEN}{_TURNING}{_OTHER_ENDS}\ud800-\udfff]")
_COMMAND = re.compile(r"^([^\S\n]*)::", re.MULTILINE)
_OLD_COMMAND = "##["
"""GitHub's runner also obeys its first form of commands, which may stand anywhere in a line."""


def printable(text: str) -> str:
    """The text with control characters, marks of direction and lone surrogates as escapes.

    Line breaks and tabs stay. A line is never a command of a CI server: a backslash stands before
    ``::`` at its start, and within ``##[``.
    """
    return _COMMAND.sub(r"\1\\::", visible(text)).replace(_OLD_COMMAND, "##\\[")


def printable_line(text: str) -> str:
    """The same in one line: line breaks are escapes, too."""
    return printable(text.replace("\n", "\\n"))


def visible(text: str) -> str:
    """The text with what can't be seen as escapes; line breaks and tabs stay."""
    return _HIDDEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
